//! The encoder-decoder Transformer. Vaswani et al. 2017 <https://arxiv.org/abs/1706.03762>.

use crate::autoregressive::{Autoregressive, Conditional, DecodingState};
use crate::embedding::{EmbeddingConfig, Head, TokenEmbedding};
use crate::error::{ConfigError, cross_attention};
use crate::gpt::same_width;
use crate::initialisation::{Initialisation, materialise};
use crate::mask::Mask;
use crate::positions::PositionEncoding;
use crate::stack::{Stack, StackState};
use crate::stack_config::{StackConfig, StackSize};
use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// What a [`Transformer`] is made from. Source and target share one vocabulary and one embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Tokens and positions of both sides.
    pub embedding: EmbeddingConfig,
    /// The layers that read the source.
    pub encoder: StackConfig,
    /// The layers that write the target.
    pub decoder: StackConfig,
    /// Whether the head shares the token embedding's matrix.
    pub tied: bool,
    /// Whether the head adds a bias to the logits.
    pub logits_bias: bool,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

impl TransformerConfig {
    /// The paper's choices in the given size, with the head tied to the embedding: norm after each branch, ReLU,
    /// sinusoidal positions.
    pub fn vaswani(vocab: usize, max_positions: usize, size: StackSize) -> Self {
        let encoder = StackConfig::post_norm(size);
        Self {
            embedding: EmbeddingConfig {
                vocab,
                d_model: size.d_model,
                max_positions,
                positions: PositionEncoding::Sinusoidal,
                scale: true,
                dropout: 0.0,
            },
            decoder: StackConfig {
                cross_attention: true,
                ..encoder.clone()
            },
            encoder,
            tied: true,
            logits_bias: true,
            initialisation: Initialisation::Xavier,
        }
    }

    /// Two and two layers, 16 wide, 32 positions: for tests and first steps.
    pub fn tiny(vocab: usize) -> Self {
        let size = StackSize {
            d_model: 16,
            n_heads: 2,
            n_layers: 2,
        };
        Self::vaswani(vocab, 32, size)
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.embedding.validate()?;
        self.stacks().validate()?;
        let (found, expected) = (self.encoder.d_model, self.embedding.d_model);
        same_width("encoder.d_model", found, expected)
    }

    /// The two stacks between stem and head.
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
    pub fn init<B: Backend>(&self, device: &B::Device) -> Transformer<B> {
        materialise(self.skeleton(device))
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> Transformer<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let size = [self.embedding.vocab, self.embedding.d_model];
        let initialisers = self
            .initialisation
            .initialisers(size[1], self.decoder.n_layers);
        Transformer {
            embedding: self.embedding.init(&initialisers, device),
            stacks: self.stacks().skeleton(device),
            head: Head::new(size, self.tied, self.logits_bias, &initialisers, device),
        }
    }
}

/// What an [`EncoderDecoder`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderDecoderConfig {
    /// The layers that read the source.
    pub encoder: StackConfig,
    /// The layers that write the target.
    pub decoder: StackConfig,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

impl EncoderDecoderConfig {
    /// `torch.nn.Transformer`'s choices in the given size: norm after each branch and after each stack, ReLU.
    pub fn torch(size: StackSize) -> Self {
        let encoder = StackConfig {
            final_norm: true,
            ..StackConfig::post_norm(size)
        };
        Self {
            decoder: StackConfig {
                cross_attention: true,
                ..encoder.clone()
            },
            encoder,
            initialisation: Initialisation::Xavier,
        }
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.encoder.validate()?;
        self.decoder.validate()?;
        cross_attention(
            "encoder.cross_attention",
            self.encoder.cross_attention,
            false,
        )?;
        cross_attention(
            "decoder.cross_attention",
            self.decoder.cross_attention,
            true,
        )?;
        same_width(
            "decoder.d_model",
            self.decoder.d_model,
            self.encoder.d_model,
        )
    }

    /// Two stacks with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> EncoderDecoder<B> {
        materialise(self.skeleton(device))
    }

    /// Two stacks whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> EncoderDecoder<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        EncoderDecoder {
            encoder: self.encoder.init(self.initialisation, device),
            decoder: self.decoder.init(self.initialisation, device),
        }
    }
}

/// The two stacks between stem and head, over vectors: what `torch.nn.Transformer` is.
#[derive(Module, Debug)]
pub struct EncoderDecoder<B: Backend> {
    encoder: Stack<B>,
    decoder: Stack<B>,
}

