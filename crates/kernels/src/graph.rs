//! Kernels in the graph of what is to be differentiated.

use crate::installed::plain_linear;
use crate::kernels::{AttentionKernel, Float, Kept, Kernels, LinearKernel};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::TensorMetadata;
use burn::tensor::ops::FloatTensor;
use std::fmt::Debug;
use std::marker::PhantomData;

/// A tensor of a backend with gradients.
pub(crate) type Tracked<K> = FloatTensor<Autodiff<<K as Kernels>::Backend>>;

/// What is done backward, for an operation of `N` tensors.
trait Gradient<K: Kernels, const N: usize>: Debug + Send + 'static {
    /// - `wanted`: of which tensors the gradient is
    fn of(
        self,
        kept: Vec<Float<K>>,
        gradient: Float<K>,
        wanted: [bool; N],
    ) -> [Option<Float<K>>; N];
}

#[derive(Debug)]
struct Gelu;

impl<K: Kernels> Gradient<K, 1> for Gelu {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>, _: [bool; 1]) -> [Option<Float<K>>; 1] {
        [Some(K::gelu_backward(kept, gradient))]
    }
}

pub(crate) fn gelu<K: Kernels>(x: Tracked<K>) -> Tracked<K> {
    tracked::<K, _, 1>(Gelu, [x], |[x], keep| K::gelu(x, keep))
}

#[derive(Debug)]
struct Softmax;

impl<K: Kernels> Gradient<K, 1> for Softmax {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>, _: [bool; 1]) -> [Option<Float<K>>; 1] {
        [Some(K::softmax_backward(kept, gradient))]
    }
}

pub(crate) fn softmax<K: Kernels>(x: Tracked<K>, hides_rows: bool) -> Tracked<K> {
    tracked::<K, _, 1>(Softmax, [x], |[x], keep| K::softmax(x, hides_rows, keep))
}

#[derive(Debug)]
struct SplitHeads;

impl<K: Kernels> Gradient<K, 1> for SplitHeads {
    fn of(self, _: Vec<Float<K>>, gradient: Float<K>, _: [bool; 1]) -> [Option<Float<K>>; 1] {
        [Some(K::join_heads(gradient))]
    }
}

pub(crate) fn split_heads<K: Kernels>(x: Tracked<K>, n_heads: usize) -> Tracked<K> {
    tracked::<K, _, 1>(SplitHeads, [x], |[x], _| {
        (K::split_heads(x, n_heads), Vec::new())
    })
}

#[derive(Debug)]
struct JoinHeads {
    n_heads: usize,
}

impl<K: Kernels> Gradient<K, 1> for JoinHeads {
    fn of(self, _: Vec<Float<K>>, gradient: Float<K>, _: [bool; 1]) -> [Option<Float<K>>; 1] {
        [Some(K::split_heads(gradient, self.n_heads))]
    }
}

pub(crate) fn join_heads<K: Kernels>(x: Tracked<K>) -> Tracked<K> {
    let n_heads = x.primitive.shape()[1];
    tracked::<K, _, 1>(JoinHeads { n_heads }, [x], |[x], _| {
        (K::join_heads(x), Vec::new())
    })
}

#[derive(Debug)]
struct LayerNorm;

impl<K: Kernels> Gradient<K, 3> for LayerNorm {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>, _: [bool; 3]) -> [Option<Float<K>>; 3] {
        K::layer_norm_backward(kept, gradient).map(Some)
    }
}

pub(crate) fn layer_norm<K: Kernels>(of: [Tracked<K>; 3], epsilon: f64) -> Tracked<K> {
    tracked::<K, _, 3>(LayerNorm, of, |of, keep| K::layer_norm(of, epsilon, keep))
}

#[derive(Debug)]
struct Attention<K: Kernels> {
    kernel: AttentionKernel<K>,
    is_causal: bool,
}

impl<K: Kernels> Gradient<K, 3> for Attention<K> {
    fn of(self, kept: Vec<Float<K>>, gradient: Float<K>, _: [bool; 3]) -> [Option<Float<K>>; 3] {
        (self.kernel.backward)(kept, self.is_causal, gradient).map(Some)
    }
}

pub(crate) fn attention<K: Kernels>(of: [Tracked<K>; 3], is_causal: bool) -> Option<Tracked<K>> {
    let kernel = K::attention(&of[0].primitive)?;
    let forward = kernel.forward;
    let node = Attention::<K> { kernel, is_causal };
    Some(tracked(node, of, |of, keep| forward(of, is_causal, keep)))
}

#[derive(Debug)]
struct Linear<K: Kernels>(LinearKernel<K>);

impl<K: Kernels> Gradient<K, 3> for Linear<K> {
    fn of(
        self,
        kept: Vec<Float<K>>,
        gradient: Float<K>,
        wanted: [bool; 3],
    ) -> [Option<Float<K>>; 3] {
        (self.0.backward)(kept, gradient, wanted)
    }
}

impl<K: Kernels> Gradient<K, 2> for Linear<K> {
    fn of(
        self,
        kept: Vec<Float<K>>,
        gradient: Float<K>,
        [x, weight]: [bool; 2],
    ) -> [Option<Float<K>>; 2] {
        let [x, weight, _] = (self.0.backward)(kept, gradient, [x, weight, false]);
        [x, weight]
    }
}

pub(crate) fn linear<K: Kernels>(of: [Tracked<K>; 2], bias: Option<Tracked<K>>) -> Tracked<K> {
    let Some(kernel) = K::linear() else {
        return plain_linear::<Autodiff<K::Backend>>(of, bias);
    };
    let forward = kernel.forward;
    let [by_x, by_weight] = of.each_ref().map(|x| !x.node.requirement.is_none());
    let kept = [by_weight, by_x];
    let [x, weight] = of;
    let node = Linear(kernel);
    match bias {
        Some(bias) => tracked(node, [x, weight, bias], |[x, weight, bias], _| {
            forward([x, weight], Some(bias), kept)
        }),
        None => tracked(node, [x, weight], |of, _| forward(of, None, kept)),
    }
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
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.of(ops.state, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<K::Backend>(parent.id, gradient);
            }
        }
    }
}
