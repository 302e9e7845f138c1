//! Sentence pairs as batches of similar length.

use crate::buckets::{BatchSize, Buckets};
use crate::content::{self, See};
use crate::error::BatchError;
use crate::noise::TextNoise;
use crate::padding::{Padded, pad_right};
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use hearth_data::{TextIds, TokenId};

/// A source and its translation as ids. Both end as their tokenizer ends them, with an end-of-sentence token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairIds {
    /// What is read.
    pub source: TextIds,
    /// What is to be written.
    pub target: TextIds,
}

/// A batch of pairs for an encoder-decoder.
#[derive(Debug, Clone)]
pub struct PairBatch<B: Backend> {
    /// `[batch, source_seq]`
    pub source: Tensor<B, 2, Int>,
    /// `[batch, source_seq]`
    pub source_padding: Option<Tensor<B, 2, Bool>>,
    /// `[batch, target_seq]`: the start token, then the targets but the last.
    pub inputs: Tensor<B, 2, Int>,
    /// `[batch, target_seq]`
    pub targets: Tensor<B, 2, Int>,
    /// `[batch, target_seq]`
    pub target_padding: Option<Tensor<B, 2, Bool>>,
    /// How many targets are not padding.
    pub n_tokens: usize,
}

/// Sentence pairs as a supply of batches.
///
/// An epoch's order is a function of the seed and the epoch; a batch holds similar lengths.
#[derive(Debug, Clone)]
pub struct PairBatches {
    pairs: Vec<PairIds>,
    buckets: Buckets,
    tokens: PairTokens,
    noise: Option<TextNoise>,
}

/// The two tokens that an encoder-decoder is fed besides its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairTokens {
    /// What every target begins with (Hugging Face: `decoder_start_token_id`).
    pub start: TokenId,
    /// What fills short sequences up; hidden from the model.
    pub pad: TokenId,
}

impl PairBatches {
    /// # Errors
    /// If there is no pair, or the batch size is zero.
    pub fn new(
        pairs: Vec<PairIds>,
        size: BatchSize,
        tokens: PairTokens,
    ) -> Result<Self, BatchError> {
        if pairs.is_empty() {
            return Err(BatchError::NoPairs);
        }
        // Long targets cost more than long sources: they are sorted by first.
        let lengths = pairs
            .iter()
            .map(|PairIds { source, target }| [target.ids.len(), source.ids.len()]);
        let buckets = Buckets::new(lengths.collect(), size)?;
        Ok(Self {
            pairs,
            buckets,
            tokens,
            noise: None,
        })
    }

    /// The same, changed by this each time they are drawn: words are left out of sources only.
    pub fn with_noise(self, noise: TextNoise) -> Self {
        Self {
            noise: Some(noise),
            ..self
        }
    }

    /// The pairs.
    pub fn pairs(&self) -> &[PairIds] {
        &self.pairs
    }

    /// Shows all of it as bytes: for a hash that tells whether it is the same data.
    pub fn content(&self, see: &mut See<'_>) {
        content::count(self.pairs.len(), see);
        for PairIds { source, target } in &self.pairs {
            content::ids(&source.ids, see);
            content::ids(&target.ids, see);
        }
    }

    /// The batches of an epoch, as indices into the pairs. Every pair is in exactly one.
    pub fn epoch(&self, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
        self.buckets.epoch(seed, epoch)
    }

    /// All pairs once, by length: for validation.
    pub fn all(&self) -> Vec<Vec<usize>> {
        self.buckets.all()
    }

    /// The tensors of some pairs.
    ///
    /// - `draw`: the seed of what is changed at random in them; none to have them as they are
    pub fn batch<B: Backend>(
        &self,
        indices: &[usize],
        draw: Option<u64>,
        device: &B::Device,
    ) -> PairBatch<B> {
        let noise = self.noise.as_ref().zip(draw);
        let pairs = || indices.iter().map(|&i| (i, &self.pairs[i]));
        let source = |(i, pair): (usize, &PairIds)| match noise {
            Some((noise, draw)) => noise.read(&pair.source, draw, i),
            None => pair.source.ids.clone(),
        };
        let target = |(i, pair): (usize, &PairIds)| match noise {
            Some((noise, draw)) => noise.write(&pair.target, draw, i),
            None => pair.target.ids.clone(),
        };
        let sources: Vec<Vec<TokenId>> = pairs().map(source).collect();
        let targets: Vec<Vec<TokenId>> = pairs().map(target).collect();
        let inputs: Vec<Vec<TokenId>> = targets
            .iter()
            .map(|target| shift_right(target, self.tokens.start))
            .collect();
        let source: Padded<B> = pad_right(&sources, self.tokens.pad, device);
        let target: Padded<B> = pad_right(&targets, self.tokens.pad, device);
        PairBatch {
            source: source.tokens,
            source_padding: source.padding_mask,
            inputs: pad_right::<B, _>(&inputs, self.tokens.pad, device).tokens,
            targets: target.tokens,
            target_padding: target.padding_mask,
            n_tokens: targets.iter().map(|target| target.len()).sum(),
        }
    }
}

