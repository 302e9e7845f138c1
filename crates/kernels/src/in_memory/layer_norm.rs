//! Layer norm.

use super::float::{dot, sum};
use super::work::{rows_a_piece, work};
use pulp::NullaryFnOnce;

/// What is kept of rows.
pub(super) struct Normal<'a> {
    /// Without their mean and of variance one, before scale and shift.
    pub(super) rows: &'a [f32],
    /// What each was multiplied by for it.
    pub(super) factors: &'a [f32],
}

/// - `gamma`, `beta`: as wide as a row
/// - returns rows that are normal, scaled and shifted; rows that are normal alone; and what each was multiplied by for it
pub(super) fn forward(x: &[f32], [gamma, beta]: [&[f32]; 2], epsilon: f64) -> [Vec<f32>; 3] {
    let width = gamma.len().max(1);
    let [mut y, mut normal] = [(); 2].map(|()| vec![0.0; x.len()]);
    let mut factors = vec![0.0; x.len() / width];
    let n_rows = rows_a_piece(width);
    let found = y.chunks_mut(n_rows * width);
    let found = found.zip(normal.chunks_mut(n_rows * width));
    let pieces = x.chunks(n_rows * width).zip(found);
    let pieces = pieces.zip(factors.chunks_mut(n_rows));
    let pieces = pieces.map(|((x, (y, normal)), factors)| Rows {
        x,
        y,
        normal,
        factors,
        gamma,
        beta,
        epsilon: epsilon as f32,
    });
    work(pieces.collect());
    [y, normal, factors]
}

/// From the gradient by what came out that by what went in, in its place; and those by `γ` and `β`.
pub(super) fn backward(normal: &Normal<'_>, gamma: &[f32], gradient: &mut [f32]) -> [Vec<f32>; 2] {
    let width = gamma.len().max(1);
    let n_rows = rows_a_piece(width);
    let n_pieces = normal.factors.len().div_ceil(n_rows);
    // Of each piece those by γ and by β, to be added up in their order, however many threads there are.
    let mut by_channel = vec![0.0; n_pieces * 2 * width];
    let rows = normal.rows.chunks(n_rows * width);
    let pieces = gradient.chunks_mut(n_rows * width).zip(rows);
    let pieces = pieces.zip(normal.factors.chunks(n_rows));
    let pieces = pieces.zip(by_channel.chunks_mut(2 * width));
    let pieces = pieces.map(|(((gradient, normal), factors), by_channel)| Slopes {
        gradient,
        normal,
        factors,
        gamma,
        by_channel,
    });
    work(pieces.collect());
    [0, width].map(|first| {
        let mut sums = vec![0.0; width];
        for piece in by_channel.chunks(2 * width) {
            for (sum, number) in sums.iter_mut().zip(&piece[first..]) {
                *sum += number;
            }
        }
        sums
    })
}

struct Rows<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    normal: &'a mut [f32],
    factors: &'a mut [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
}

impl NullaryFnOnce for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let width = self.gamma.len();
        let found = self.y.chunks_mut(width).zip(self.normal.chunks_mut(width));
        let rows = self.x.chunks(width).zip(found);
        for ((x, (y, normal)), factor) in rows.zip(self.factors) {
            let mean = sum(x, |x| x) / width as f32;
            for (normal, x) in normal.iter_mut().zip(x) {
                *normal = x - mean;
            }
            let variance = sum(normal, |x| x * x) / width as f32;
            *factor = 1.0 / (variance + self.epsilon).sqrt();
            let channels = self.gamma.iter().zip(self.beta);
            for ((normal, y), (gamma, beta)) in normal.iter_mut().zip(y).zip(channels) {
                *normal *= *factor;
                *y = *normal * gamma + beta;
            }
        }
    }
}

struct Slopes<'a> {
    /// By what came out; becomes that by what went in.
    gradient: &'a mut [f32],
    normal: &'a [f32],
    factors: &'a [f32],
    gamma: &'a [f32],
    /// By `γ`, then by `β`; zero at first.
    by_channel: &'a mut [f32],
}

impl NullaryFnOnce for Slopes<'_> {
    type Output = ();

    /// With `h = g γ`: `(h - mean(h) - n mean(h n)) · factor`, where `n` is normal.
    #[inline(always)]
    fn call(self) {
        let width = self.gamma.len();
        let (by_gamma, by_beta) = self.by_channel.split_at_mut(width);
        let rows = self
            .gradient
            .chunks_mut(width)
            .zip(self.normal.chunks(width));
        for ((gradient, normal), factor) in rows.zip(self.factors) {
            let channels = by_gamma.iter_mut().zip(by_beta.iter_mut()).zip(self.gamma);
            for ((g, n), ((by_gamma, by_beta), gamma)) in
                gradient.iter_mut().zip(normal).zip(channels)
            {
                *by_gamma += *g * n;
                *by_beta += *g;
                *g *= gamma;
            }
            let mean = sum(gradient, |h| h) / width as f32;
            let along = dot(gradient, normal) / width as f32;
            for (g, n) in gradient.iter_mut().zip(normal) {
                *g = (*g - mean - n * along) * factor;
            }
        }
    }
}
