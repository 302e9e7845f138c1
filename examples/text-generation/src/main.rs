//! cargo run --release -p text-generation --features flex
use clap::Parser;
use hearth::backend::{Selected, device};
use hearth::burn::backend::Autodiff;
use hearth::kernels::among_workers;

fn main() -> anyhow::Result<()> {
    let options = text_generation::Args::parse();
    among_workers(|| text_generation::run::<Autodiff<Selected>>(&options, &device()?))
}
