//! Operations of one tensor, with and without a gradient.

use crate::host::{numbers, tensor};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::tensor::TensorMetadata;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use std::fmt::Debug;

/// What an operation does to the numbers of a tensor.
pub(crate) trait Unary: Debug + Default + Send + 'static {
    /// - `keep`: whether a gradient will be wanted
    /// - returns what is computed, with its shape, and what the gradient needs
    fn forward(x: Vec<f32>, shape: Vec<usize>, keep: bool) -> (Values, Vec<f32>);

    /// - `kept`: what [`forward`](Self::forward) gave for it
    /// - `gradient`: by what was computed
    /// - returns that by what went in
    fn backward(kept: &[f32], gradient: Values) -> Values;
}

/// Numbers and their shape.
pub(crate) type Values = (Vec<f32>, Vec<usize>);

/// Of a backend without gradients.
pub(crate) fn plain<B: Backend, O: Unary>(x: FloatTensor<B>) -> FloatTensor<B> {
    forward::<B, O>(x, false).0
}

/// Of a backend with gradients.
pub(crate) fn tracked<B: Backend, C: CheckpointStrategy, O: Unary>(
    x: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let node = Node(O::default());
    let prepared = Backward::<B, 1>::prepare::<C>(node, [x.node.clone()]);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (y, kept) = forward::<B, O>(x.primitive, true);
            prepared.finish(kept, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(forward::<B, O>(x.primitive, false).0),
    }
}

fn forward<B: Backend, O: Unary>(x: FloatTensor<B>, keep: bool) -> (FloatTensor<B>, Vec<f32>) {
    let (device, shape) = (B::float_device(&x), x.shape().to_vec());
    let ((y, shape), kept) = O::forward(numbers::<B>(x), shape, keep);
    (tensor::<B>(y, shape, &device), kept)
}

/// An operation in the graph of those to be differentiated.
#[derive(Debug)]
struct Node<O>(O);

impl<B: Backend, O: Unary> Backward<B, 1> for Node<O> {
    type State = Vec<f32>;

    fn backward(
        self,
        ops: Ops<Vec<f32>, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let kept = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            let (device, shape) = (B::float_device(&gradient), gradient.shape().to_vec());
            let (found, shape) = O::backward(&kept, (numbers::<B>(gradient), shape));
            tensor::<B>(found, shape, &device)
        });
    }
}
