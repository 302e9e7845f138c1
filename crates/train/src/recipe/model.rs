//! The `[model]` section: sizes, and choices whose defaults are the architecture's own.

use super::EmbeddedCorpus;
use hearth_hub::ModelConfig;
use hearth_model::{
    Activation, ConfigError, EmbeddingConfig, FrameEmbeddingConfig, GptConfig, Initialisation,
    NormPlacement, PositionEncoding, SpeechToTextConfig, StackConfig, StackSize, TransformerConfig,
};
use serde::{Deserialize, Serialize};

/// The architectures a recipe can train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Decoder-only, on text.
    Gpt,
    /// Encoder-decoder, on pairs.
    Transformer,
    /// Encoder-decoder, on recordings with their transcripts.
    SpeechToText,
}

impl Architecture {
    /// The corpus it can be trained on without a file, and how an error says so.
    pub(super) fn embedded(self) -> (EmbeddedCorpus, &'static str) {
        match self {
            Self::Gpt => (EmbeddedCorpus::Cicero, "cicero for a gpt"),
            Self::Transformer => (
                EmbeddedCorpus::NumberWords,
                "number-words for a transformer",
            ),
            Self::SpeechToText => (EmbeddedCorpus::Tones, "tones for a speech-to-text model"),
        }
    }
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// The architecture.
    pub architecture: Architecture,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads of a layer.
    pub n_heads: usize,
    /// Layers; of each side for an encoder-decoder.
    pub n_layers: usize,
    /// The longest sequence; for gpt also the length of a training window.
    pub max_positions: usize,
    /// Hidden width of the feed-forward networks; four times `d_model` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_ff: Option<usize>,
    /// Dropout on embeddings and branches.
    #[serde(default)]
    pub dropout: f64,
    /// Dropout on attention weights; `dropout` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_dropout: Option<f64>,
    /// Dropout inside feed-forward networks.
    #[serde(default)]
    pub activation_dropout: f64,
    /// Non-linearity of feed-forward networks: gelu-tanh for gpt, relu for transformer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Where norms stand: before for gpt, after for transformer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<NormPlacement>,
    /// Positions: learned for gpt, sinusoidal for transformer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<PositionEncoding>,
    /// For speech-to-text: bands of the spectrogram that is read; 80 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_mels: Option<usize>,
    /// For speech-to-text: the longest source, in vectors, each of four frames of 10 ms; 1500 (a minute) if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_source_positions: Option<usize>,
    /// Whether the head shares the embedding's matrix; yes if not given.
    #[serde(default = "yes")]
    pub tied: bool,
}

fn yes() -> bool {
    true
}

impl ModelRecipe {
    /// The model's config once the vocabulary is known.
    ///
    /// # Errors
    /// If no model can be made from these numbers.
    pub fn config(&self, vocab: usize) -> Result<ModelConfig, ConfigError> {
        let size = StackSize {
            d_model: self.d_model,
            n_heads: self.n_heads,
            n_layers: self.n_layers,
        };
        let config = match self.architecture {
            Architecture::Gpt => {
                let default = GptConfig::gpt2(vocab, self.max_positions, size);
                ModelConfig::Gpt(GptConfig {
                    embedding: self.embedding(default.embedding),
                    decoder: self.stack(default.decoder),
                    tied: self.tied,
                    initialisation: Initialisation::Gpt2,
                })
            }
            Architecture::Transformer => {
                let default = TransformerConfig::vaswani(vocab, self.max_positions, size);
                ModelConfig::Transformer(TransformerConfig {
                    embedding: self.embedding(default.embedding),
                    encoder: self.stack(default.encoder),
                    decoder: self.stack(default.decoder),
                    tied: self.tied,
                    logits_bias: true,
                    initialisation: Initialisation::Xavier,
                })
            }
            Architecture::SpeechToText => {
                let positions = [self.max_source_positions(), self.max_positions];
                let default =
                    SpeechToTextConfig::speech2text(vocab, self.n_mels(), positions, size);
                ModelConfig::SpeechToText(SpeechToTextConfig {
                    frames: FrameEmbeddingConfig {
                        positions: self.positions.unwrap_or(default.frames.positions),
                        // Features have a variance of one: scaled, they would drown their positions.
                        scale: false,
                        dropout: self.dropout,
                        ..default.frames
                    },
                    embedding: self.embedding(default.embedding),
                    encoder: self.stack(default.encoder),
                    decoder: self.stack(default.decoder),
                    tied: self.tied,
                    ..default
                })
            }
        };
        config.validate()?;
        Ok(config)
    }

    /// Bands of the spectrogram that is read.
    pub(crate) fn n_mels(&self) -> usize {
        self.n_mels.unwrap_or(80)
    }

    /// The longest source, in vectors.
    pub(crate) fn max_source_positions(&self) -> usize {
        self.max_source_positions.unwrap_or(1500)
    }

    fn embedding(&self, default: EmbeddingConfig) -> EmbeddingConfig {
        EmbeddingConfig {
            positions: self.positions.unwrap_or(default.positions),
            dropout: self.dropout,
            ..default
        }
    }

    fn stack(&self, default: StackConfig) -> StackConfig {
        let norm = self.norm.unwrap_or(default.norm);
        StackConfig {
            d_ff: self.d_ff.unwrap_or(default.d_ff),
            activation: self.activation.unwrap_or(default.activation),
            norm,
            // A stream that no norm closes needs one at its end.
            final_norm: norm == NormPlacement::Before,
            dropout: self.dropout,
            attention_dropout: self.attention_dropout.unwrap_or(self.dropout),
            activation_dropout: self.activation_dropout,
            ..default
        }
    }
}
