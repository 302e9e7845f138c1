//! Speech recognition: an encoder reads frames of sound, a decoder writes text.
//!
//! Wang et al. 2020 <https://arxiv.org/abs/2010.05171>: a convolutional stem that subsamples time, then the
//! encoder-decoder Transformer with its norms before the branches.

use crate::attention_map::{AttentionSize, CrossAttention};
use crate::autoregressive::{Autoregressive, Conditional};
use crate::embedding::{EmbeddingConfig, Head, TokenEmbedding};
use crate::encoder_decoder::{EncoderDecoder, EncoderDecoderConfig, TransformerState};
use crate::error::ConfigError;
use crate::frames::{FrameEmbedding, FrameEmbeddingConfig};
use crate::gpt::same_width;
use crate::initialisation::{Initialisation, linear, materialise};
use crate::positions::PositionEncoding;
use crate::stack_config::{StackConfig, StackSize};
use crate::{Activation, projection::project};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// What a [`SpeechToText`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechToTextConfig {
    /// Frames and their positions.
    pub frames: FrameEmbeddingConfig,
    /// The target's tokens and positions.
    pub embedding: EmbeddingConfig,
    /// The layers that read the sound.
    pub encoder: StackConfig,
    /// The layers that write the text.
    pub decoder: StackConfig,
    /// Whether the head shares the token embedding's matrix.
    pub tied: bool,
    /// Whether the encoder has a head of its own, for [`ctc_loss`](crate::ctc_loss) and
    /// [`SpeechWriter`](crate::SpeechWriter).
    #[serde(default)]
    pub ctc: bool,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

impl SpeechToTextConfig {
    /// Speech2Text's choices in the given size: two convolutions over five frames, norm before each branch, ReLU,
    /// fairseq's sinusoids.
    pub fn speech2text(
        vocab: usize,
        n_mels: usize,
        [max_source_positions, max_positions]: [usize; 2],
        size: StackSize,
    ) -> Self {
        let encoder = StackConfig {
            activation: Activation::Relu,
            ..StackConfig::pre_norm(size)
        };
        let positions = PositionEncoding::Fairseq { first: 2 };
        Self {
            frames: FrameEmbeddingConfig {
                n_mels,
                d_hidden: 4 * size.d_model,
                kernels: vec![5, 5],
                d_model: size.d_model,
                max_positions: max_source_positions,
                positions,
                scale: true,
                dropout: 0.0,
            },
            embedding: EmbeddingConfig {
                vocab,
                d_model: size.d_model,
                max_positions,
                positions,
                scale: true,
                dropout: 0.0,
            },
            decoder: StackConfig {
                cross_attention: true,
                ..encoder.clone()
            },
            encoder,
            tied: true,
            ctc: false,
            initialisation: Initialisation::Xavier,
        }
    }

    /// One and one layer, 16 wide, 8 mels, 16 and 32 positions: for tests and first steps.
    pub fn tiny(vocab: usize) -> Self {
        let size = StackSize {
            d_model: 16,
            n_heads: 2,
            n_layers: 1,
        };
        Self::speech2text(vocab, 8, [16, 32], size)
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.frames.validate()?;
        self.embedding.validate()?;
        self.stacks().validate()?;
        let d_model = self.embedding.d_model;
        same_width("frames.d_model", self.frames.d_model, d_model)?;
        same_width("encoder.d_model", self.encoder.d_model, d_model)
    }

    fn stacks(&self) -> EncoderDecoderConfig {
        EncoderDecoderConfig {
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            initialisation: self.initialisation,
        }
    }

    /// A model with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> SpeechToText<B> {
        materialise(self.skeleton(device))
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> SpeechToText<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let [vocab, d_model] = [self.embedding.vocab, self.embedding.d_model];
        let initialisers = self
            .initialisation
            .initialisers(d_model, self.decoder.n_layers);
        SpeechToText {
            frames: self.frames.init(&initialisers, device),
            embedding: self.embedding.init(&initialisers, device),
            stacks: self.stacks().skeleton(device),
            head: Head::new([vocab, d_model], self.tied, false, &initialisers, device),
            ctc_head: self
                .ctc
                .then(|| linear([d_model, vocab], true, &initialisers.inner, device)),
        }
    }
}

/// An encoder-decoder Transformer from frames of sound to tokens.
#[derive(Module, Debug)]
pub struct SpeechToText<B: Backend> {
    frames: FrameEmbedding<B>,
    embedding: TokenEmbedding<B>,
    stacks: EncoderDecoder<B>,
    head: Head<B>,
    ctc_head: Option<Linear<B>>,
}

impl<B: Backend> SpeechToText<B> {
    /// Numbers a frame.
    pub fn n_mels(&self) -> usize {
        self.frames.n_mels()
    }

    /// How many vectors the encoder makes of so many frames.
    pub fn source_seq(&self, n_frames: usize) -> usize {
        self.frames.seq(n_frames)
    }

    /// Whether the encoder has a head of its own.
    pub fn has_ctc(&self) -> bool {
        self.ctc_head.is_some()
    }

