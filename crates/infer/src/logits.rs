//! A model's predictions on the host, where every strategy reads them: one copy a step, no other tensor work.

use crate::error::InferError;
use burn::tensor::{Tensor, backend::Backend};

/// The logits of several rows.
#[derive(Debug)]
pub(crate) struct Logits {
    values: Vec<f32>,
    vocab: usize,
}

impl Logits {
    /// - `logits`: `[rows, vocab]`
    pub(crate) fn read<B: Backend>(logits: Tensor<B, 2>) -> Self {
        let [_, vocab] = logits.dims();
        Self {
            values: to_floats(logits),
            vocab,
        }
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.vocab..(row + 1) * self.vocab]
    }
}

/// All numbers of a tensor; copied once, and converted only where the backend computes in another precision.
pub(crate) fn to_floats<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .into_vec()
        .expect("data that was just converted to f32 is f32")
}

/// Why no token can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A prediction that is no distribution: NaN, or an infinite logit, or nothing possible.
    NonFinite,
    /// The rules forbid every token.
    NothingAllowed,
}

impl Refusal {
    /// Names the place.
    pub(crate) fn at(self, row: usize, n_tokens: usize) -> InferError {
        match self {
            Self::NonFinite => InferError::NonFinite { row, n_tokens },
            Self::NothingAllowed => InferError::NothingAllowed { row, n_tokens },
        }
    }
}

/// `log Σ exp(logits)`; a logit less this is a log-probability.
pub(crate) fn log_total(logits: &[f32]) -> Result<f64, Refusal> {
    // `f32::max` passes over NaN, but the sum does not.
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits
        .chunks(64)
        .map(|chunk| f64::from(chunk.iter().map(|x| (x - highest).exp()).sum::<f32>()))
        .sum();
    let log_total = f64::from(highest) + total.ln();
    if log_total.is_finite() {
        Ok(log_total)
    } else {
        Err(Refusal::NonFinite)
    }
}

/// The id of the highest logit, the lowest id among equals.
pub(crate) fn argmax(logits: &[f32]) -> usize {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_of_the_total_is_what_the_hand_finds() {
        let found = log_total(&[1.0, 2.0, 3.0]).expect("finite logits");
        assert!((found - 3.407_606).abs() < 1e-6);
        let far = log_total(&[1e30, -1e30]).expect("finite logits");
        assert!((far - f64::from(1e30f32)).abs() < 1e20);
    }

    #[test]
    fn a_forbidden_token_is_no_error_but_no_number_is() {
        assert_eq!(log_total(&[0.0, f32::NEG_INFINITY]), Ok(0.0));
        assert_eq!(log_total(&[0.0, f32::NAN]), Err(Refusal::NonFinite));
        assert_eq!(log_total(&[f32::NAN, f32::NAN]), Err(Refusal::NonFinite));
        assert_eq!(log_total(&[0.0, f32::INFINITY]), Err(Refusal::NonFinite));
        assert_eq!(log_total(&[f32::NEG_INFINITY; 2]), Err(Refusal::NonFinite));
    }

    #[test]
    fn the_first_of_equal_logits_is_the_highest() {
        assert_eq!(argmax(&[0.0, 2.0, 1.0, 2.0]), 1);
    }
}
