//! A long text as windows in which some tokens are masked: each of those is guessed from both sides.

use crate::causal::WindowShape;
use crate::content::{self, See};
use crate::error::BatchError;
use crate::seed::{Stream, derive_seed};
use crate::share::Share;
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// How many tokens are guessed.
const CHOSEN: f64 = 0.15;

/// How many of these are masked; and, of the others, how many become any token. The rest stays as it is.
const MASKED: f64 = 0.8;
const RANDOM: f64 = 0.5;

/// The tokens to be guessed are filled up to a multiple of this: to a backend that compiles a kernel a shape, few shapes.
const BLOCK: usize = 32;

/// Windows of text with masks, and what stands under them.
#[derive(Debug, Clone)]
pub struct MaskedBatch<B: Backend> {
    /// `[batch, seq]`
    pub inputs: Tensor<B, 2, Int>,
    /// `[n_chosen]`: where in `inputs` a token is to be guessed, counted row by row.
    pub chosen: Tensor<B, 1, Int>,
    /// `[1, n_chosen]`: what stands there.
    pub targets: Tensor<B, 2, Int>,
    /// `[1, n_chosen]`, true where nothing is to be guessed: the end, which fills it up.
    pub filling: Tensor<B, 2, Bool>,
    /// How many tokens are to be guessed.
    pub n_tokens: usize,
}

/// The tokens that stand around a window, and what is put in place of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskTokens {
    /// What a text begins with: `[CLS]`.
    pub first: TokenId,
    /// What a text ends in: `[SEP]`.
    pub last: TokenId,
    /// What masks: `[MASK]`.
    pub mask: TokenId,
    /// The first token that may take another's place: special ones have the ids before it.
    pub first_random: TokenId,
    /// Number of tokens.
    pub vocab: usize,
}

/// A text as a supply of windows with masks: Devlin et al. 2019, §3.1 <https://arxiv.org/abs/1810.04805>. Of 15 % of the tokens, each is
/// masked (80 %), becomes any token (10 %) or stays (10 %), and is guessed.
#[derive(Debug, Clone)]
pub struct MaskedWindows {
    ids: Vec<TokenId>,
    shape: WindowShape,
    tokens: MaskTokens,
}

impl MaskedWindows {
    /// - `shape`: of whole windows, the two tokens around the text counted
    ///
    /// # Errors
    /// If the batch size is zero, a window has no room between its two tokens, or the text is shorter than a window.
    pub fn new(
        ids: Vec<TokenId>,
        shape: WindowShape,
        tokens: MaskTokens,
    ) -> Result<Self, BatchError> {
        let n_text = shape.seq.saturating_sub(2);
        for (field, size) in [("batch_size", shape.batch), ("context - 2", n_text)] {
            if size == 0 {
                return Err(BatchError::Zero { field });
            }
        }
        if ids.len() < n_text {
            let (n_tokens, seq) = (ids.len(), n_text);
            return Err(BatchError::TooShort {
                n_tokens,
                expected: n_text,
                seq,
            });
        }
        Ok(Self { ids, shape, tokens })
    }

    /// How many tokens the text has.
    pub fn n_tokens(&self) -> usize {
        self.ids.len()
    }

    /// Shows all of it as bytes: for a hash that tells whether it is the same data.
    pub fn content(&self, see: &mut See<'_>) {
        content::ids(&self.ids, see);
    }