impl<B: Backend> EncoderDecoder<B> {
    /// Width of the vectors.
    pub fn d_model(&self) -> usize {
        self.encoder.d_model()
    }

    /// Reads the source; every position sees every other that is not padding.
    ///
    /// - `source`: `[batch, source_seq, d_model]`
    /// - `padding_mask`: `[batch, source_seq]`
    /// - returns `[batch, source_seq, d_model]`
    pub fn encode(
        &self,
        source: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 3> {
        self.encoder
            .forward(source, &Mask::padding(padding_mask), None)
    }

    /// Reads the source and the target so far, which looks back causally.
    ///
    /// - `source`: `[batch, source_seq, d_model]`
    /// - `target`: `[batch, target_seq, d_model]`
    /// - `padding_mask`: `[batch, source_seq]`
    /// - returns `[batch, target_seq, d_model]`
    pub fn forward(
        &self,
        source: Tensor<B, 3>,
        target: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 3> {
        let encoded = self.encode(source, padding_mask.clone());
        self.write(encoded, target, padding_mask)
    }

    /// Reads what [`encode`](Self::encode) made and the target so far, which looks back causally.
    ///
    /// - `encoded`: `[batch, source_seq, d_model]`
    /// - `target`: `[batch, target_seq, d_model]`
    /// - `padding_mask`: `[batch, source_seq]`
    /// - returns `[batch, target_seq, d_model]`
    pub(crate) fn write(
        &self,
        encoded: Tensor<B, 3>,
        target: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 3> {
        let [_, target_seq, _] = target.dims();
        let mask = Mask::causal(target_seq, target_seq, &target.device());
        let memory = self.decoder.memory(encoded, padding_mask);
        self.decoder.forward(target, &mask, Some(&memory))
    }

    /// Reads the source; the state before the first position of the target.
    ///
    /// - `source`: `[batch, source_seq, d_model]`
    /// - `padding_mask`: `[batch, source_seq]`
    pub fn start(
        &self,
        source: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> TransformerState<B> {
        let encoded = self.encode(source, padding_mask.clone());
        self.start_from(encoded, padding_mask)
    }

    /// The state before the first position of the target, from what [`encode`](Self::encode) made.
    pub(crate) fn start_from(
        &self,
        encoded: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> TransformerState<B> {
        let ([batch, _, _], device) = (encoded.dims(), encoded.device());
        let memory = self.decoder.memory(encoded, padding_mask);
        TransformerState {
            stack: self.decoder.start(&vec![0; batch], Some(memory)),
            device,
        }
    }

    /// Feeds the decoder tokens of the target.
    pub(crate) fn step(
        &self,
        embedding: &TokenEmbedding<B>,
        tokens: Tensor<B, 2, Int>,
        state: &mut TransformerState<B>,
    ) -> Tensor<B, 3> {
        let stack = &mut state.stack;
        let x = embedding.forward(tokens, stack.n_past(), stack.n_hidden());
        self.decoder.step(x, stack)
    }
}

/// An encoder-decoder Transformer over tokens.
#[derive(Module, Debug)]
pub struct Transformer<B: Backend> {
    embedding: TokenEmbedding<B>,
    stacks: EncoderDecoder<B>,
    head: Head<B>,
}

/// # Panics
/// If a side exceeds the model's positions.
impl<B: Backend> Conditional<B> for Transformer<B> {
    type Source = Tensor<B, 2, Int>;

    fn start(
        &self,
        source: Tensor<B, 2, Int>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> TransformerState<B> {
        let source = self.embedding.forward(source, 0, &[0]);
        self.stacks.start(source, padding_mask)
    }

    fn forward(
        &self,
        source: Tensor<B, 2, Int>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
    ) -> Tensor<B, 3> {
        let source = self.embedding.forward(source, 0, &[0]);
        let target = self.embedding.forward(target, 0, &[0]);
        self.logits(self.stacks.forward(source, target, padding_mask))
    }
}

/// The encoded source and the target's past.
#[derive(Debug, Clone)]
pub struct TransformerState<B: Backend> {
    stack: StackState<B>,
    device: B::Device,
}

impl<B: Backend> DecodingState for TransformerState<B> {
    fn n_past(&self) -> usize {
        self.stack.n_past()
    }

    fn reorder(&mut self, rows: &[usize]) {
        self.stack.reorder(rows, &self.device);
    }
}

impl<B: Backend> Autoregressive<B> for Transformer<B> {
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
