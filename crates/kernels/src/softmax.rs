//! The weights of attention.

use crate::float::{exp, highest, larger, sum};
use crate::host::{rows_a_piece, work};
use crate::installed::{float, kernels, primitive};
use crate::unary::{Unary, Values};
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, backend::Backend};
use pulp::NullaryFnOnce;

/// The softmax of scores over their last axis, and what it is yet to be divided by, if it is: behind the product that it goes
/// into, which may be narrower.
///
/// - `x`: `[batch, n_heads, query_seq, key_seq]`
/// - `is_masked`: whether a row may be nothing but `-inf`; it has zeros then, not NaN
/// - returns the same shape, and `[batch, n_heads, query_seq, 1]`
pub fn softmax_weights<B: Backend>(
    x: Tensor<B, 4>,
    is_masked: bool,
) -> (Tensor<B, 4>, Option<Tensor<B, 4>>) {
    if let Some(kernels) = kernels(&x) {
        return (float((kernels.softmax)(primitive(x))), None);
    }
    if !is_masked {
        return (softmax(x, 3), None);
    }
    let highest = x.clone().detach().max_dim(3).clamp_min(f32::MIN);
    let exponentials = (x - highest).exp();
    let total = exponentials.clone().sum_dim(3).clamp_min(f32::MIN_POSITIVE);
    (exponentials, Some(total))
}

/// Keeps the weights.
#[derive(Debug, Default)]
pub(crate) struct Softmax;

impl Unary for Softmax {
    fn forward(mut x: Vec<f32>, shape: Vec<usize>, keep: bool) -> (Values, Vec<f32>) {
        let width = width(&shape);
        let pieces = x.chunks_mut(width * rows_a_piece(width));
        work(pieces.map(|x| Weights { x, width }).collect());
        let kept = if keep { x.clone() } else { Vec::new() };
        ((x, shape), kept)
    }

    fn backward(weights: &[f32], (mut gradient, shape): Values) -> Values {
        let width = width(&shape);
        let piece = width * rows_a_piece(width);
        let pieces = gradient.chunks_mut(piece).zip(weights.chunks(piece));
        let pieces = pieces.map(|(gradient, weights)| Slopes {
            gradient,
            weights,
            width,
        });
        work(pieces.collect());
        (gradient, shape)
    }
}

/// At least one, so that it can be divided by.
fn width(shape: &[usize]) -> usize {
    shape.last().map_or(1, |&width| width.max(1))
}

struct Weights<'a> {
    x: &'a mut [f32],
    width: usize,
}

impl NullaryFnOnce for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for row in self.x.chunks_mut(self.width) {
            let highest = highest(row);
            for x in row.iter_mut() {
                *x = exp(*x - highest);
            }
            let factor = 1.0 / larger(f32::MIN_POSITIVE, sum(row, |x| x));
            for x in row {
                *x *= factor;
            }
        }
    }
}

/// `w (g - Σ w g)`.
struct Slopes<'a> {
    gradient: &'a mut [f32],
    weights: &'a [f32],
    width: usize,
}

impl NullaryFnOnce for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.gradient.chunks_mut(self.width);
        for (gradient, weights) in rows.zip(self.weights.chunks(self.width)) {
            for (g, w) in gradient.iter_mut().zip(weights) {
                *g *= w;
            }
            let total = sum(gradient, |g| g);
            for (g, w) in gradient.iter_mut().zip(weights) {
                *g -= total * w;
            }
        }
    }
}
