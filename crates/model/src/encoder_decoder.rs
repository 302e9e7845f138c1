//! The two stacks of an encoder-decoder, over vectors: what `torch.nn.Transformer` is. Vaswani et al. 2017, §3.1
//! <https://arxiv.org/abs/1706.03762>.

use crate::attention_map::{AttentionMaps, AttentionSize};
use crate::autoregressive::DecodingState;
use crate::embedding::TokenEmbedding;
use crate::error::{ConfigError, cross_attention};
use crate::gpt::same_width;
use crate::initialisation::{Initialisation, materialise};
use crate::mask::Mask;
use crate::stack::{Stack, StackState};
use crate::stack_config::{StackConfig, StackSize};
use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

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
        let memory = self.decoder.memory(encoded, padding_mask);
        self.decoder
            .forward(target.clone(), &look_back(&target), Some(&memory))
    }

    /// Where the decoder looks as it does what [`write`](Self::write) does.
    pub(crate) fn attention_maps(
        &self,
        encoded: Tensor<B, 3>,
        target: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> AttentionMaps<B> {
        let memory = self.decoder.memory(encoded, padding_mask);
        self.decoder
            .attention_maps(target.clone(), &look_back(&target), Some(&memory))
    }

    /// How many maps the decoder has of either kind.
    pub(crate) fn attention_size(&self) -> AttentionSize {
        self.decoder.attention_size()
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

/// Each position of a target sees those up to itself.
fn look_back<B: Backend>(target: &Tensor<B, 3>) -> Mask<B> {
    let [_, target_seq, _] = target.dims();
    Mask::causal(target_seq, target_seq, &target.device())
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