    /// Reads the sound.
    ///
    /// - `frames`: `[batch, n_frames, n_mels]`
    /// - `padding_mask`: `[batch, n_frames]`, padding at the end of rows
    /// - returns what was read, and what of it is padding
    pub fn encode(
        &self,
        frames: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Encoded<B> {
        let padding_mask = padding_mask.map(|mask| self.frames.subsampled(mask));
        let vectors = self.frames.forward(frames);
        Encoded {
            vectors: self.stacks.encode(vectors, padding_mask.clone()),
            padding_mask,
        }
    }

    /// What the encoder alone hears at each of its vectors; none without a head for it.
    ///
    /// - returns `[batch, source_seq, vocab]`
    pub fn ctc_logits(&self, encoded: &Encoded<B>) -> Option<Tensor<B, 3>> {
        let head = self.ctc_head.as_ref()?;
        Some(project(head, encoded.vectors.clone()))
    }

    /// The decoder's state before the first token.
    pub(crate) fn start_from(&self, encoded: Encoded<B>) -> TransformerState<B> {
        self.stacks
            .start_from(encoded.vectors, encoded.padding_mask)
    }

    /// Predicts behind every position of the target.
    ///
    /// - `target`: `[batch, target_seq]`, starting with the start token; padding belongs at the end
    /// - returns `[batch, target_seq, vocab]`
    pub fn write(&self, encoded: Encoded<B>, target: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        let target = self.embedding.forward(target, 0, &[0]);
        let written = self
            .stacks
            .write(encoded.vectors, target, encoded.padding_mask);
        self.logits(written)
    }
}

/// What an encoder has read.
#[derive(Debug, Clone)]
pub struct Encoded<B: Backend> {
    /// `[batch, source_seq, d_model]`
    pub vectors: Tensor<B, 3>,
    /// `[batch, source_seq]`
    pub padding_mask: Option<Tensor<B, 2, Bool>>,
}

/// # Panics
/// If a side exceeds the model's positions.
impl<B: Backend> Conditional<B> for SpeechToText<B> {
    /// `[batch, n_frames, n_mels]`
    type Source = Tensor<B, 3>;

    fn start(
        &self,
        frames: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> TransformerState<B> {
        self.start_from(self.encode(frames, padding_mask))
    }

    fn forward(
        &self,
        frames: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
    ) -> Tensor<B, 3> {
        self.write(self.encode(frames, padding_mask), target)
    }

    fn source_size(&self) -> usize {
        self.n_mels()
    }

    fn max_source_positions(&self) -> usize {
        self.frames.max_frames()
    }
}

impl<B: Backend> CrossAttention<B> for SpeechToText<B> {
    fn cross_attention_size(&self) -> AttentionSize {
        self.stacks.attention_size()
    }

    fn cross_attention(
        &self,
        frames: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
    ) -> Vec<Tensor<B, 4>> {
        let encoded = self.encode(frames, padding_mask);
        let target = self.embedding.forward(target, 0, &[0]);
        let maps = self
            .stacks
            .attention_maps(encoded.vectors, target, encoded.padding_mask);
        maps.cross_attention
    }
}

impl<B: Backend> Autoregressive<B> for SpeechToText<B> {
    type State = TransformerState<B>;

    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut TransformerState<B>) -> Tensor<B, 3> {
        self.stacks.step(&self.embedding, tokens, state)
    }

    fn logits(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        self.head.forward(hidden, &self.embedding)
    }

    fn vocab(&self) -> usize {
        self.embedding.vocab()
    }

    fn max_positions(&self) -> usize {
        self.embedding.max_positions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodingState, TestBackend};
    use burn::tensor::{Distribution, Tolerance, s};

    fn model() -> SpeechToText<TestBackend> {
        TestBackend::seed(&Default::default(), 7);
        let config = SpeechToTextConfig {
            ctc: true,
            ..SpeechToTextConfig::tiny(11)
        };
        config.init(&Default::default())
    }

    fn frames(batch: usize, n: usize) -> Tensor<TestBackend, 3> {
        let normal = Distribution::Normal(0.0, 1.0);
        Tensor::random([batch, n, 8], normal, &Default::default())
    }

    fn target() -> Tensor<TestBackend, 2, Int> {
        Tensor::from_ints([[1, 5, 3, 9], [1, 2, 2, 4]], &Default::default())
    }

    #[test]
    fn stepping_is_one_full_pass() {
        let (model, frames) = (model(), frames(2, 21));
        let mut mask = vec![false; 42];
        mask[35..].fill(true);
        let mask = burn::tensor::TensorData::new(mask, [2, 21]);
        let mask = Tensor::<TestBackend, 2, Bool>::from_data(mask, &Default::default());
        let whole = model.forward(frames.clone(), Some(mask.clone()), target());
        let mut state = model.start(frames, Some(mask));
        let steps = (0..4).map(|i| model.step(target().narrow(1, i, 1), &mut state));
        let stepped = Tensor::cat(steps.collect(), 1);
        assert_eq!(state.n_past(), 4);
        let tolerance = Tolerance::absolute(1e-4);
        let (stepped, whole) = (stepped.into_data(), whole.into_data());
        stepped.assert_approx_eq::<f32>(&whole, tolerance);
    }

    #[test]
    fn what_is_far_behind_the_end_changes_nothing() {
        let (model, one) = (model(), frames(1, 30));
        // Up to frame 16 is seen; the last vector's kernels end six frames on.
        let other = Tensor::cat(vec![one.clone().slice(s![.., ..23, ..]), frames(1, 7)], 1);
        let mut mask = vec![false; 30];
        mask[16..].fill(true);
        let mask = burn::tensor::TensorData::new(mask, [1, 30]);
        let mask = Tensor::<TestBackend, 2, Bool>::from_data(mask, &Default::default());
        let read = |frames| {
            let target = target().slice(s![..1, ..]);
            model
                .forward(frames, Some(mask.clone()), target)
                .into_data()
        };
        let tolerance = Tolerance::absolute(1e-5);
        read(one).assert_approx_eq::<f32>(&read(other), tolerance);
    }

    #[test]
    fn the_encoders_own_head_speaks_once_a_vector() {
        let model = model();
        let encoded = model.encode(frames(2, 21), None);
        let logits = model.ctc_logits(&encoded).expect("a head");
        assert_eq!(logits.dims(), [2, model.source_seq(21), 11]);
        assert_eq!(model.max_source_positions(), 64);
    }
}
