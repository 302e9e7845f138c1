//! Recordings with their transcripts as batches of similar length.

use crate::buckets::{BatchSize, Buckets};
use crate::content::{self, See};
use crate::error::BatchError;
use crate::noise::SpectrogramMasks;
use crate::padding::pad_right;
use crate::pairs::{PairTokens, shift_right};
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};
use hearth_data::{Frames, TokenId};

/// A recording as features, and what is said in it as ids, which end as their tokenizer ends them, with an end token.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechIds {
    /// What is heard.
    pub frames: Frames,
    /// What is to be written.
    pub target: Vec<TokenId>,
}

/// Frames of several recordings as one block.
#[derive(Debug, Clone)]
pub struct PaddedFrames<B: Backend> {
    /// `[batch, n_frames, n_mels]`, zeros behind the end of a recording.
    pub frames: Tensor<B, 3>,
    /// `[batch, n_frames]`, true where a frame is padding; none where nothing is.
    pub padding_mask: Option<Tensor<B, 2, Bool>>,
}

/// Pads behind the recordings.
///
/// # Panics
/// If recordings differ in their number of mels.
pub fn pad_frames<B: Backend>(recordings: &[&Frames], device: &B::Device) -> PaddedFrames<B> {
    let longest = recordings.iter().map(|frames| frames.n_frames()).max();
    let (batch, seq) = (recordings.len(), longest.unwrap_or(0));
    let n_mels = recordings.first().map_or(0, |frames| frames.n_mels);
    let mut values = Vec::with_capacity(batch * seq * n_mels);
    let mut hidden = Vec::with_capacity(batch * seq);
    for frames in recordings {
        assert_eq!(frames.n_mels, n_mels, "mels of recordings in one batch");
        let n_frames = frames.n_frames();
        values.extend_from_slice(&frames.values);
        values.extend(std::iter::repeat_n(0.0, (seq - n_frames) * n_mels));
        hidden.extend(std::iter::repeat_n(false, n_frames));
        hidden.extend(std::iter::repeat_n(true, seq - n_frames));
    }
    let padding_mask = hidden
        .contains(&true)
        .then(|| Tensor::from_data(TensorData::new(hidden, [batch, seq]), device));
    PaddedFrames {
        frames: Tensor::from_data(TensorData::new(values, [batch, seq, n_mels]), device),
        padding_mask,
    }
}

/// A batch of recordings for a model of speech.
#[derive(Debug, Clone)]
pub struct SpeechBatch<B: Backend> {
    /// `[batch, n_frames, n_mels]`
    pub frames: Tensor<B, 3>,
    /// `[batch, n_frames]`
    pub frames_padding: Option<Tensor<B, 2, Bool>>,
    /// Frames of each recording.
    pub n_frames: Vec<usize>,
    /// `[batch, target_seq]`: the start token, then the targets but the last.
    pub inputs: Tensor<B, 2, Int>,
    /// `[batch, target_seq]`
    pub targets: Tensor<B, 2, Int>,
    /// `[batch, target_seq]`
    pub target_padding: Option<Tensor<B, 2, Bool>>,
    /// How many targets are not padding.
    pub n_tokens: usize,
    /// Each target without its end token: what is heard, in order.
    pub heard: Vec<Vec<TokenId>>,
}

/// Recordings as a supply of batches; an epoch's order is a function of the seed and the epoch.
#[derive(Debug, Clone)]
pub struct SpeechBatches {
    utterances: Vec<SpeechIds>,
    buckets: Buckets,
    tokens: PairTokens,
    masks: Option<SpectrogramMasks>,
}

impl SpeechBatches {
    /// # Errors
    /// If there is no recording, or the batch size is zero.
    pub fn new(
        utterances: Vec<SpeechIds>,
        size: BatchSize,
        tokens: PairTokens,
    ) -> Result<Self, BatchError> {
        if utterances.is_empty() {
            return Err(BatchError::NoRecordings);
        }
        let lengths = utterances
            .iter()
            .map(|one| [one.frames.n_frames(), one.target.len()]);
        let buckets = Buckets::new(lengths.collect(), size)?;
        Ok(Self {
            utterances,
            buckets,
            tokens,
            masks: None,
        })
    }

    /// The same, with blots each time they are drawn.
    pub fn with_masks(self, masks: SpectrogramMasks) -> Self {
        Self {
            masks: Some(masks),
            ..self
        }
    }

    /// The recordings.
    pub fn utterances(&self) -> &[SpeechIds] {
        &self.utterances
    }

