//! Kernels for backends whose tensors the processor reads where they lie.

mod adam;
mod float;
mod gelu;
mod heads;
mod layer_norm;
mod softmax;
mod work;

pub use work::among_workers;

use crate::kernels::{AdamKernel, Kept, Kernels};
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

    fn swap_heads(x: FloatTensor<B>) -> FloatTensor<B> {
        let mut x = Values::<B>::of_any(x);
        let shape = &mut x.data.shape;
        let of = [shape[1], shape[2], shape[3]];
        shape.swap(1, 2);
        if of[0] == 1 || of[1] == 1 {
            return x.tensor();
        }
        x.beside(heads::swapped(x.numbers(), of))
    }

    fn layer_norm(of: [FloatTensor<B>; 3], epsilon: f64, keep: bool) -> Kept<Self> {
        let [x, gamma, beta] = of;
        // The stream goes on beside the branch.
        let mut x = Values::<B>::of_any(x);
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
}

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

    /// The same of a tensor that others have too, or that is seen through a turned view: backends that would then read it
    /// number by number lay it out in one go as a row, and make a product with one of their own.
    fn of_any(tensor: FloatTensor<B>) -> Self {
        let shape = tensor.shape();
        let row = B::float_reshape(tensor, [shape.num_elements()].into());
        let mut own = Self::of(B::float_mul_scalar(row, 1.0.into()));
        own.data.shape = shape;
        own
    }

    fn numbers(&self) -> &[f32] {
        self.data.as_slice().expect(SINGLE_PRECISION)
    }

    fn numbers_mut(&mut self) -> &mut [f32] {
        self.data.as_mut_slice().expect(SINGLE_PRECISION)
    }

    fn tensor(self) -> FloatTensor<B> {
        B::float_from_data(self.data, &self.device)
    }

    /// Other numbers of the same shape.
    fn beside(&self, numbers: Vec<f32>) -> FloatTensor<B> {
        B::float_from_data(
            TensorData::new(numbers, self.data.shape.clone()),
            &self.device,
        )
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
    B::float_from_data(TensorData::new(numbers, shape), device)
}

/// What was kept, all of it.
fn all<B: Backend, const N: usize>(kept: Vec<FloatTensor<B>>) -> [Values<B>; N] {
    let values: Vec<_> = kept.into_iter().map(Values::of).collect();
    values
        .try_into()
        .unwrap_or_else(|_| unreachable!("an operation keeps what its gradient needs"))
}
