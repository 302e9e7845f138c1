//! cargo run --release -p image-recognition --features flex
use clap::Parser;
use hearth::backend::{Selected, device};
use hearth::burn::backend::Autodiff;
use hearth::kernels::among_workers;

fn main() -> anyhow::Result<()> {
    let options = image_recognition::Args::parse();
    among_workers(|| image_recognition::run::<Autodiff<Selected>>(&options, &device()?))
}
