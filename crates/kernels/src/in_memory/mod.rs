//! Kernels for backends whose tensors the processor reads where they lie.

mod adam;
mod attention;
mod float;
mod gelu;
mod heads;
mod layer_norm;
mod linear;
mod numbers;
mod product;
mod readers;
mod softmax;
mod squares;
mod work;

pub use numbers::Reader;
pub use work::among_workers;

use crate::kernels::{
    AdamKernel, AttentionKernel, Kept, Kernels, LinearKernel, SumOfSquaresKernel,
};
use burn::tensor::ops::{FloatTensor, FloatTensorOps};
use burn::tensor::{DType, TensorMetadata};
use layer_norm::Normal;
use numbers::{Changed, Seen};
use std::fmt;
use std::marker::PhantomData;

/// Kernels of a backend whose tensors the processor reads where they lie: each operation at once, on all threads, by
/// the widest vectors there are.
///
/// - `R`: how tensors are read
/// - `LINEAR`: whether linear layers are among them, as in [`InMemoryWithLinear`]
pub struct InMemory<R, const LINEAR: bool = false>(PhantomData<fn() -> R>);

/// [`InMemory`] with linear layers, by `faer`: for a backend whose own products are slower, as ndarray's are.
pub type InMemoryWithLinear<R> = InMemory<R, true>;

impl<R, const LINEAR: bool> fmt::Debug for InMemory<R, LINEAR> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemory")
    }
}

impl<R: Reader, const LINEAR: bool> Kernels for InMemory<R, LINEAR> {
    type Backend = R::Backend;

    fn gelu(x: Of<R>, keep: bool) -> Kept<Self> {
        let mut x = Changed::<R>::of(x);
        if !keep {
            gelu::forward(x.numbers());
            return (x.tensor(), Vec::new());
        }
        let slopes = gelu::forward_with_slopes(x.numbers());
        let slopes = x.beside(slopes);
        (x.tensor(), vec![slopes])
    }

    fn gelu_backward(kept: Vec<Of<R>>, gradient: Of<R>) -> Of<R> {
        let ([slopes], mut gradient) = (all::<R, 1>(kept), Changed::<R>::of(gradient));
        gelu::backward(slopes.numbers(), gradient.numbers());
        gradient.tensor()
    }

    fn softmax(x: Of<R>, _hides_rows: bool, keep: bool) -> Kept<Self> {
        let mut x = Changed::<R>::of(x);
        let width = x.width();
        softmax::forward(x.numbers(), width);
        let weights = x.tensor();
        let kept = keep.then(|| weights.clone());
        (weights, kept.into_iter().collect())
    }

    fn softmax_backward(kept: Vec<Of<R>>, gradient: Of<R>) -> Of<R> {
        let ([weights], mut gradient) = (all::<R, 1>(kept), Changed::<R>::of(gradient));
        softmax::backward(weights.numbers(), gradient.numbers(), weights.width());
        gradient.tensor()
    }

    fn split_heads(x: Of<R>, n_heads: usize) -> Of<R> {
        let [batch, seq, width] = x.shape().dims();
        let size = [batch, n_heads, seq, width / n_heads];
        if n_heads == 1 || seq == 1 {
            return R::Backend::float_reshape(x, size.into());
        }
        let x = Seen::<R>::of(x);
        let heads = heads::swapped(x.numbers(), [seq, n_heads, width / n_heads]);
        x.of_shape(heads, size)
    }

    fn join_heads(x: Of<R>) -> Of<R> {
        let [batch, n_heads, seq, d_head] = x.shape().dims();
        let size = [batch, seq, n_heads * d_head];
        if n_heads == 1 || seq == 1 {
            return R::Backend::float_reshape(x, size.into());
        }
        let x = Seen::<R>::of(x);
        let rows = heads::swapped(x.numbers(), [n_heads, seq, d_head]);
        x.of_shape(rows, size)
    }

    fn layer_norm(of: [Of<R>; 3], epsilon: f64, keep: bool) -> Kept<Self> {
        let [x, gamma, beta] = of.map(Seen::<R>::of);
        let channels = [gamma.numbers(), beta.numbers()];
        let [y, rows, factors] = layer_norm::forward(x.numbers(), channels, epsilon);
        let y = x.beside(y);
        if !keep {
            return (y, Vec::new());
        }
        let kept = vec![x.beside(rows), x.row(factors), gamma.tensor()];
        (y, kept)
    }

    fn layer_norm_backward(kept: Vec<Of<R>>, gradient: Of<R>) -> [Of<R>; 3] {
        let ([rows, factors, gamma], mut gradient) =
            (all::<R, 3>(kept), Changed::<R>::of(gradient));
        let normal = Normal {
            rows: rows.numbers(),
            factors: factors.numbers(),
        };
        let by = layer_norm::backward(&normal, gamma.numbers(), gradient.numbers());
        let [by_gamma, by_beta] = by.map(|by| gamma.row(by));
        [gradient.tensor(), by_gamma, by_beta]
    }

