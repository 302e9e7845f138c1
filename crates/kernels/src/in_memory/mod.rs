//! Kernels for backends whose tensors the processor reads where they lie.

mod adam;
mod attention;
mod float;
mod gelu;
mod heads;
mod layer_norm;
mod linear;
mod product;
mod softmax;
mod squares;
mod work;

pub use work::among_workers;

use crate::kernels::{
    AdamKernel, AttentionKernel, Kept, Kernels, LinearKernel, SumOfSquaresKernel,
};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Shape, TensorData, TensorMetadata, read_sync};
use faer::MatRef;
use layer_norm::Normal;
use std::fmt;
use std::marker::PhantomData;

/// Kernels of a backend whose tensors the processor reads where they lie: each operation at once, on all threads, by
/// the widest vectors there are. They would be right for any other backend, too, and slow.
///
/// - `LINEAR`: whether linear layers are among them, as in [`InMemoryWithLinear`]
pub struct InMemory<B, const LINEAR: bool = false>(PhantomData<fn() -> B>);

/// [`InMemory`] with linear layers, by `faer`: for a backend whose own products are slower, as ndarray's are.
pub type InMemoryWithLinear<B> = InMemory<B, true>;

impl<B, const LINEAR: bool> fmt::Debug for InMemory<B, LINEAR> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemory")
    }
}

impl<B: Backend, const LINEAR: bool> Kernels for InMemory<B, LINEAR> {
    type Backend = B;

    fn gelu(x: FloatTensor<B>, keep: bool) -> Kept<Self> {
        let mut x = Values::<B>::of(x);
        if !keep {
            gelu::forward(x.numbers_mut());
            return (x.tensor(), Vec::new());
        }
        let slopes = gelu::forward_with_slopes(x.numbers_mut());
        let slopes = x.beside(slopes);
        (x.tensor(), vec![slopes])
    }

    fn gelu_backward(kept: Vec<FloatTensor<B>>, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let ([slopes], mut gradient) = (all::<B, 1>(kept), Values::<B>::of(gradient));
        gelu::backward(slopes.numbers(), gradient.numbers_mut());
        gradient.tensor()
    }

    fn softmax(x: FloatTensor<B>, _hides_rows: bool, keep: bool) -> Kept<Self> {
        let mut x = Values::<B>::of(x);
        let width = x.width();
        softmax::forward(x.numbers_mut(), width);
        // A copy, because the other goes into a product: what two have cannot be moved out.
        let kept = keep.then(|| x.beside(x.numbers().to_vec()));
        (x.tensor(), kept.into_iter().collect())
    }

    fn softmax_backward(kept: Vec<FloatTensor<B>>, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let ([weights], mut gradient) = (all::<B, 1>(kept), Values::<B>::of(gradient));
        softmax::backward(weights.numbers(), gradient.numbers_mut(), weights.width());
        gradient.tensor()
    }

    fn split_heads(x: FloatTensor<B>, n_heads: usize) -> FloatTensor<B> {
        let [batch, seq, width] = x.shape().dims();
        let mut x = Values::<B>::of_shared(x);
        x.data.shape = [batch, n_heads, seq, width / n_heads].into();
        if n_heads == 1 || seq == 1 {
            return x.tensor();
        }
        x.beside(heads::swapped(x.numbers(), [seq, n_heads, width / n_heads]))
    }

    fn join_heads(x: FloatTensor<B>) -> FloatTensor<B> {
        let [batch, n_heads, seq, d_head] = x.shape().dims();
        let mut x = Values::<B>::of_turned(x);
        x.data.shape = [batch, seq, n_heads * d_head].into();
        if n_heads == 1 || seq == 1 {
            return x.tensor();
        }
        x.beside(heads::swapped(x.numbers(), [n_heads, seq, d_head]))
    }

