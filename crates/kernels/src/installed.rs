//! Which backends go the short way.

use crate::graph;
use crate::kernels::Kernels;
use crate::operations::AdamStep;
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Tensor, TensorMetadata, TensorPrimitive};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The short ways of a backend.
pub(crate) struct Ways<B: Backend> {
    pub(crate) gelu: Unary<B>,
    pub(crate) softmax: fn(FloatTensor<B>, bool) -> FloatTensor<B>,
    pub(crate) split_heads: fn(FloatTensor<B>, usize) -> FloatTensor<B>,
    pub(crate) join_heads: Unary<B>,
    pub(crate) layer_norm: fn([FloatTensor<B>; 3], f64) -> FloatTensor<B>,
    pub(crate) attention: fn([FloatTensor<B>; 3], bool) -> Option<FloatTensor<B>>,
    pub(crate) linear: Linear<B>,
    pub(crate) adam: Option<Adam<B>>,
    pub(crate) sum_of_squares: Option<SumOfSquares<B>>,
}

type Adam<B> = fn([FloatTensor<B>; 4], &AdamStep) -> [FloatTensor<B>; 3];

type SumOfSquares<B> = fn(FloatTensor<B>) -> [FloatTensor<B>; 2];

type Linear<B> = fn([FloatTensor<B>; 2], Option<FloatTensor<B>>) -> FloatTensor<B>;

type Unary<B> = fn(FloatTensor<B>) -> FloatTensor<B>;

impl<B: Backend> Clone for Ways<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Ways<B> {}

/// The [`Ways`] of each backend that has some, by its type.
static INSTALLED: RwLock<Option<HashMap<TypeId, Box<dyn Any + Send + Sync>>>> = RwLock::new(None);

/// Has a backend, with gradients and without, go the short way from now on, in the whole process: by [`InMemory`] kernels if
/// the processor reads its tensors where they lie, else by its own.
///
/// A model that is trained with gradient checkpointing keeps Burn's operations, of which the light ones are computed anew.
///
/// [`InMemory`]: crate::InMemory
pub fn install<K: Kernels>() {
    add::<K::Backend>(Ways {
        gelu: |x| K::gelu(x, false).0,
        softmax: |x, hides_rows| K::softmax(x, hides_rows, false).0,
        split_heads: K::split_heads,
        join_heads: K::join_heads,
        layer_norm: |of, epsilon| K::layer_norm(of, epsilon, false).0,
        attention: |of, is_causal| {
            K::attention(&of[0]).map(|kernel| (kernel.forward)(of, is_causal, false).0)
        },
        linear: |of, bias| match K::linear() {
            Some(kernel) => (kernel.forward)(of, bias, [false; 2]).0,
            None => plain_linear::<K::Backend>(of, bias),
        },
        adam: K::adam(),
        sum_of_squares: K::sum_of_squares(),
    });
    add::<Autodiff<K::Backend>>(Ways {
        gelu: graph::gelu::<K>,
        softmax: graph::softmax::<K>,
        split_heads: graph::split_heads::<K>,
        join_heads: graph::join_heads::<K>,
        layer_norm: graph::layer_norm::<K>,
        attention: graph::attention::<K>,
        linear: graph::linear::<K>,
        // Nobody asks for the gradient of an update or of a norm.
        adam: None,
        sum_of_squares: None,
    });
}

/// A linear layer by Burn's operations over flattened rows: one product, and one for the gradient of the weight, where a batched
/// product would make a gradient for every row of the batch and add them up.
pub(crate) fn plain_linear<B: Backend>(
    [x, weight]: [FloatTensor<B>; 2],
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let mut shape = x.shape();
    let last = shape.len() - 1;
    if last == 1 {
        return B::linear(x, weight, bias);
    }
    let n_rows = shape[..last].iter().product();
    let rows = B::float_reshape(x, [n_rows, shape[last]].into());
    shape[last] = weight.shape()[1];
    B::float_reshape(B::linear(rows, weight, bias), shape)
}

fn add<B: Backend>(ways: Ways<B>) {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    let backends = installed.get_or_insert_default();
    backends.insert(TypeId::of::<B>(), Box::new(ways));
}

/// The short ways for tensors like this one, in single precision, if there are any.
pub(crate) fn ways<B: Backend, const D: usize>(x: &Tensor<B, D>) -> Option<Ways<B>> {
    ways_of_any_type::<B>().filter(|_| x.dtype() == DType::F32)
}

/// The short ways of a backend, if there are any, for those of them that ask for the type by themselves.
pub(crate) fn ways_of_any_type<B: Backend>() -> Option<Ways<B>> {
    let installed = INSTALLED.read().unwrap_or_else(PoisonError::into_inner);
    let ways = installed.as_ref()?.get(&TypeId::of::<B>())?;
    ways.downcast_ref::<Ways<B>>().copied()
}

/// A tensor by what it is made of.
pub(crate) fn float<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// What a tensor is made of.
pub(crate) fn primitive<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}