    /// What fills texts up; the blank of [`SpeechBatch::heard`].
    pub fn pad(&self) -> TokenId {
        self.tokens.pad
    }

    /// Shows all of it as bytes: for a hash that tells whether it is the same data.
    pub fn content(&self, see: &mut See<'_>) {
        content::count(self.utterances.len(), see);
        for SpeechIds { frames, target } in &self.utterances {
            content::count(frames.n_mels, see);
            content::numbers(&frames.values, see);
            content::ids(target, see);
        }
    }

    /// The batches of an epoch, as indices into the recordings. Every recording is in exactly one.
    pub fn epoch(&self, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
        self.buckets.epoch(seed, epoch)
    }

    /// All recordings once, by length: for validation.
    pub fn all(&self) -> Vec<Vec<usize>> {
        self.buckets.all()
    }

    /// The tensors of some recordings.
    ///
    /// - `draw`: the seed of what is blotted out in them; none to have them as they are
    pub fn batch<B: Backend>(
        &self,
        indices: &[usize],
        draw: Option<u64>,
        device: &B::Device,
    ) -> SpeechBatch<B> {
        let utterances = || indices.iter().map(|&i| &self.utterances[i]);
        let blotted = self.masks.zip(draw).map(|(masks, draw)| {
            let blot = |&i: &usize| masks.blot(&self.utterances[i].frames, draw, i);
            indices.iter().map(blot).collect::<Vec<_>>()
        });
        let frames: Vec<&Frames> = match &blotted {
            Some(blotted) => blotted.iter().collect(),
            None => utterances().map(|one| &one.frames).collect(),
        };
        let targets: Vec<&[TokenId]> = utterances().map(|one| one.target.as_slice()).collect();
        let inputs = targets.iter();
        let inputs: Vec<_> = inputs
            .map(|target| shift_right(target, self.tokens.start))
            .collect();
        let heard = targets.iter();
        let heard = heard.map(|target| target[..target.len().saturating_sub(1)].to_vec());
        let padded = pad_frames(&frames, device);
        let target = pad_right::<B, _>(&targets, self.tokens.pad, device);
        SpeechBatch {
            n_frames: frames.iter().map(|frames| frames.n_frames()).collect(),
            frames: padded.frames,
            frames_padding: padded.padding_mask,
            inputs: pad_right::<B, _>(&inputs, self.tokens.pad, device).tokens,
            heard: heard.collect(),
            targets: target.tokens,
            target_padding: target.padding_mask,
            n_tokens: targets.iter().map(|target| target.len()).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    fn utterance(n_frames: usize, target: &[TokenId]) -> SpeechIds {
        let values = (0..2 * n_frames).map(|i| i as f32).collect();
        SpeechIds {
            frames: Frames { n_mels: 2, values },
            target: target.to_vec(),
        }
    }

    #[test]
    fn frames_and_texts_are_padded_behind_their_ends() {
        let utterances = vec![utterance(1, &[7, 2]), utterance(3, &[8, 9, 2])];
        let tokens = PairTokens { start: 2, pad: 1 };
        let batches = SpeechBatches::new(utterances, BatchSize::Pairs(2), tokens);
        let batches = batches.expect("recordings");
        assert_eq!(batches.all(), [[0, 1]]);
        let batch = batches.batch::<Flex>(&[0, 1], None, &Default::default());
        let floats: Vec<f32> = batch.frames.into_data().iter().collect();
        assert_eq!(floats, [0., 1., 0., 0., 0., 0., 0., 1., 2., 3., 4., 5.]);
        let hidden: Vec<bool> = batch
            .frames_padding
            .expect("padding")
            .into_data()
            .iter()
            .collect();
        assert_eq!(hidden, [false, true, true, false, false, false]);
        assert_eq!(batch.n_frames, [1, 3]);
        let ids =
            |tensor: Tensor<Flex, 2, Int>| -> Vec<i64> { tensor.into_data().iter().collect() };
        assert_eq!(ids(batch.inputs), [2, 7, 1, 2, 8, 9]);
        assert_eq!(ids(batch.targets), [7, 2, 1, 8, 9, 2]);
        assert_eq!(batch.heard, [vec![7], vec![8, 9]]);
        assert_eq!(batch.n_tokens, 5);
    }

    #[test]
    fn nothing_makes_no_batch() {
        let tokens = PairTokens { start: 2, pad: 1 };
        let error = SpeechBatches::new(vec![], BatchSize::Pairs(2), tokens).expect_err("nothing");
        assert_eq!(error, BatchError::NoRecordings);
    }
}
