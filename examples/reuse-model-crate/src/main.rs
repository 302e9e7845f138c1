//! cargo run --release --manifest-path examples/reuse-model-crate/Cargo.toml
use burn::backend::Autodiff;
use hearth_model::kernels::{self, among_workers, install};

#[cfg(feature = "flex")]
type Selected = burn_flex::Flex;
#[cfg(feature = "flex")]
type Kernels = kernels::InMemory<InPlace>;
#[cfg(all(feature = "ndarray", not(feature = "flex")))]
type Selected = burn_ndarray::NdArray;
#[cfg(all(feature = "ndarray", not(feature = "flex")))]
type Kernels = kernels::InMemoryWithLinear<InPlace>;

/// Reads the backend's tensors where they lie.
struct InPlace;
#[cfg(feature = "flex")]
kernels::read_flex!(InPlace);
#[cfg(all(feature = "ndarray", not(feature = "flex")))]
kernels::read_ndarray!(InPlace);

fn main() {
    // Both backends keep their numbers in memory: a few operations are computed at once there, and threads that they share
    // out work to need not be woken for each. It is faster, and no must.
    install::<Kernels>();
    among_workers(|| reuse_model_crate::run::<Autodiff<Selected>>(&Default::default()));
}
