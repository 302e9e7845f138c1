//! cargo run --release -p initialisation --features flex
use clap::Parser;

fn main() -> anyhow::Result<()> {
    initialisation::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &initialisation::Options::parse(),
        &hearth::backend::device()?,
    )
}
