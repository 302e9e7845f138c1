//! Operations that Burn makes of many, each computed at once where a backend can.
//!
//! Burn differentiates operation by operation: a layer norm is a dozen passes over its numbers forward, and more backward;
//! on a processor the passes of a training step take longer than the products between them. So each function here is a
//! door with two ways behind it. A backend whose [`Kernels`] were [`install`]ed goes the short one, in single precision, attention
//! in whatever it knows: those of [`InMemory`] are for backends whose numbers the processor reads where they lie. Any other backend, and any other
//! type of number, goes the way of Burn's own operations. Both compute the same formula.
//!
//! ```
//! use burn::backend::Autodiff;
//! use burn::tensor::Tensor;
//! use burn_flex::Flex;
//! use hearth_kernels::{InMemory, gelu, install, read_flex};
//!
//! struct OnFlex;
//! read_flex!(OnFlex);
//!
//! install::<InMemory<OnFlex>>();
//! let x = Tensor::<Autodiff<Flex>, 1>::from_floats([-1.0, 0.0, 1.0], &Default::default()).require_grad();
//! let y = gelu(x.clone());
//! let slopes = x.grad(&y.sum().backward()).expect("a gradient");
//! let slopes = slopes.into_data().to_vec::<f32>().expect("numbers");
//! assert!((slopes[1] - 0.5).abs() < 1e-6);
//! ```

mod graph;
mod in_memory;
mod installed;
mod kernels;
mod operations;

pub use in_memory::{InMemory, InMemoryWithLinear, Reader, among_workers};
pub use installed::install;
pub use kernels::{
    AdamKernel, AttentionBackward, AttentionKernel, Float, Kept, Kernels, LinearBackward,
    LinearForward, LinearKernel, SumOfSquaresKernel,
};
pub use operations::{
    AdamStep, Hidden, adam, attention, gelu, join_heads, layer_norm, linear, running_mean,
    softmax_weights, split_heads, sum_of_squares,
};

#[cfg(test)]
mod tests;
