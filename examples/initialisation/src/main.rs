//! cargo run --release -p initialisation --features flex
use clap::Parser;
use hearth::backend::{Selected, device};
use hearth::burn::backend::Autodiff;
use hearth::kernels::among_workers;

fn main() -> anyhow::Result<()> {
    let options = initialisation::Options::parse();
    among_workers(|| initialisation::run::<Autodiff<Selected>>(&options, &device()?))
}
