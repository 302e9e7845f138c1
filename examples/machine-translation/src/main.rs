//! cargo run --release -p machine-translation --features flex
use clap::Parser;
use hearth::backend::{Selected, device};
use hearth::burn::backend::Autodiff;
use hearth::kernels::among_workers;

fn main() -> anyhow::Result<()> {
    let options = machine_translation::Args::parse();
    among_workers(|| machine_translation::run::<Autodiff<Selected>>(&options, &device()?))
}
