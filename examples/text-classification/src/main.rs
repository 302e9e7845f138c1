//! cargo run --release -p text-classification --features flex
use clap::Parser;
use hearth::backend::{Selected, device};
use hearth::burn::backend::Autodiff;
use hearth::kernels::among_workers;

fn main() -> anyhow::Result<()> {
    let options = text_classification::Args::parse();
    among_workers(|| text_classification::run::<Autodiff<Selected>>(&options, &device()?))
}
