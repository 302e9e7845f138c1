//! The decoder-only Transformer. Radford et al. 2018, 2019.

use crate::attention_map::{AttentionSize, SelfAttention};
use crate::autoregressive::{Autoregressive, DecodingState, LanguageModel};
use crate::embedding::{EmbeddingConfig, Head, TokenEmbedding};
use crate::error::{ConfigError, cross_attention};
use crate::initialisation::{Initialisation, materialise};
use crate::mask::Mask;
use crate::positions::PositionEncoding;
use crate::stack::{Stack, StackState};
use crate::stack_config::{StackConfig, StackSize};
use burn::module::Module;
use burn::tensor::{Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// What a [`Gpt`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GptConfig {
    /// Tokens and positions.
    pub embedding: EmbeddingConfig,
    /// The layers.
    pub decoder: StackConfig,
    /// Whether the head shares the token embedding's matrix.
    pub tied: bool,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

impl GptConfig {
    /// GPT-2's choices in the given size.
    pub fn gpt2(vocab: usize, max_positions: usize, size: StackSize) -> Self {
        Self {
            embedding: EmbeddingConfig {
                vocab,
                d_model: size.d_model,
                max_positions,
                positions: PositionEncoding::Learned,
                scale: false,
                dropout: 0.0,
            },
            decoder: StackConfig::pre_norm(size),
            tied: true,
            initialisation: Initialisation::Gpt2,
        }
    }

    /// LLaMA's choices in the given size: see [`StackConfig::llama`]; a head of its own.
    pub fn llama(vocab: usize, max_positions: usize, size: StackSize) -> Self {
        let gpt2 = Self::gpt2(vocab, max_positions, size);
        Self {
            embedding: EmbeddingConfig {
                positions: PositionEncoding::None,
                ..gpt2.embedding
            },
            decoder: StackConfig::llama(size),
            tied: false,
            ..gpt2
        }
    }

    /// Two layers, 16 wide, 32 positions: for tests and first steps.
    pub fn tiny(vocab: usize) -> Self {
        let size = StackSize {
            d_model: 16,
            n_heads: 2,
            n_layers: 2,
        };
        Self::gpt2(vocab, 32, size)
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.embedding.validate()?;
        self.decoder.validate()?;
        cross_attention(
            "decoder.cross_attention",
            self.decoder.cross_attention,
            false,
        )?;
        same_width(
            "embedding.d_model",
            self.embedding.d_model,
            self.decoder.d_model,
        )
    }

    /// A model with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Gpt<B> {
        materialise(self.skeleton(device))
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> Gpt<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let size = [self.embedding.vocab, self.embedding.d_model];
        let initialisers = self
            .initialisation
            .initialisers(size[1], self.decoder.n_layers);
        Gpt {
            embedding: self.embedding.init(&initialisers, device),
            decoder: self.decoder.init(self.initialisation, device),
            head: Head::new(size, self.tied, false, &initialisers, device),
        }
    }
}

/// Refuses parts of a model that are not as wide as the rest.
pub(crate) fn same_width(
    field: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), ConfigError> {
    if found == expected {
        return Ok(());
    }
    Err(ConfigError::Width {
        field,
        found,
        expected,
    })
}

/// A decoder-only Transformer language model.
#[derive(Module, Debug)]
pub struct Gpt<B: Backend> {
    embedding: TokenEmbedding<B>,
    decoder: Stack<B>,
    head: Head<B>,
}

impl<B: Backend> LanguageModel<B> for Gpt<B> {
    fn start(&self, n_hidden: &[usize]) -> GptState<B> {
        GptState {
            stack: self.decoder.start(n_hidden, None),
            device: self.devices().into_iter().next().unwrap_or_default(),
        }
    }

    /// # Panics
    /// If `seq` exceeds the model's positions.
    fn forward(&self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        let [_, seq] = tokens.dims();
        let mask = Mask::causal(seq, seq, &tokens.device());
        let x = self.embedding.forward(tokens, 0, &[0]);
        self.logits(self.decoder.forward(x, &mask, None))
    }
}

impl<B: Backend> SelfAttention<B> for Gpt<B> {
    fn self_attention_size(&self) -> AttentionSize {
        self.decoder.attention_size()
    }

    /// # Panics
    /// If `seq` exceeds the model's positions.
    fn self_attention(&self, tokens: Tensor<B, 2, Int>) -> Vec<Tensor<B, 4>> {
        let [_, seq] = tokens.dims();
        let mask = Mask::causal(seq, seq, &tokens.device());
        let x = self.embedding.forward(tokens, 0, &[0]);
        self.decoder.attention_maps(x, &mask, None).self_attention
    }
}

/// The past of a [`Gpt`].
#[derive(Debug, Clone)]
pub struct GptState<B: Backend> {
    stack: StackState<B>,
    device: B::Device,
}

impl<B: Backend> DecodingState for GptState<B> {
    fn n_past(&self) -> usize {
        self.stack.n_past()
    }

    fn reorder(&mut self, rows: &[usize]) {
        self.stack.reorder(rows, &self.device);
    }
}

impl<B: Backend> Autoregressive<B> for Gpt<B> {
    type State = GptState<B>;

    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut GptState<B>) -> Tensor<B, 3> {
        let stack = &mut state.stack;
        let x = self
            .embedding
            .forward(tokens, stack.n_past(), stack.n_hidden());
        self.decoder.step(x, stack)
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
