//! cargo run --release -p transformer-forward --features flex
fn main() -> anyhow::Result<()> {
    transformer_forward::run::<hearth::backend::Selected>(&hearth::backend::device()?)
}
