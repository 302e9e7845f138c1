//! cargo run --release -p image-recognition --features flex
use clap::Parser;

fn main() -> anyhow::Result<()> {
    image_recognition::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &image_recognition::Args::parse(),
        &hearth::backend::device()?,
    )
}