    fn layer_norm(of: [FloatTensor<B>; 3], epsilon: f64, keep: bool) -> Kept<Self> {
        let [x, gamma, beta] = of;
        // The stream goes on beside the branch.
        let mut x = Values::<B>::of_shared(x);
        let [gamma, beta] = [gamma, beta].map(Values::<B>::of);
        let (gammas, betas) = (gamma.numbers(), beta.numbers());
        let (y, factors) = layer_norm::forward(x.numbers_mut(), gammas, betas, epsilon);
        let y = x.beside(y);
        if !keep {
            return (y, Vec::new());
        }
        let factors = row::<B>(factors, &x.device);
        (y, vec![x.tensor(), factors, gamma.tensor()])
    }

    fn layer_norm_backward(
        kept: Vec<FloatTensor<B>>,
        gradient: FloatTensor<B>,
    ) -> [FloatTensor<B>; 3] {
        let ([rows, factors, gamma], mut gradient) = (all::<B, 3>(kept), Values::<B>::of(gradient));
        let normal = Normal {
            rows: rows.numbers(),
            factors: factors.numbers(),
        };
        let rows = layer_norm::backward(&normal, gamma.numbers(), gradient.numbers_mut());
        let [by_gamma, by_beta] = rows.map(|by| row::<B>(by, &gradient.device));
        [gradient.tensor(), by_gamma, by_beta]
    }