    /// Windows at random places, with replacement, and random masks: a function of the seed and the step. None for a share
    /// without rows.
    pub fn random<B: Backend>(
        &self,
        seed: u64,
        step: u64,
        share: Share,
        device: &B::Device,
    ) -> Option<MaskedBatch<B>> {
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(seed, Stream::Data, step));
        let last = self.ids.len() - self.n_text();
        let starts: Vec<usize> = (0..self.shape.batch)
            .map(|_| rng.random_range(0..=last))
            .collect();
        (share.index() < starts.len()).then(|| self.batch(&starts, share, &mut rng, device))
    }

    /// The whole text, window after window, without what is left after the last whole one; always with the same masks.
    pub fn all<'a, B: Backend>(
        &'a self,
        device: &'a B::Device,
    ) -> impl Iterator<Item = MaskedBatch<B>> + 'a {
        let starts: Vec<usize> = (0..self.ids.len() / self.n_text())
            .map(|i| i * self.n_text())
            .collect();
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(0, Stream::Data, u64::MAX));
        let batches: Vec<Vec<usize>> = starts
            .chunks(self.shape.batch)
            .map(<[usize]>::to_vec)
            .collect();
        batches
            .into_iter()
            .map(move |starts| self.batch(&starts, Share::WHOLE, &mut rng, device))
    }

    /// Tokens of text in a window.
    fn n_text(&self) -> usize {
        self.shape.seq - 2
    }

    fn batch<B: Backend>(
        &self,
        starts: &[usize],
        share: Share,
        rng: &mut ChaCha8Rng,
        device: &B::Device,
    ) -> MaskedBatch<B> {
        let MaskTokens { first, last, .. } = self.tokens;
        let n_rows = (0..starts.len()).filter(|&row| share.has(row)).count();
        let shape = [n_rows, self.shape.seq];
        let mut inputs = Vec::with_capacity(shape[0] * shape[1]);
        let (mut chosen, mut targets) = (Vec::new(), Vec::new());
        for (row, &start) in starts.iter().enumerate() {
            // Masks are drawn row by row: those of other shares' rows, too.
            let own = share.has(row);
            let text = &self.ids[start..start + self.n_text()];
            let text: Vec<_> = text.iter().map(|&id| self.hide(id, rng)).collect();
            if !own {
                continue;
            }
            inputs.push(i64::from(first));
            for (&id, (seen, is_chosen)) in self.ids[start..].iter().zip(text) {
                if is_chosen {
                    chosen.push(inputs.len() as i64);
                    targets.push(i64::from(id));
                }
                inputs.push(i64::from(seen));
            }
            inputs.push(i64::from(last));
        }
        let n_tokens = chosen.len();
        let n_filled = n_tokens.max(1).next_multiple_of(BLOCK);
        chosen.resize(n_filled, 0);
        targets.resize(n_filled, 0);
        let filling: Vec<bool> = (0..n_filled).map(|i| i >= n_tokens).collect();
        MaskedBatch {
            n_tokens,
            inputs: Tensor::from_data(TensorData::new(inputs, shape), device),
            chosen: Tensor::from_data(TensorData::new(chosen, [n_filled]), device),
            targets: Tensor::from_data(TensorData::new(targets, [1, n_filled]), device),
            filling: Tensor::from_data(TensorData::new(filling, [1, n_filled]), device),
        }
    }

    /// What is seen of a token, and whether it is to be guessed.
    fn hide(&self, id: TokenId, rng: &mut ChaCha8Rng) -> (TokenId, bool) {
        let MaskTokens {
            mask,
            first_random,
            vocab,
            ..
        } = self.tokens;
        if id < first_random || !rng.random_bool(CHOSEN) {
            return (id, false);
        }
        let seen = if rng.random_bool(MASKED) {
            mask
        } else if rng.random_bool(RANDOM) {
            rng.random_range(first_random..(vocab as TokenId).max(first_random + 1))
        } else {
            id
        };
        (seen, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    const TOKENS: MaskTokens = MaskTokens {
        first: 1,
        last: 2,
        mask: 3,
        first_random: 4,
        vocab: 100,
    };

    fn windows(shape: WindowShape) -> MaskedWindows {
        let ids = (0..2000).map(|i| 4 + i % 96).collect();
        MaskedWindows::new(ids, shape, TOKENS).expect("long enough")
    }

    fn ids(tensor: &Tensor<Flex, 2, Int>) -> Vec<i64> {
        tensor.to_data().iter().collect()
    }

    #[test]
    fn tokens_are_hidden_as_often_as_the_paper_says() {
        let windows = windows(WindowShape {
            batch: 200,
            seq: 102,
        });
        let batch = windows.random::<Flex>(5, 7, Share::WHOLE, &Default::default());
        let batch = batch.expect("rows");
        let inputs = ids(&batch.inputs);
        let is_edge = |i: usize| [0, 101].contains(&(i % 102));
        for (i, &seen) in inputs.iter().enumerate() {
            assert_eq!(is_edge(i), seen < 3, "{i}");
        }
        let (places, targets) = (batch.chosen.to_data(), ids(&batch.targets));
        let (mut masked, mut same, mut text) = (0, 0, inputs.clone());
        for (place, &id) in places.iter::<i64>().zip(&targets).take(batch.n_tokens) {
            let seen = inputs[place as usize];
            assert!(seen >= 3 && !is_edge(place as usize));
            text[place as usize] = id;
            masked += usize::from(seen == 3);
            same += usize::from(seen == id);
        }
        let chosen = batch.n_tokens;
        let filling: Vec<bool> = batch.filling.to_data().iter().collect();
        assert!(filling.len().is_multiple_of(32) && filling.len() < chosen + 32);
        assert_eq!(filling.iter().filter(|&&fills| !fills).count(), chosen);
        // With what stands under the masks it is the text, which counts up.
        for row in text.chunks(102) {
            let counts_up = |two: &[i64]| two[1] == 4 + (two[0] - 3) % 96;
            assert!(row[1..101].windows(2).all(counts_up), "{row:?}");
        }
        // Of 20,000: within four standard deviations.
        let near = |found: usize, of: usize, rate: f64| {
            let (found, expected) = (found as f64, of as f64 * rate);
            (found - expected).abs() < 4.0 * (expected * (1.0 - rate)).sqrt()
        };
        assert!(near(chosen, 20_000, 0.15), "{chosen}");
        assert!(near(masked, chosen, 0.8), "{masked} of {chosen}");
        assert!(near(same, chosen, 0.1 + 0.1 / 96.0), "{same} of {chosen}");
    }

    #[test]
    fn a_step_has_its_masks_whenever_it_is_asked() {
        let windows = windows(WindowShape { batch: 4, seq: 34 });
        let device = Default::default();
        let of = |seed, step, share| {
            let batch = windows.random::<Flex>(seed, step, share, &device);
            ids(&batch.expect("rows").inputs)
        };
        let inputs = |seed, step| of(seed, step, Share::WHOLE);
        let (whole, second) = (inputs(1, 3), of(1, 3, Share::new(1, 2)));
        assert_eq!([&whole[34..68], &whole[102..]].concat(), second);
        assert_eq!(inputs(1, 3), inputs(1, 3));
        assert_ne!(inputs(1, 3), inputs(1, 4));
        assert_ne!(inputs(1, 3), inputs(2, 3));
        let all = || {
            let batches = windows.all::<Flex>(&device);
            batches.map(|batch| ids(&batch.inputs)).collect::<Vec<_>>()
        };
        assert_eq!(all(), all());
        // 62 windows of 32 in 2000 tokens, four a batch.
        assert_eq!(all().len(), 16);
        let n_rows: usize = all().iter().map(|batch| batch.len() / 34).sum();
        assert_eq!(n_rows, 62);
    }

    #[test]
    fn what_makes_no_window_is_refused() {
        let new = |batch, seq| {
            MaskedWindows::new(vec![5; 10], WindowShape { batch, seq }, TOKENS).map(|_| ())
        };
        assert_eq!(new(1, 12), Ok(()));
        assert!(matches!(new(1, 13), Err(BatchError::TooShort { .. })));
        assert!(matches!(new(1, 2), Err(BatchError::Zero { .. })));
        assert!(matches!(new(0, 12), Err(BatchError::Zero { .. })));
    }
}