    fn attention(query: &Of<R>) -> Option<AttentionKernel<Self>> {
        (query.dtype() == DType::F32).then_some(AttentionKernel {
            forward: |of, is_causal, keep| {
                let of = of.map(Seen::<R>::of);
                let [contexts, weights] = attention::forward(&heads_of(&of), is_causal);
                let contexts = of[0].beside(contexts);
                if !keep {
                    return (contexts, Vec::new());
                }
                let weights = of[0].row(weights);
                let kept = of.into_iter().map(Seen::tensor);
                (contexts, kept.chain([weights]).collect())
            },
            backward: |kept, _, gradient| {
                let [query, key, value, weights] = all::<R, 4>(kept);
                let gradient = Seen::<R>::of(gradient);
                let of = [query, key, value];
                let (weights, gradient) = (weights.numbers(), gradient.numbers());
                let by = attention::backward(&heads_of(&of), weights, gradient);
                let [query, key, value] = &of;
                let [by_query, by_key, by_value] = by;
                [
                    query.beside(by_query),
                    key.beside(by_key),
                    value.beside(by_value),
                ]
            },
        })
    }

    fn linear() -> Option<LinearKernel<Self>> {
        LINEAR.then_some(LinearKernel {
            forward: |[x, weight], bias, [keeps_x, keeps_weight]| {
                // A view is laid out again where it is read again, rather than kept twice.
                let kept_weight = keeps_weight.then(|| weight.clone());
                let [x, weight] = [x, weight].map(Seen::<R>::of);
                let bias = bias.map(Seen::<R>::of);
                let of = [&x, &weight].map(Seen::matrix);
                let y = linear::forward(of, bias.as_ref().map(Seen::numbers));
                let y = x.of_width(y, weight.width());
                let kept = keeps_x.then(|| x.tensor()).into_iter();
                (y, kept.chain(kept_weight).collect())
            },
            backward: |kept, gradient, [by_x, by_weight, by_bias]| {
                let mut kept = kept.into_iter().map(Seen::<R>::of);
                let mut next = || kept.next().expect(ALL_IS_KEPT);
                let x = by_weight.then(&mut next);
                let weight = by_x.then(&mut next);
                let gradient = Seen::<R>::of(gradient);
                let rows = gradient.matrix();
                [
                    weight.map(|weight| {
                        let weight = weight.matrix().transpose();
                        gradient.of_width(linear::product([rows, weight]), weight.ncols())
                    }),
                    x.map(|x| {
                        let shape = [x.width(), gradient.width()];
                        x.of_shape(linear::product([x.matrix().transpose(), rows]), shape)
                    }),
                    by_bias.then(|| {
                        gradient.row(linear::sum_of_rows(gradient.numbers(), gradient.width()))
                    }),
                ]
            },
        })
    }

    fn adam() -> Option<AdamKernel<Self>> {
        Some(|[weight, gradient, mean, mean_of_squares], step| {
            let gradient = Seen::<R>::of(gradient);
            let changed = [weight, mean, mean_of_squares];
            let [mut weight, mut mean, mut mean_of_squares] = changed.map(Changed::<R>::of);
            let of = adam::Of {
                weight: weight.numbers(),
                gradient: gradient.numbers(),
                moments: [mean.numbers(), mean_of_squares.numbers()],
            };
            adam::update(of, step);
            [weight, mean, mean_of_squares].map(Changed::tensor)
        })
    }

    fn sum_of_squares() -> Option<SumOfSquaresKernel<Self>> {
        Some(|x| {
            let x = Seen::<R>::of(x);
            let sum = x.row(vec![squares::sum(x.numbers())]);
            [x.tensor(), sum]
        })
    }
}

/// A tensor of the backend that is read.
type Of<R> = FloatTensor<<R as Reader>::Backend>;

/// Queries, keys and values of heads.
fn heads_of<R: Reader>(of: &[Seen<R>; 3]) -> attention::Of<'_> {
    let [query, key, value] = of;
    attention::Of {
        query: query.numbers(),
        key: key.numbers(),
        value: value.numbers(),
        size: [query.n_rows(), key.n_rows(), query.width()],
    }
}

/// What was kept, as numbers.
fn all<R: Reader, const N: usize>(kept: Vec<Of<R>>) -> [Seen<R>; N] {
    let seen: Vec<_> = kept.into_iter().map(Seen::of).collect();
    seen.try_into()
        .unwrap_or_else(|_| unreachable!("{ALL_IS_KEPT}"))
}

const ALL_IS_KEPT: &str = "an operation keeps what its gradient needs";
