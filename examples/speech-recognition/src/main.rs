//! cargo run --release -p speech-recognition --features flex
use clap::Parser;
use hearth::backend::{Selected, device};
use hearth::burn::backend::Autodiff;
use hearth::kernels::among_workers;

fn main() -> anyhow::Result<()> {
    let options = speech_recognition::Args::parse();
    among_workers(|| speech_recognition::run::<Autodiff<Selected>>(&options, &device()?))
}
