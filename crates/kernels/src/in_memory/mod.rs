//! Kernels for backends whose tensors the processor reads where they lie.

mod float;
mod gelu;
mod heads;
mod layer_norm;
mod softmax;
mod work;

use crate::kernels::{Kept, Kernels};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{TensorData, TensorMetadata, read_sync};
use layer_norm::Normal;
use std::fmt;
use std::marker::PhantomData;

/// Kernels of a backend whose tensors the processor reads where they lie: one pass over the numbers each, on all threads, by
/// the widest vectors there are. They would be right for any other backend, too, and slow.
pub struct InMemory<B>(PhantomData<fn() -> B>);

impl<B> fmt::Debug for InMemory<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemory")
    }
}

impl<B: Backend> Kernels for InMemory<B> {
    type Backend = B;

    fn gelu(x: FloatTensor<B>, keep: bool) -> Kept<Self> {
        let mut x = Values::<B>::of(x);
        if !keep {
            gelu::forward(&mut x.numbers);
            return (x.tensor(), Vec::new());
        }
        let slopes = gelu::forward_with_slopes(&mut x.numbers);
        let slopes = x.beside(slopes);
        (x.tensor(), vec![slopes])
    }

    fn gelu_backward(kept: Vec<FloatTensor<B>>, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let ([slopes], mut gradient) = (all::<B, 1>(kept), Values::<B>::of(gradient));
        gelu::backward(&slopes.numbers, &mut gradient.numbers);
        gradient.tensor()
    }

    fn softmax(x: FloatTensor<B>, _hides_rows: bool, keep: bool) -> Kept<Self> {
        let mut x = Values::<B>::of(x);
        let width = x.width();
        softmax::forward(&mut x.numbers, width);
        // A copy, because the other goes into a product: what two have cannot be moved out.
        let kept = keep.then(|| x.beside(x.numbers.clone()));
        (x.tensor(), kept.into_iter().collect())
    }

    fn softmax_backward(kept: Vec<FloatTensor<B>>, gradient: FloatTensor<B>) -> FloatTensor<B> {
        let ([weights], mut gradient) = (all::<B, 1>(kept), Values::<B>::of(gradient));
        softmax::backward(&weights.numbers, &mut gradient.numbers, weights.width());
        gradient.tensor()
    }

    fn swap_heads(x: FloatTensor<B>) -> FloatTensor<B> {
        let Values {
            numbers,
            mut shape,
            device,
        } = Values::<B>::of_any(x);
        let numbers = heads::swapped(numbers, [shape[1], shape[2], shape[3]]);
        shape.swap(1, 2);
        let x = Values::<B> {
            numbers,
            shape,
            device,
        };
        x.tensor()
    }

    fn layer_norm(of: [FloatTensor<B>; 3], epsilon: f64, keep: bool) -> Kept<Self> {
        let [x, gamma, beta] = of;
        // The stream goes on beside the branch.
        let mut x = Values::<B>::of_any(x);
        let [gamma, beta] = [gamma, beta].map(Values::<B>::of);
        let rows = std::mem::take(&mut x.numbers);
        let (y, normal) = layer_norm::forward(rows, &gamma.numbers, &beta.numbers, epsilon);
        let kept = keep.then(|| {
            [
                x.beside(normal.rows),
                row::<B>(normal.factors, &x.device),
                gamma.tensor(),
            ]
        });
        x.numbers = y;
        (x.tensor(), kept.into_iter().flatten().collect())
    }

    fn layer_norm_backward(
        kept: Vec<FloatTensor<B>>,
        gradient: FloatTensor<B>,
    ) -> [FloatTensor<B>; 3] {
        let ([rows, factors, gamma], mut gradient) = (all::<B, 3>(kept), Values::<B>::of(gradient));
        let normal = Normal {
            rows: rows.numbers,
            factors: factors.numbers,
        };
        let rows = layer_norm::backward(&normal, &gamma.numbers, &mut gradient.numbers);
        let [by_gamma, by_beta] = rows.map(|by| row::<B>(by, &gradient.device));
        [gradient.tensor(), by_gamma, by_beta]
    }
}

/// A tensor as numbers in memory.
struct Values<B: Backend> {
    numbers: Vec<f32>,
    shape: Vec<usize>,
    device: B::Device,
}

impl<B: Backend> Values<B> {
    /// What a tensor holds, moved out where nobody else has it.
    fn of(tensor: FloatTensor<B>) -> Self {
        let (device, shape) = (B::float_device(&tensor), tensor.shape().to_vec());
        let data = read_sync(B::float_into_data(tensor)).expect("its memory can be read");
        Self {
            numbers: data.into_vec().expect("single precision"),
            shape,
            device,
        }
    }

    /// The same of a tensor that others have too, or that is seen through a turned view: backends that would then read it
    /// number by number lay it out in one go as a row, and make a product with one of their own.
    fn of_any(tensor: FloatTensor<B>) -> Self {
        let shape = tensor.shape();
        let row = B::float_reshape(tensor, [shape.num_elements()].into());
        let own = Self::of(B::float_mul_scalar(row, 1.0.into()));
        Self {
            shape: shape.to_vec(),
            ..own
        }
    }

    fn tensor(self) -> FloatTensor<B> {
        B::float_from_data(TensorData::new(self.numbers, self.shape), &self.device)
    }

    /// Other numbers of the same shape.
    fn beside(&self, numbers: Vec<f32>) -> FloatTensor<B> {
        B::float_from_data(TensorData::new(numbers, self.shape.clone()), &self.device)
    }

    /// At least one, so that it can be divided by.
    fn width(&self) -> usize {
        self.shape.last().map_or(1, |&width| width.max(1))
    }
}

fn row<B: Backend>(numbers: Vec<f32>, device: &B::Device) -> FloatTensor<B> {
    let shape = [numbers.len()];
    B::float_from_data(TensorData::new(numbers, shape), device)
}

/// What was kept, all of it.
fn all<B: Backend, const N: usize>(kept: Vec<FloatTensor<B>>) -> [Values<B>; N] {
    let values: Vec<_> = kept.into_iter().map(Values::of).collect();
    values
        .try_into()
        .unwrap_or_else(|_| unreachable!("an operation keeps what its gradient needs"))
}
