//! The backend that the crate's features choose: the only file that knows features for backends.
//!
//! Features add up, and any set compiles. Where several are on, [`Selected`](self) is the first of: `flex`, `ndarray`. So
//! `--features flex` chooses flex although `ndarray` is on by default.

#[cfg(any(feature = "flex", feature = "ndarray"))]
use burn::tensor::Device;

/// The selected backend, without gradients; for training, `Autodiff<Selected>`.
#[cfg(feature = "flex")]
pub type Selected = burn_flex::Flex;

/// The selected backend, without gradients; for training, `Autodiff<Selected>`.
#[cfg(all(feature = "ndarray", not(feature = "flex")))]
pub type Selected = burn_ndarray::NdArray;

/// The selected backend's default device.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub fn device() -> Device<Selected> {
    Device::<Selected>::default()
}
