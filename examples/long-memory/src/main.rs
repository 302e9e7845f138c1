//! cargo run --release -p long-memory --features flex
use clap::Parser;
use hearth::backend::{Selected, device};
use hearth::burn::backend::Autodiff;
use hearth::kernels::among_workers;

fn main() -> anyhow::Result<()> {
    let options = long_memory::Options::parse();
    among_workers(|| long_memory::run::<Autodiff<Selected>>(&options, &device()?))
}
