//! cargo run --release -p speech-recognition --features flex
use clap::Parser;

fn main() -> anyhow::Result<()> {
    speech_recognition::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &speech_recognition::Args::parse(),
        &hearth::backend::device()?,
    )
}
