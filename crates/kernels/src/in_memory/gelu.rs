//! The exact GELU.

use super::float::{exp, polynomial};
use super::work::{PIECE, work};
use pulp::NullaryFnOnce;

/// `x Φ(x)` and its slope, `Φ(x) + x φ(x)`: the first to 5e-7 of itself and what rounding `x²` does to `e^(-x²/2)`.
///
/// The upper tail of the normal distribution over its density's exponential, `Q(a) / e^(-a²/2)`, is a polynomial of
/// `t = 1 / (1 + a P)` to 1e-7 of itself: the form of Hastings 1955, with coefficients fitted for the largest relative
/// error over `0 ≤ a ≤ 13.5`. What is small is never the difference of what is large.
#[inline(always)]
fn value_and_slope(x: f32) -> (f32, f32) {
    const P: f32 = 0.305;
    const TAIL: [f32; 9] = [
        0.036_699_474,
        -0.152_989_5,
        0.185_718_95,
        -0.037_978_69,
        0.121_022_64,
        0.103_420_59,
        0.122_466_86,
        0.121_639_73,
        0.0,
    ];
    const INVERSE_ROOT_OF_2_PI: f32 = 0.398_942_3;
    let bell = exp(-0.5 * x * x);
    let tail = bell * polynomial(&TAIL, 1.0 / (1.0 + P * x.abs()));
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (x * below, below + x * bell * INVERSE_ROOT_OF_2_PI)
}

/// GELU of numbers, in their place.
pub(super) fn forward(x: &mut [f32]) {
    work(x.chunks_mut(PIECE).map(WithoutSlopes).collect());
}

/// GELU of numbers, in their place, and its slopes.
pub(super) fn forward_with_slopes(x: &mut [f32]) -> Vec<f32> {
    let mut slopes = vec![0.0; x.len()];
    let pieces = x.chunks_mut(PIECE).zip(slopes.chunks_mut(PIECE));
    work(pieces.map(|(x, slopes)| WithSlopes(x, slopes)).collect());
    slopes
}

/// Multiplies by the slopes.
pub(super) fn backward(slopes: &[f32], gradient: &mut [f32]) {
    let pieces = gradient.chunks_mut(PIECE).zip(slopes.chunks(PIECE));
    work(
        pieces
            .map(|(gradient, slopes)| Times(gradient, slopes))
            .collect(),
    );
}

struct WithSlopes<'a>(&'a mut [f32], &'a mut [f32]);

impl NullaryFnOnce for WithSlopes<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (x, slope) in self.0.iter_mut().zip(self.1) {
            (*x, *slope) = value_and_slope(*x);
        }
    }
}

struct WithoutSlopes<'a>(&'a mut [f32]);

impl NullaryFnOnce for WithoutSlopes<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for x in self.0 {
            *x = value_and_slope(*x).0;
        }
    }
}

struct Times<'a>(&'a mut [f32], &'a [f32]);

impl NullaryFnOnce for Times<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (number, factor) in self.0.iter_mut().zip(self.1) {
            *number *= factor;
        }
    }
}
