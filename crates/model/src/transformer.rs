//! The encoder-decoder Transformer. Vaswani et al. 2017 <https://arxiv.org/abs/1706.03762>.

use crate::attention_map::{AttentionSize, CrossAttention};
use crate::autoregressive::{Autoregressive, Conditional};
use crate::embedding::{EmbeddingConfig, Head, TokenEmbedding};
use crate::encoder_decoder::{EncoderDecoder, EncoderDecoderConfig, TransformerState};
use crate::error::ConfigError;
use crate::gpt::same_width;
use crate::initialisation::{Initialisation, materialise};
use crate::positions::PositionEncoding;
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

impl<B: Backend> CrossAttention<B> for Transformer<B> {
    fn cross_attention_size(&self) -> AttentionSize {
        self.stacks.attention_size()
    }

    fn cross_attention(
        &self,
        source: Tensor<B, 2, Int>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
    ) -> Vec<Tensor<B, 4>> {
        let source = self.embedding.forward(source, 0, &[0]);
        let target = self.embedding.forward(target, 0, &[0]);
        let encoded = self.stacks.encode(source, padding_mask.clone());
        let maps = self.stacks.attention_maps(encoded, target, padding_mask);
        maps.cross_attention
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
