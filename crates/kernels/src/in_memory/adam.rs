//! An update by Adam.

use super::work::{PIECE, work};
use crate::AdamStep;
use pulp::NullaryFnOnce;

/// What an update reads and writes, of one length.
pub(super) struct Of<'a> {
    pub(super) weight: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    pub(super) moments: [&'a mut [f32]; 2],
}

/// Updates weights and moments in their place.
pub(super) fn update(of: Of<'_>, step: &AdamStep) {
    let numbers = Numbers::of(step);
    let Of {
        weight,
        gradient,
        moments: [mean, mean_of_squares],
    } = of;
    let weights = weight.chunks_mut(PIECE).zip(gradient.chunks(PIECE));
    let moments = mean
        .chunks_mut(PIECE)
        .zip(mean_of_squares.chunks_mut(PIECE));
    let pieces = weights.zip(moments);
    let pieces = pieces.map(|((weight, gradient), (mean, mean_of_squares))| Piece {
        of: Of {
            weight,
            gradient,
            moments: [mean, mean_of_squares],
        },
        numbers,
    });
    work(pieces.collect());
}

/// A step in single precision: each number rounded once, as Burn rounds it.
#[derive(Clone, Copy)]
struct Numbers {
    scale: f32,
    kept: f32,
    decays: [f32; 2],
    shares: [f32; 2],
    length: f32,
    epsilon: f32,
}

impl Numbers {
    fn of(step: &AdamStep) -> Self {
        let betas = [step.beta_1, step.beta_2];
        Self {
            scale: step.scale as f32,
            kept: step.kept as f32,
            decays: betas.map(|beta| beta as f32),
            shares: betas.map(|beta| (1.0 - beta) as f32),
            length: step.length as f32,
            epsilon: step.epsilon as f32,
        }
    }
}

struct Piece<'a> {
    of: Of<'a>,
    numbers: Numbers,
}

impl NullaryFnOnce for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Numbers {
            scale,
            kept,
            decays,
            shares,
            length,
            epsilon,
        } = self.numbers;
        let [means, means_of_squares] = self.of.moments;
        let weights = self.of.weight.iter_mut().zip(self.of.gradient);
        let moments = means.iter_mut().zip(means_of_squares);
        for ((weight, &gradient), (mean, mean_of_squares)) in weights.zip(moments) {
            let gradient = gradient * scale;
            *mean = *mean * decays[0] + gradient * shares[0];
            *mean_of_squares = *mean_of_squares * decays[1] + gradient * gradient * shares[1];
            *weight = *weight * kept - *mean * length / (mean_of_squares.sqrt() + epsilon);
        }
    }
}
