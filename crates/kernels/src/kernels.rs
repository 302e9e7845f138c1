//! What a backend computes at once.

use crate::operations::AdamStep;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use std::fmt::Debug;

/// A tensor of a backend without gradients.
pub type Float<K> = FloatTensor<<K as Kernels>::Backend>;

/// What was computed, and what its gradient needs, if one is wanted.
pub type Kept<K> = (Float<K>, Vec<Float<K>>);

/// The operations of a backend in single precision, each at once, and their gradients. Attention alone is asked for in any.
///
/// Forward, `keep` says whether a gradient will be wanted; backward, `kept` is what was kept for it, and `gradient` is that
/// by what was computed.
pub trait Kernels: Sized + Debug + Send + 'static {
    /// Without gradients.
    type Backend: Backend;

    /// [`gelu`](crate::gelu).
    fn gelu(x: Float<Self>, keep: bool) -> Kept<Self>;

    /// The gradient by `x`.
    fn gelu_backward(kept: Vec<Float<Self>>, gradient: Float<Self>) -> Float<Self>;

    /// `softmax(x)` over the last axis.
    ///
    /// - `hides_rows`: whether a row may be nothing but `-inf`; it has zeros then, not NaN
    fn softmax(x: Float<Self>, hides_rows: bool, keep: bool) -> Kept<Self>;

    /// The gradient by `x`.
    fn softmax_backward(kept: Vec<Float<Self>>, gradient: Float<Self>) -> Float<Self>;

    /// [`split_heads`](crate::split_heads), the gradient of which is [`join_heads`](Self::join_heads).
    fn split_heads(x: Float<Self>, n_heads: usize) -> Float<Self>;

    /// [`join_heads`](crate::join_heads), the gradient of which is [`split_heads`](Self::split_heads).
    fn join_heads(x: Float<Self>) -> Float<Self>;

    /// [`layer_norm`](crate::layer_norm), of `x`, `γ` and `β`.
    fn layer_norm(of: [Float<Self>; 3], epsilon: f64, keep: bool) -> Kept<Self>;

    /// The gradients by `x`, `γ` and `β`.
    fn layer_norm_backward(kept: Vec<Float<Self>>, gradient: Float<Self>) -> [Float<Self>; 3];

    /// [`attention`](crate::attention), if there is a kernel for such queries, of whatever type.
    fn attention(_query: &Float<Self>) -> Option<AttentionKernel<Self>> {
        None
    }

    /// [`linear`](crate::linear), if there is a kernel for it.
    fn linear() -> Option<LinearKernel<Self>> {
        None
    }

    /// [`adam`](crate::adam), if there is a kernel for it.
    fn adam() -> Option<AdamKernel<Self>> {
        None
    }

    /// [`sum_of_squares`](crate::sum_of_squares), if there is a kernel for it.
    fn sum_of_squares() -> Option<SumOfSquaresKernel<Self>> {
        None
    }
}

/// Of a weight, its gradient and both moments: the new weight and moments.
pub type AdamKernel<K> = fn([Float<K>; 4], &AdamStep) -> [Float<K>; 3];

/// Of some numbers: they, and the sum of their squares, of shape `[1]`.
pub type SumOfSquaresKernel<K> = fn(Float<K>) -> [Float<K>; 2];

/// Attention at once, forward and backward.
#[derive(Debug)]
pub struct AttentionKernel<K: Kernels> {
    /// Of queries, keys and values; whether each position sees those up to its own alone; whether to keep.
    pub forward: fn([Float<K>; 3], bool, bool) -> Kept<K>,
    /// The gradients by all three, from what was kept, the same word on what is seen, and the gradient.
    pub backward: AttentionBackward<K>,
}

/// The second half of an [`AttentionKernel`].
pub type AttentionBackward<K> = fn(Vec<Float<K>>, bool, Float<K>) -> [Float<K>; 3];

/// A linear layer, forward and backward.
#[derive(Debug)]
pub struct LinearKernel<K: Kernels> {
    /// Of rows and weight, and perhaps a bias; which of the first two to keep.
    pub forward: LinearForward<K>,
    /// From what was kept, the gradient, and which are wanted: those by rows, weight and bias. That by rows needs the weight, that by
    /// the weight the rows.
    pub backward: LinearBackward<K>,
}

/// The first half of a [`LinearKernel`].
pub type LinearForward<K> = fn([Float<K>; 2], Option<Float<K>>, [bool; 2]) -> Kept<K>;

/// The second half of a [`LinearKernel`].
pub type LinearBackward<K> = fn(Vec<Float<K>>, Float<K>, [bool; 3]) -> [Option<Float<K>>; 3];
