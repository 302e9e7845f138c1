//! cargo run --release -p text-generation --features flex
fn main() -> anyhow::Result<()> {
    text_generation::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &hearth::backend::device()?,
    )
}
