//! cargo run --release -p machine-translation --features flex
fn main() -> anyhow::Result<()> {
    machine_translation::run::<hearth::burn::backend::Autodiff<hearth::backend::Selected>>(
        &hearth::backend::device()?,
    )
}
