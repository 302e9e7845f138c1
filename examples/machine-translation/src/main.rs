//! cargo run --release -p machine-translation --features flex
use clap::Parser;

fn main() -> anyhow::Result<()> {
    machine_translation::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &machine_translation::Args::parse(),
        &hearth::backend::device()?,
    )
}
