//! Autoregressive and Transformer models, generic over Burn's [`Backend`](burn::tensor::backend::Backend).
//!
//! An architecture is a stem (token and position embedding, [`TokenEmbedding`]), a [`Stack`] of [`Layer`]s and a head. There is one
//! [`Attention`], one [`Layer`] and one [`KeyValueCache`] for all of them, and one trait, [`Autoregressive`], by which
//! samplers, beam search and scorers use them. The crate sees no strings and no files.
//!
//! ```
//! use burn_flex::Flex;
//! use burn::tensor::{Int, Tensor};
//! use hearth_model::{Autoregressive, Gpt, GptConfig, LanguageModel};
//!
//! let device = Default::default();
//! let gpt: Gpt<Flex> = GptConfig::tiny(65).init(&device);
//! let tokens = Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3, 4]], &device);
//!
//! // Training and scoring: every position at once.
//! assert_eq!(gpt.forward(tokens.clone()).dims(), [1, 4, 65]);
//!
//! // Decoding: a prompt, then one token at a time against the cache.
//! let mut state = gpt.start(&[0]);
//! let next = gpt.predict(tokens, &mut state);
//! assert_eq!(next.dims(), [1, 65]);
//! ```

mod activation;
mod attention;
mod attention_map;
mod autoregressive;
mod bert;
mod bert_config;
mod cache;
mod classifier;
mod ctc;
mod ctc_prefix;
mod embedding;
mod encoder_decoder;
mod error;
mod feed_forward;
mod frames;
mod gpt;
mod initialisation;
mod key_value;
mod layer;
mod loss;
mod mask;
mod memory;
mod norm;
mod patches;
mod pooling;
mod positions;
mod precision;
mod projection;
mod rnn;
mod rnn_attention;
mod rnn_lm;
mod rnn_seq2seq;
mod rnn_seq2seq_config;
mod rotary;
mod sharing;
mod speech;
mod speech_writer;
mod stack;
mod stack_config;
mod token_convolution;
mod transformer;
mod vit;

pub use activation::Activation;
pub use attention::{Attention, Look};
pub use attention_map::{AttentionMaps, AttentionSize, CrossAttention, SelfAttention};
pub use autoregressive::{Autoregressive, Conditional, DecodingState, LanguageModel};
pub use bert::{Bert, MaskedHead};
pub use bert_config::{BertConfig, MaskedHeadConfig};
pub use cache::KeyValueCache;
pub use classifier::{ClassHead, ClassHeadConfig, Classifier};
pub use ctc::ctc_loss;
pub use ctc_prefix::CtcTokens;
pub use embedding::{EmbeddingConfig, Head, TokenEmbedding};
pub use encoder_decoder::{EncoderDecoder, EncoderDecoderConfig, TransformerState};
pub use error::ConfigError;
pub use feed_forward::FeedForward;
pub use frames::{FrameEmbedding, FrameEmbeddingConfig};
pub use gpt::{Gpt, GptConfig, GptState};
pub use initialisation::{Initialisation, materialise};
pub use key_value::KeyValue;
pub use layer::{CrossInput, Layer, LayerContext, NormPlacement, Sight};
pub use loss::{TokenLoss, next_token_loss};
pub use mask::Mask;
pub use memory::Memory;
pub use norm::{Norm, NormKind};
pub use patches::{PatchEmbedding, PatchEmbeddingConfig};
pub use pooling::Pooling;
pub use positions::{PositionEncoding, Positions};
pub use precision::Precision;
pub use rnn::{CellState, Rnn, RnnConfig, RnnKind};
pub use rnn_attention::{RnnAttention, RnnAttentionKind};
pub use rnn_lm::{RnnLm, RnnLmConfig, RnnLmState, RnnSize};
pub use rnn_seq2seq::{RnnSeq2Seq, RnnSeq2SeqState};
pub use rnn_seq2seq_config::RnnSeq2SeqConfig;
pub use rotary::{RotaryConfig, RotaryScaling, Rotation};
pub use speech::{Encoded, SpeechToText, SpeechToTextConfig};
pub use speech_writer::{SpeechWriter, SpeechWriterState};
pub use stack::{Stack, StackState};
pub use stack_config::{Biases, RelativePositions, StackConfig, StackSize};
pub use token_convolution::TokenConvolution;
pub use transformer::{Transformer, TransformerConfig};
pub use vit::{ImageSize, Vit, VitConfig};

/// Operations that some backends compute at once.
pub use hearth_kernels as kernels;

#[cfg(test)]
pub(crate) type TestBackend = burn_flex::Flex;
