//! cargo run --release -p text-classification --features flex
use clap::Parser;

fn main() -> anyhow::Result<()> {
    text_classification::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &text_classification::Args::parse(),
        &hearth::backend::device()?,
    )
}
