//! Kernels in the graph of what is to be differentiated.

use crate::kernels::{AttentionKernel, Float, Kept, Kernels};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::ops::FloatTensor;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;

/// A tensor of a backend with gradients.
pub(crate) type Tracked<K> = FloatTensor<Autodiff<<K as Kernels>::Backend>>;

/// What is done backward, for an operation of `N` tensors.
trait Gradient<K: Kernels, const N: usize>: Debug + Send + 'static {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>) -> [Float<K>; N];
}

#[derive(Debug)]
struct Gelu;

impl<K: Kernels> Gradient<K, 1> for Gelu {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>) -> [Float<K>; 1] {
        [K::gelu_backward(kept, gradient)]
    }
}

pub(crate) fn gelu<K: Kernels>(x: Tracked<K>) -> Tracked<K> {
    tracked::<K, _, 1>(Gelu, [x], |[x], keep| K::gelu(x, keep))
}

#[derive(Debug)]
struct Softmax;

impl<K: Kernels> Gradient<K, 1> for Softmax {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>) -> [Float<K>; 1] {
        [K::softmax_backward(kept, gradient)]
    }
}

pub(crate) fn softmax<K: Kernels>(x: Tracked<K>, hides_rows: bool) -> Tracked<K> {
    tracked::<K, _, 1>(Softmax, [x], |[x], keep| K::softmax(x, hides_rows, keep))
}

#[derive(Debug)]
struct SwapHeads;

impl<K: Kernels> Gradient<K, 1> for SwapHeads {
    fn of(self, _kept: Vec<Float<K>>, gradient: Float<K>) -> [Float<K>; 1] {
        [K::swap_heads(gradient)]
    }
}

pub(crate) fn swap_heads<K: Kernels>(x: Tracked<K>) -> Tracked<K> {
    tracked::<K, _, 1>(SwapHeads, [x], |[x], _| (K::swap_heads(x), Vec::new()))
}

#[derive(Debug)]
struct LayerNorm;

impl<K: Kernels> Gradient<K, 3> for LayerNorm {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>) -> [Float<K>; 3] {
        K::layer_norm_backward(kept, gradient)
    }
}

pub(crate) fn layer_norm<K: Kernels>(of: [Tracked<K>; 3], epsilon: f64) -> Tracked<K> {
    tracked::<K, _, 3>(LayerNorm, of, |of, keep| K::layer_norm(of, epsilon, keep))
}

struct Attention<K: Kernels> {
    kernel: AttentionKernel<K>,
    is_causal: bool,
}

impl<K: Kernels> Debug for Attention<K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Attention")
    }
}

impl<K: Kernels> Gradient<K, 3> for Attention<K> {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>) -> [Float<K>; 3] {
        (self.kernel.backward)(kept, self.is_causal, gradient)
    }
}

pub(crate) fn attention<K: Kernels>(of: [Tracked<K>; 3], is_causal: bool) -> Option<Tracked<K>> {
    let kernel = K::attention(&of[0].primitive)?;
    let forward = kernel.forward;
    let node = Attention::<K> { kernel, is_causal };
    Some(tracked(node, of, |of, keep| forward(of, is_causal, keep)))
}

/// Computes forward, and writes down what is to be done backward.
fn tracked<K: Kernels, G: Gradient<K, N>, const N: usize>(
    gradient: G,
    of: [Tracked<K>; N],
    forward: impl FnOnce([Float<K>; N], bool) -> Kept<K>,
) -> Tracked<K> {
    let nodes = of.each_ref().map(|x| x.node.clone());
    // Until this node is there, for another thread's backward pass takes away what nobody holds.
    let _held = of.each_ref().map(|x| x.rc.clone());
    let of = of.map(|x| x.primitive);
    let node = Node(gradient, PhantomData::<fn() -> K>);
    // As Burn's balanced strategy has other types, nothing here is computed twice.
    let prepared = node.prepare::<NoCheckpointing>(nodes);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (y, kept) = forward(of, true);
            prepared.finish(kept, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(forward(of, false).0),
    }
}

#[derive(Debug)]
struct Node<K, G>(G, PhantomData<fn() -> K>);

impl<K: Kernels, G: Gradient<K, N>, const N: usize> Backward<K::Backend, N> for Node<K, G> {
    type State = Vec<Float<K>>;

    fn backward(
        self,
        ops: Ops<Vec<Float<K>>, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<K::Backend>(&ops.node);
        let found = self.0.of(ops.state, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(parent) = parent {
                gradients.register::<K::Backend>(parent.id, gradient);
            }
        }
    }
}