/// What a decoder has read when it is to write `target`: the start token and all but the last of it.
pub(crate) fn shift_right(target: &[TokenId], start: TokenId) -> Vec<TokenId> {
    let all_but_last = &target[..target.len().saturating_sub(1)];
    std::iter::once(start)
        .chain(all_but_last.iter().copied())
        .take(target.len())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    const TOKENS: PairTokens = PairTokens { start: 0, pad: 1 };

    fn batches(lengths: &[(usize, usize)], size: BatchSize) -> PairBatches {
        let pair = |(source, target): &(usize, usize)| PairIds {
            source: vec![7; *source].into(),
            target: vec![8; *target].into(),
        };
        PairBatches::new(lengths.iter().map(pair).collect(), size, TOKENS).expect("pairs")
    }

    fn many() -> Vec<(usize, usize)> {
        (0..500).map(|i| (1 + i * 7 % 13, 1 + i * 5 % 17)).collect()
    }

    #[test]
    fn an_epoch_holds_every_pair_once_and_another_epoch_holds_them_in_another_order() {
        for size in [BatchSize::Pairs(32), BatchSize::Tokens(100)] {
            let batches = batches(&many(), size);
            let epoch = batches.epoch(3, 0);
            let mut seen: Vec<usize> = epoch.iter().flatten().copied().collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..500).collect::<Vec<_>>());
            assert_eq!(epoch, batches.epoch(3, 0));
            assert_ne!(epoch, batches.epoch(3, 1));
        }
    }

    #[test]
    fn a_token_budget_is_kept_on_both_sides() {
        let lengths = many();
        for batch in batches(&lengths, BatchSize::Tokens(100)).epoch(0, 0) {
            let longest = batch
                .iter()
                .map(|&i| lengths[i].0.max(lengths[i].1))
                .max()
                .expect("a pair");
            assert!(batch.len() * longest <= 100, "{} x {longest}", batch.len());
        }
    }

    #[test]
    fn a_pair_beyond_the_budget_is_a_batch_of_its_own() {
        let batches = batches(&[(50, 50), (2, 2), (2, 2)], BatchSize::Tokens(10));
        assert_eq!(batches.all(), [vec![1, 2], vec![0]]);
    }

    #[test]
    fn the_decoder_reads_start_and_writes_the_target() {
        let pairs = vec![
            PairIds {
                source: vec![5, 2].into(),
                target: vec![6, 7, 2].into(),
            },
            PairIds {
                source: vec![5, 9, 2].into(),
                target: vec![8, 2].into(),
            },
        ];
        let batches = PairBatches::new(pairs, BatchSize::Pairs(2), TOKENS).expect("pairs");
        let batch = batches.batch::<Flex>(&[0, 1], None, &Default::default());
        let values =
            |tensor: Tensor<Flex, 2, Int>| -> Vec<i64> { tensor.into_data().iter().collect() };
        assert_eq!(values(batch.source), [5, 2, 1, 5, 9, 2]);
        assert_eq!(values(batch.inputs), [0, 6, 7, 0, 8, 1]);
        assert_eq!(values(batch.targets), [6, 7, 2, 8, 2, 1]);
        assert_eq!(batch.n_tokens, 5);
        let hidden: Vec<bool> = batch
            .target_padding
            .expect("padding")
            .into_data()
            .iter()
            .collect();
        assert_eq!(hidden, [false, false, false, false, false, true]);
    }

    #[test]
    fn words_are_left_out_of_what_is_read_and_only_where_there_is_a_draw() {
        let text = |ids: Vec<TokenId>| TextIds {
            words: (0..ids.len() as u32 - 1).map(|at| at..at + 1).collect(),
            ids,
        };
        let pair = PairIds {
            source: text((10..110).chain([2]).collect()),
            target: text((10..110).chain([2]).collect()),
        };
        let noise = TextNoise {
            word_dropout: 0.5,
            ..TextNoise::default()
        };
        let pairs = PairBatches::new(vec![pair], BatchSize::Pairs(1), TOKENS).expect("a pair");
        let pairs = pairs.with_noise(noise);
        let lengths = |draw| {
            let batch = pairs.batch::<Flex>(&[0], draw, &Default::default());
            (batch.source.dims()[1], batch.targets.dims()[1])
        };
        assert_eq!(lengths(None), (101, 101));
        let (source, target) = lengths(Some(1));
        // Five standard deviations.
        assert!((26..=76).contains(&source), "{source}");
        assert_eq!(target, 101);
    }
}
