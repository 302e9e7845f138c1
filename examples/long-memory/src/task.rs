//! The task: which of some symbols came first, before as many distractors as the distance says?

use hearth::batch::{Stream, derive_seed};
use hearth::burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// How many symbols there are to remember: tokens `0..N_SYMBOLS`. Guessing is right once in so many times.
pub(crate) const N_SYMBOLS: usize = 8;

/// How many other tokens stand between: those behind the symbols.
const N_DISTRACTORS: usize = 8;

/// Symbols, distractors, and the token at the end that asks.
pub(crate) const VOCAB: usize = N_SYMBOLS + N_DISTRACTORS + 1;

/// Sequences of one symbol, distractors, and the question.
pub(crate) struct Batch<B: Backend> {
    /// `[batch, distance + 2]`
    pub(crate) tokens: Tensor<B, 2, Int>,
    /// `[batch, 1]`: the symbol.
    pub(crate) answers: Tensor<B, 2, Int>,
}

/// The batch of a number: a function of the seed and the number.
pub(crate) fn batch<B: Backend>(
    batch: usize,
    distance: usize,
    (seed, number): (u64, u64),
    device: &B::Device,
) -> Batch<B> {
    let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(seed, Stream::Data, number));
    let seq = distance + 2;
    let (mut tokens, mut answers) = (Vec::with_capacity(batch * seq), Vec::with_capacity(batch));
    for _ in 0..batch {
        let symbol = rng.random_range(0..N_SYMBOLS as i64);
        let distractor = |_| rng.random_range(N_SYMBOLS as i64..(VOCAB - 1) as i64);
        tokens.push(symbol);
        tokens.extend((0..distance).map(distractor));
        tokens.push((VOCAB - 1) as i64);
        answers.push(symbol);
    }
    Batch {
        tokens: Tensor::from_data(TensorData::new(tokens, [batch, seq]), device),
        answers: Tensor::from_data(TensorData::new(answers, [batch, 1]), device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_asked_for_once_its_distance_is_over() {
        let device = hearth::backend::device().unwrap();
        let batch = batch::<hearth::backend::Selected>(20, 5, (1, 2), &device);
        assert_eq!(batch.tokens.dims(), [20, 7]);
        let tokens: Vec<i64> = batch.tokens.into_data().iter().collect();
        let answers: Vec<i64> = batch.answers.into_data().iter().collect();
        for (row, answer) in tokens.chunks(7).zip(answers) {
            assert_eq!(row[0], answer);
            assert!((0..8).contains(&answer));
            assert!(
                row[1..6].iter().all(|token| (8..16).contains(token)),
                "{row:?}"
            );
            assert_eq!(row[6], 16);
        }
    }
}
