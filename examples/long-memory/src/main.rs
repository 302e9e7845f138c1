//! cargo run --release -p long-memory --features flex
use clap::Parser;

fn main() -> anyhow::Result<()> {
    long_memory::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &long_memory::Options::parse(),
        &hearth::backend::device()?,
    )
}
