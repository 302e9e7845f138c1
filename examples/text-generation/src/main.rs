//! cargo run --release -p text-generation --features flex
use clap::Parser;

fn main() -> anyhow::Result<()> {
    text_generation::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &text_generation::Args::parse(),
        &hearth::backend::device()?,
    )
}