    fn attention(query: &FloatTensor<B>) -> Option<AttentionKernel<Self>> {
        (query.dtype() == DType::F32).then_some(AttentionKernel {
            forward: |of, is_causal, keep| {
                let of = of.map(Values::<B>::of_shared);
                let [contexts, weights] = attention::forward(&heads_of(&of), is_causal);
                let query = &of[0];
                let contexts = query.beside(contexts);
                if !keep {
                    return (contexts, Vec::new());
                }
                let weights = row::<B>(weights, &query.device);
                let kept = of.into_iter().map(Values::tensor);
                (contexts, kept.chain([weights]).collect())
            },
            backward: |kept, _, gradient| {
                let [query, key, value, weights] = all::<B, 4>(kept);
                let gradient = Values::<B>::of(gradient);
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

    fn linear(n_rows: usize) -> Option<LinearKernel<Self>> {
        (LINEAR && n_rows >= MANY_ROWS).then_some(LinearKernel {
            forward: |[x, weight], bias, [keeps_x, keeps_weight]| {
                let kept_weight = keeps_weight.then(|| weight.clone());
                let [x, weight] = [x, weight].map(Values::<B>::of_shared);
                let bias = bias.map(Values::<B>::of_shared);
                let of = [&x, &weight].map(Values::matrix);
                let y = linear::forward(of, bias.as_ref().map(Values::numbers));
                let y = x.of_width(y, weight.width());
                let kept = keeps_x.then(|| x.tensor()).into_iter();
                (y, kept.chain(kept_weight).collect())
            },
            backward: |kept, gradient, [by_x, by_weight, by_bias]| {
                let mut kept = kept.into_iter();
                let mut next = || kept.next().expect(ALL_IS_KEPT);
                let x = by_weight.then(&mut next);
                let weight = by_x.then(&mut next);
                let gradient = Values::<B>::of_shared(gradient);
                let rows = gradient.matrix();
                [
                    weight.map(|weight| {
                        let weight = Values::<B>::of_shared(weight);
                        let weight = weight.matrix().transpose();
                        gradient.of_width(linear::product([rows, weight]), weight.ncols())
                    }),
                    x.map(|x| {
                        let x = Values::<B>::of(x);
                        let shape = [x.width(), gradient.width()];
                        let product = linear::product([x.matrix().transpose(), rows]);
                        tensor::<B>(product, shape, &x.device)
                    }),
                    by_bias.then(|| {
                        let sum = linear::sum_of_rows(gradient.numbers(), gradient.width());
                        row::<B>(sum, &gradient.device)
                    }),
                ]
            },
        })
    }

    fn adam() -> Option<AdamKernel<Self>> {
        Some(|of, step| {
            let [mut weight, gradient, mut mean, mut mean_of_squares] = of.map(Values::<B>::of);
            let of = adam::Of {
                weight: weight.numbers_mut(),
                gradient: gradient.numbers(),
                moments: [mean.numbers_mut(), mean_of_squares.numbers_mut()],
            };
            adam::update(of, step);
            [weight, mean, mean_of_squares].map(Values::tensor)
        })
    }

    fn sum_of_squares() -> Option<SumOfSquaresKernel<Self>> {
        Some(|x| {
            let x = Values::<B>::of(x);
            let sum = row::<B>(vec![squares::sum(x.numbers())], &x.device);
            [x.tensor(), sum]
        })
    }
}

/// Of fewer rows, a linear layer takes less time than to copy its weight, which nobody reads where it lies but its backend.
const MANY_ROWS: usize = 128;

/// A tensor as numbers in memory.
struct Values<B: Backend> {
    data: TensorData,
    device: B::Device,
}

impl<B: Backend> Values<B> {
    /// What a tensor holds, moved out where nobody else has it.
    fn of(tensor: FloatTensor<B>) -> Self {
        let device = B::float_device(&tensor);
        let data = read_sync(B::float_into_data(tensor)).expect("its memory can be read");
        Self { data, device }
    }

    /// The same of a tensor that others may have too: ndarray would hand that over number by number, but makes a product with
    /// one of its own.
    fn of_shared(tensor: FloatTensor<B>) -> Self {
        Self::of(B::float_mul_scalar(tensor, 1.0.into()))
    }

    /// The same of one that may be a turned view, which backends lay out in one go as a row.
    fn of_turned(tensor: FloatTensor<B>) -> Self {
        let shape = tensor.shape();
        let mut own = Self::of_shared(B::float_reshape(tensor, [shape.num_elements()].into()));
        own.data.shape = shape;
        own
    }

    fn numbers(&self) -> &[f32] {
        self.data.as_slice().expect(SINGLE_PRECISION)
    }

    fn numbers_mut(&mut self) -> &mut [f32] {
        self.data.as_mut_slice().expect(SINGLE_PRECISION)
    }

    /// As the rows of a matrix.
    fn matrix(&self) -> MatRef<'_, f32> {
        let width = self.width();
        let numbers = self.numbers();
        product::matrix(numbers, [numbers.len() / width, width])
    }

    fn tensor(self) -> FloatTensor<B> {
        B::float_from_data(self.data, &self.device)
    }

    /// Other numbers of the same shape.
    fn beside(&self, numbers: Vec<f32>) -> FloatTensor<B> {
        tensor::<B>(numbers, self.data.shape.clone(), &self.device)
    }

    /// Other numbers of the same shape but for the last axis.
    fn of_width(&self, numbers: Vec<f32>, width: usize) -> FloatTensor<B> {
        let mut shape = self.data.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = width;
        }
        tensor::<B>(numbers, shape, &self.device)
    }

    /// At least one, so that it can be divided by.
    fn width(&self) -> usize {
        self.data.shape.last().map_or(1, |&width| width.max(1))
    }
}

/// Of other tensors nobody asks for a kernel.
const SINGLE_PRECISION: &str = "single precision";

fn row<B: Backend>(numbers: Vec<f32>, device: &B::Device) -> FloatTensor<B> {
    let shape = [numbers.len()];
    tensor::<B>(numbers, shape, device)
}

fn tensor<B: Backend>(
    numbers: Vec<f32>,
    shape: impl Into<Shape>,
    device: &B::Device,
) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(numbers, shape), device)
}

/// Queries, keys and values of heads.
fn heads_of<B: Backend>(of: &[Values<B>; 3]) -> attention::Of<'_> {
    let [query, key, value] = of;
    let seq = |x: &Values<B>| x.data.shape[2];
    attention::Of {
        query: query.numbers(),
        key: key.numbers(),
        value: value.numbers(),
        size: [seq(query), seq(key), query.width()],
    }
}

/// What was kept, as numbers.
fn all<B: Backend, const N: usize>(kept: Vec<FloatTensor<B>>) -> [Values<B>; N] {
    let values: Vec<_> = kept.into_iter().map(Values::of).collect();
    values
        .try_into()
        .unwrap_or_else(|_| unreachable!("{ALL_IS_KEPT}"))
}

const ALL_IS_KEPT: &str = "an operation keeps what its gradient needs";
