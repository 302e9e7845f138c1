//! libtorch's own kernels for what Burn would make of many operations.

mod adam;
mod attention;

use burn::tensor::ops::ActivationOps;
use burn_tch::{LibTorch, TchTensor};
use hearth_kernels::{AdamKernel, AttentionKernel, Kept, Kernels};
use tch::{Kind, Tensor};

/// The axis that kernels work along.
const LAST: i64 = -1;

#[derive(Debug)]
pub(crate) struct Libtorch;

impl Kernels for Libtorch {
    type Backend = LibTorch;

    fn gelu(x: TchTensor, keep: bool) -> Kept<Self> {
        let kept = keep.then(|| x.clone());
        (<LibTorch>::gelu(x), kept.into_iter().collect())
    }

    fn gelu_backward(kept: Vec<TchTensor>, gradient: TchTensor) -> TchTensor {
        let [x] = all(kept);
        <LibTorch>::gelu_backward(x, gradient)
    }

    fn softmax(x: TchTensor, hides_rows: bool, keep: bool) -> Kept<Self> {
        let y = TchTensor::new(match hides_rows {
            true => x.tensor.internal_safe_softmax(LAST, None),
            false => x.tensor.internal_softmax(LAST, false),
        });
        let kept = keep.then(|| y.clone());
        (y, kept.into_iter().collect())
    }

    fn softmax_backward(kept: Vec<TchTensor>, gradient: TchTensor) -> TchTensor {
        let [y] = all(kept);
        let (y, gradient) = (y.tensor, gradient.tensor);
        let found = Tensor::internal_softmax_backward_data(&gradient, &y, LAST, Kind::Float);
        TchTensor::new(found)
    }

    /// A view, as products read it as fast as any; of memory that others may hold.
    fn split_heads(x: TchTensor, n_heads: usize) -> TchTensor {
        let [batch, seq, width] = sizes(&x);
        let n_heads = n_heads as i64;
        let heads = x.tensor.reshape([batch, seq, n_heads, width / n_heads]);
        TchTensor::from_existing(heads.transpose(1, 2), x.storage)
    }

    fn join_heads(x: TchTensor) -> TchTensor {
        let [batch, n_heads, seq, d_head] = sizes(&x);
        let positions = x.tensor.transpose(1, 2);
        let vectors = positions.reshape([batch, seq, n_heads * d_head]);
        TchTensor::from_existing(vectors, x.storage)
    }

    fn layer_norm(of: [TchTensor; 3], epsilon: f64, keep: bool) -> Kept<Self> {
        let [x, gamma, beta] = of;
        let (y, mean, factor) = x.tensor.native_layer_norm(
            gamma.tensor.size(),
            Some(&gamma.tensor),
            Some(&beta.tensor),
            epsilon,
        );
        let y = TchTensor::new(y);
        if !keep {
            return (y, Vec::new());
        }
        let (mean, factor) = (TchTensor::new(mean), TchTensor::new(factor));
        (y, vec![x, mean, factor, gamma])
    }

    fn attention(query: &TchTensor) -> Option<AttentionKernel<Self>> {
        attention::kernel(query)
    }

    fn adam() -> Option<AdamKernel<Self>> {
        Some(adam::adam)
    }

    /// With `n` the rows without their mean and of variance one, and `h = g γ`: `(h - mean(h) - n mean(h n)) · factor`. Its own
    /// kernel for it is not to be had from here.
    fn layer_norm_backward(kept: Vec<TchTensor>, gradient: TchTensor) -> [TchTensor; 3] {
        let [x, mean, factor, gamma] = all(kept).map(|kept| kept.tensor);
        let (shape, width) = (x.size(), gamma.size()[0]);
        let rows = |x: &Tensor, width| x.reshape([-1, width]);
        let (g, factor) = (rows(&gradient.tensor, width), rows(&factor, 1));
        let mut normal = rows(&x, width) - rows(&mean, 1);
        let _ = normal.g_mul_(&factor);
        let along = &g * &normal;
        let channels = |x: &Tensor| x.sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
        let (by_gamma, by_beta) = (channels(&along), channels(&g));
        // Products with a vector are weighted sums of each row.
        let share = &gamma / -(width as f64);
        let minus_mean = |x: &Tensor| x.mv(&share).reshape([-1, 1]);
        let mut by_x = minus_mean(&g).addcmul(&normal, &minus_mean(&along));
        let _ = by_x.addcmul_(&g, &gamma);
        let _ = by_x.g_mul_(&factor);
        [by_x.reshape(shape), by_gamma, by_beta].map(TchTensor::new)
    }
}

fn sizes<const D: usize>(x: &TchTensor) -> [i64; D] {
    let sizes = x.tensor.size().try_into();
    sizes.unwrap_or_else(|_| unreachable!("of {D} axes"))
}

/// What was kept, all of it.
fn all<const N: usize>(kept: Vec<TchTensor>) -> [TchTensor; N] {
    let n = kept.len();
    kept.try_into()
        .unwrap_or_else(|_| unreachable!("{n} are kept for {N}"))
}
