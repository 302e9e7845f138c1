//! A long text as windows: each token is predicted from those before it.

use crate::content::{self, See};
use crate::error::BatchError;
use crate::seed::{Stream, derive_seed};
use crate::share::Share;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Windows of text and, behind each token, the one to predict.
#[derive(Debug, Clone)]
pub struct CausalBatch<B: Backend> {
    /// `[batch, seq]`
    pub inputs: Tensor<B, 2, Int>,
    /// `[batch, seq]`: the inputs, one place on.
    pub targets: Tensor<B, 2, Int>,
    /// How many targets there are.
    pub n_tokens: usize,
}

/// The shape of a batch of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowShape {
    /// Windows at once.
    pub batch: usize,
    /// Tokens of a window.
    pub seq: usize,
}

/// A text as a supply of windows.
#[derive(Debug, Clone)]
pub struct TextWindows {
    ids: Vec<TokenId>,
    shape: WindowShape,
}

impl TextWindows {
    /// # Errors
    /// If a size is zero or the text is shorter than one window and the token behind it.
    pub fn new(ids: Vec<TokenId>, shape: WindowShape) -> Result<Self, BatchError> {
        let WindowShape { batch, seq } = shape;
        for (field, size) in [("batch_size", batch), ("context", seq)] {
            if size == 0 {
                return Err(BatchError::Zero { field });
            }
        }
        if ids.len() < seq + 1 {
            let (n_tokens, expected) = (ids.len(), seq + 1);
            return Err(BatchError::TooShort {
                n_tokens,
                expected,
                seq,
            });
        }
        Ok(Self { ids, shape })
    }

    /// How many tokens the text has.
    pub fn n_tokens(&self) -> usize {
        self.ids.len()
    }

    /// Shows all of it as bytes: for a hash that tells whether it is the same data.
    pub fn content(&self, see: &mut See<'_>) {
        content::ids(&self.ids, see);
    }

    /// Windows at random places, with replacement: a function of the seed and the step. None for a share without rows.
    pub fn random<B: Backend>(
        &self,
        seed: u64,
        step: u64,
        share: Share,
        device: &B::Device,
    ) -> Option<CausalBatch<B>> {
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(seed, Stream::Data, step));
        let last = self.ids.len() - self.shape.seq - 1;
        let starts: Vec<usize> = (0..self.shape.batch)
            .map(|_| rng.random_range(0..=last))
            .collect();
        let starts = share.of(&starts);
        (!starts.is_empty()).then(|| self.batch(&starts, self.shape.seq, device))
    }

    /// The whole text, window after window: every token but the first is predicted exactly once. What is left after
    /// the last whole window comes as a shorter one.
    pub fn all<'a, B: Backend>(
        &'a self,
        device: &'a B::Device,
    ) -> impl Iterator<Item = CausalBatch<B>> + 'a {
        let seq = self.shape.seq;
        let n_targets = self.ids.len() - 1;
        let starts: Vec<usize> = (0..n_targets / seq).map(|i| i * seq).collect();
        let rest = n_targets % seq;
        let tail = (rest > 0).then(move || self.batch(&[n_targets - rest], rest, device));
        let n_batches = starts.len().div_ceil(self.shape.batch);
        (0..n_batches)
            .map(move |i| {
                let end = starts.len().min((i + 1) * self.shape.batch);
                self.batch(&starts[i * self.shape.batch..end], seq, device)
            })
            .chain(tail)
    }

    fn batch<B: Backend>(
        &self,
        starts: &[usize],
        seq: usize,
        device: &B::Device,
    ) -> CausalBatch<B> {
        let windows = |shift: usize| {
            let ids: Vec<i64> = starts
                .iter()
                .flat_map(|&start| &self.ids[start + shift..start + shift + seq])
                .map(|&id| i64::from(id))
                .collect();
            Tensor::from_data(TensorData::new(ids, [starts.len(), seq]), device)
        };
        CausalBatch {
            inputs: windows(0),
            targets: windows(1),
            n_tokens: starts.len() * seq,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    fn windows(n_tokens: u32, batch: usize, seq: usize) -> TextWindows {
        TextWindows::new((0..n_tokens).collect(), WindowShape { batch, seq }).expect("long enough")
    }

    fn values(tensor: &Tensor<Flex, 2, Int>) -> Vec<i64> {
        tensor.to_data().iter().collect()
    }

    #[test]
    fn targets_are_the_inputs_one_place_on() {
        let batch = windows(50, 3, 7).random::<Flex>(1, 2, Share::WHOLE, &Default::default());
        let batch = batch.expect("rows");
        for (input, target) in values(&batch.inputs).iter().zip(values(&batch.targets)) {
            assert_eq!(input + 1, target);
        }
    }

    #[test]
    fn a_step_sees_the_same_windows_whenever_it_is_asked() {
        let windows = windows(1000, 4, 8);
        let at = |seed, step| {
            let batch = windows.random::<Flex>(seed, step, Share::WHOLE, &Default::default());
            values(&batch.expect("rows").inputs)
        };
        assert_eq!(at(7, 3), at(7, 3));
        assert_ne!(at(7, 3), at(7, 4));
        assert_ne!(at(7, 3), at(8, 3));
    }

    #[test]
    fn shares_of_a_step_are_its_rows() {
        let (windows, device) = (windows(1000, 3, 4), Default::default());
        let of = |share| {
            let batch = windows.random::<Flex>(1, 2, share, &device);
            batch.map(|batch| (values(&batch.inputs), batch.n_tokens))
        };
        let (whole, _) = of(Share::WHOLE).expect("rows");
        let (first, n_first) = of(Share::new(0, 2)).expect("rows");
        let (second, n_second) = of(Share::new(1, 2)).expect("rows");
        assert_eq!([&first[..4], &second, &first[4..]].concat(), whole);
        assert_eq!((n_first, n_second), (8, 4));
        assert_eq!(of(Share::new(3, 4)), None);
    }

    #[test]
    fn all_predicts_every_token_but_the_first_exactly_once() {
        for (n_tokens, batch, seq) in [(50, 3, 7), (8, 5, 7), (15, 1, 7), (29, 2, 7)] {
            let device = Default::default();
            let mut targets: Vec<i64> = Vec::new();
            let mut counted = 0;
            for batch in windows(n_tokens, batch, seq).all::<Flex>(&device) {
                targets.extend(values(&batch.targets));
                counted += batch.n_tokens;
            }
            assert_eq!(targets, (1..i64::from(n_tokens)).collect::<Vec<_>>());
            assert_eq!(counted, n_tokens as usize - 1);
        }
    }

    #[test]
    fn the_shortest_text_that_fits_a_window_serves() {
        let batch = windows(9, 2, 8).random::<Flex>(0, 0, Share::WHOLE, &Default::default());
        let batch = batch.expect("rows");
        assert_eq!(values(&batch.inputs)[..8], [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_text_shorter_than_a_window_names_both_numbers() {
        let error =
            TextWindows::new(vec![1; 8], WindowShape { batch: 1, seq: 8 }).expect_err("too short");
        assert_eq!(
            error,
            BatchError::TooShort {
                n_tokens: 8,
                expected: 9,
                seq: 8
            }
        );
    }
}
