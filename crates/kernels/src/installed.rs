//! Which backends go the short way.

use crate::gelu::Gelu;
use crate::heads::SwapHeads;
use crate::layer_norm;
use crate::softmax::Softmax;
use crate::unary;
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Tensor, TensorPrimitive};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The short ways of a backend.
pub(crate) struct Kernels<B: Backend> {
    pub(crate) gelu: fn(FloatTensor<B>) -> FloatTensor<B>,
    pub(crate) layer_norm: LayerNormKernel<B>,
    pub(crate) softmax: fn(FloatTensor<B>) -> FloatTensor<B>,
    pub(crate) swap_heads: fn(FloatTensor<B>) -> FloatTensor<B>,
}

type LayerNormKernel<B> = fn(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, f64) -> FloatTensor<B>;

impl<B: Backend> Clone for Kernels<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Kernels<B> {}

/// The [`Kernels`] of each backend that has some, by its type.
static INSTALLED: RwLock<Option<HashMap<TypeId, Box<dyn Any + Send + Sync>>>> = RwLock::new(None);

/// Has a backend, with gradients and without, go the short way from now on, in the whole process.
///
/// It is for backends whose tensors lie in the memory of the processor: numbers are read and written there, which would
/// be right on any other device and slow. A model that is trained with gradient checkpointing keeps Burn's operations, each
/// of which can be computed anew.
pub fn install<B: Backend>() {
    add::<B>(Kernels {
        gelu: unary::plain::<B, Gelu>,
        layer_norm: layer_norm::plain::<B>,
        softmax: unary::plain::<B, Softmax>,
        swap_heads: unary::plain::<B, SwapHeads>,
    });
    add::<Autodiff<B>>(Kernels {
        gelu: unary::tracked::<B, NoCheckpointing, Gelu>,
        layer_norm: layer_norm::tracked::<B, NoCheckpointing>,
        softmax: unary::tracked::<B, NoCheckpointing, Softmax>,
        swap_heads: unary::tracked::<B, NoCheckpointing, SwapHeads>,
    });
}

fn add<B: Backend>(kernels: Kernels<B>) {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    let backends = installed.get_or_insert_default();
    backends.insert(TypeId::of::<B>(), Box::new(kernels));
}

/// The short ways for tensors like this one, if there are any.
pub(crate) fn kernels<B: Backend, const D: usize>(x: &Tensor<B, D>) -> Option<Kernels<B>> {
    let installed = INSTALLED.read().unwrap_or_else(PoisonError::into_inner);
    let found = installed.as_ref()?.get(&TypeId::of::<B>())?;
    (x.dtype() == DType::F32)
        .then(|| found.downcast_ref::<Kernels<B>>().copied())
        .flatten()
}

/// A tensor by what it is made of.
pub(crate) fn float<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// What a tensor is made of.
pub(crate) fn primitive<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}
