//! cargo run --release --manifest-path examples/reuse-model-crate/Cargo.toml
use burn::backend::Autodiff;

#[cfg(feature = "flex")]
type Selected = burn_flex::Flex;
#[cfg(all(feature = "ndarray", not(feature = "flex")))]
type Selected = burn_ndarray::NdArray;

fn main() {
    reuse_model_crate::run::<Autodiff<Selected>>(&Default::default());
}
