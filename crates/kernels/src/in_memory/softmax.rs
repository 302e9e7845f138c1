//! The weights of attention.

use super::float::{exp, highest, larger, sum};
use super::work::{rows_a_piece, work};
use pulp::NullaryFnOnce;

/// The softmax of each row, in its place.
pub(super) fn forward(x: &mut [f32], width: usize) {
    let pieces = x.chunks_mut(width * rows_a_piece(width));
    work(pieces.map(|x| Weights { x, width }).collect());
}

/// From the gradient by the weights that by the scores.
pub(super) fn backward(weights: &[f32], gradient: &mut [f32], width: usize) {
    let piece = width * rows_a_piece(width);
    let pieces = gradient.chunks_mut(piece).zip(weights.chunks(piece));
    let pieces = pieces.map(|(gradient, weights)| Slopes {
        gradient,
        weights,
        width,
    });
    work(pieces.collect());
}

struct Weights<'a> {
    x: &'a mut [f32],
    width: usize,
}

impl NullaryFnOnce for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.x.chunks_mut(self.width).for_each(weigh_row);
    }
}

/// The softmax of a row.
#[inline(always)]
pub(super) fn weigh_row(row: &mut [f32]) {
    let highest = highest(row);
    for x in row.iter_mut() {
        *x = exp(*x - highest);
    }
    let factor = 1.0 / larger(sum(row, |x| x), f32::MIN_POSITIVE);
    for x in row {
        *x *= factor;
    }
}

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
            slope_row(gradient, weights);
        }
    }
}

/// `w (g - Σ w g)` of a row.
#[inline(always)]
pub(super) fn slope_row(gradient: &mut [f32], weights: &[f32]) {
    for (g, w) in gradient.iter_mut().zip(weights) {
        *g *= w;
    }
    let total = sum(gradient, |g| g);
    for (g, w) in gradient.iter_mut().zip(weights) {
        *g -= total * w;
    }
}
