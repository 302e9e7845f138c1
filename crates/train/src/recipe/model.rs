//! The `[model]` section: sizes, and choices whose defaults are the architecture's own.

use super::architecture::{Architecture, PositionKind};
use super::initialisation::InitialisationKind;
use hearth_hub::ModelConfig;
use hearth_model::{
    Activation, BertConfig, Biases, ConfigError, EmbeddingConfig, FrameEmbeddingConfig, GptConfig,
    ImageSize, Initialisation, MaskedHeadConfig, NormKind, NormPlacement, Pooling,
    PositionEncoding, RnnAttentionKind, RnnKind, RnnLmConfig, RnnSeq2SeqConfig, RnnSize,
    SpeechToTextConfig, StackConfig, StackSize, TransformerConfig, VitConfig,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a model's sizes depend on besides its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataShape {
    /// Number of tokens.
    pub vocab: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// The size of the images.
    pub image: Option<ImageSize>,
}

impl Default for DataShape {
    /// Two tokens and two classes: the least there can be.
    fn default() -> Self {
        Self {
            vocab: 2,
            n_classes: 2,
            image: None,
        }
    }
}

impl From<usize> for DataShape {
    fn from(vocab: usize) -> Self {
        Self {
            vocab,
            ..Self::default()
        }
    }
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// The architecture.
    pub architecture: Architecture,
    /// A model directory to begin with, whose sizes and choices are the model's; what its architecture lacks, such as a head of
    /// new classes, is drawn anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// The config of `from`.
    #[serde(skip)]
    pub(super) base: Option<Box<ModelConfig>>,
    /// Width of the residual stream.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub d_model: usize,
    /// Attention heads of a layer; a recurrent network has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_heads: usize,
    /// Heads of keys and values, each for a group of heads of queries; `n_heads` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_kv_heads: Option<usize>,
    /// How many positions a query sees, itself included; all if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Layers; of each side for an encoder-decoder.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_layers: usize,
    /// The longest sequence; for gpt also the length of a training window. Images have none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_positions: usize,
    /// Hidden width of the feed-forward networks; four times `d_model` if not given, and 8/3 times for llama.
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
    /// How often a layer is left out in training. Fan et al. 2019 <https://arxiv.org/abs/1909.11556>.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub layer_drop: f64,
    /// How first weights are drawn: gpt2 for gpt, llama, bert and vit, xavier for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialisation: Option<InitialisationKind>,
    /// Non-linearity of feed-forward networks: gelu-tanh for gpt, silu for llama, relu for transformer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Whether feed-forward networks have a gate: they do for llama.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gated: Option<bool>,
    /// Whether projections have biases: not for llama.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biases: Option<bool>,
    /// What norms take out: the length alone for llama, mean and variance for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_kind: Option<NormKind>,
    /// Where norms stand: after for transformer, before for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<NormPlacement>,
    /// PositionKind: learned for gpt, rotary for llama, sinusoidal for transformer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<PositionKind>,
    /// For bert and bert-classifier: how many tokens a convolution before the layers sees at once; there is none if not given. With
    /// one, there may be no layers: `n_layers = 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convolution: Option<usize>,
    /// For bert-classifier: the vector that stands for the text; first if not given, and the pooler of `from` goes with it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// For rnn-seq2seq: the cells; gru if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<RnnKind>,
    /// For rnn-seq2seq: how the decoder looks at the source; additive if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<RnnAttentionKind>,
    /// For rnn-seq2seq: whether the encoder reads from both ends; yes if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub two_way: Option<bool>,
    /// For speech-to-text: bands of the spectrogram that is read; 80 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_mels: Option<usize>,
    /// For speech-to-text: the longest source, in vectors, each of four frames of 10 ms; 1500 (a minute) if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_source_positions: Option<usize>,
    /// For vit: channels (1 or 3), rows and columns that images are brought to; those of the embedded digits if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 3]>,
    /// For vit: the side of a patch, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<usize>,
    /// Whether the head shares the embedding's matrix; yes if not given.
    #[serde(default = "yes")]
    pub tied: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands it over by reference"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands it over by reference"
)]
fn is_nothing(rate: &f64) -> bool {
    *rate == 0.0
}

fn yes() -> bool {
    true
}

impl ModelRecipe {
    /// The model's config once its data is known.
    ///
    /// # Errors
    /// If no model can be made from these numbers.
    pub fn config(&self, data: impl Into<DataShape>) -> Result<ModelConfig, ConfigError> {
        let data = data.into();
        if let Some(base) = &self.base {
            return self.of_base(base, data);
        }
        let vocab = data.vocab;
        let size = StackSize {
            d_model: self.d_model,
            n_heads: self.n_heads,
            n_layers: self.n_layers,
        };
        let config = match self.architecture {
            Architecture::Gpt | Architecture::Llama => {
                let default = match self.architecture {
                    Architecture::Llama => GptConfig::llama(vocab, self.max_positions, size),
                    _ => GptConfig::gpt2(vocab, self.max_positions, size),
                };
                ModelConfig::Gpt(GptConfig {
                    embedding: self.embedding(default.embedding),
                    decoder: self.stack(default.decoder),
                    tied: self.tied,
                    initialisation: Initialisation::Gpt2,
                })
            }
            Architecture::Lstm => ModelConfig::RnnLm(self.rnn(RnnKind::Lstm, vocab)),
            Architecture::Gru => ModelConfig::RnnLm(self.rnn(RnnKind::Gru, vocab)),
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
            Architecture::RnnSeq2Seq => ModelConfig::RnnSeq2Seq(self.rnn_seq2seq(vocab)),
            Architecture::SpeechToText => {
                let positions = [self.max_source_positions(), self.max_positions];
                let default =
                    SpeechToTextConfig::speech2text(vocab, self.n_mels(), positions, size);
                ModelConfig::SpeechToText(SpeechToTextConfig {
                    frames: FrameEmbeddingConfig {
                        positions: self.stem_positions(default.frames.positions),
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
            Architecture::Bert => {
                let mut bert = self.bert(vocab, size).masked_lm();
                bert.masked = Some(MaskedHeadConfig { tied: self.tied });
                ModelConfig::Bert(bert)
            }
            Architecture::BertClassifier => {
                let bert = self
                    .bert(vocab, size)
                    .pooled(self.pooling.unwrap_or_default());
                ModelConfig::Bert(bert.classifier(data.n_classes))
            }
            Architecture::Vit => {
                let patch = self.patch.unwrap_or(1);
                let unknown = ImageSize {
                    n_channels: 1,
                    height: patch,
                    width: patch,
                };
                let image = data.image.unwrap_or(unknown);
                let mut default = VitConfig::vit(image, patch, data.n_classes, size);
                default.patches.dropout = self.dropout;
                ModelConfig::Vit(VitConfig {
                    encoder: self.stack(default.encoder),
                    ..default
                })
            }
        };
        let config = self.initialised(config);
        config.validate()?;
        Ok(config)
    }

    fn bert(&self, vocab: usize, size: StackSize) -> BertConfig {
        let default = BertConfig::bert(vocab, self.max_positions, size);
        BertConfig {
            embedding: self.embedding(default.embedding),
            convolution: self.convolution,
            encoder: self.stack(default.encoder),
            ..default
        }
    }

    /// The first key that means something to layers of attention only.
    pub(super) fn of_attention(&self) -> Option<&'static str> {
        let given = [
            ("model.n_heads", self.n_heads > 0),
            ("model.n_kv_heads", self.n_kv_heads.is_some()),
            ("model.window", self.window.is_some()),
            ("model.d_ff", self.d_ff.is_some()),
            ("model.attention_dropout", self.attention_dropout.is_some()),
            ("model.activation_dropout", self.activation_dropout > 0.0),
            ("model.layer_drop", self.layer_drop > 0.0),
            ("model.activation", self.activation.is_some()),
            ("model.gated", self.gated.is_some()),
            ("model.biases", self.biases.is_some()),
            ("model.norm_kind", self.norm_kind.is_some()),
            ("model.norm", self.norm.is_some()),
            ("model.positions", self.positions.is_some()),
        ];
        let key = given.into_iter().find(|(_, given)| *given);
        key.map(|(key, _)| key)
    }

    fn rnn(&self, kind: RnnKind, vocab: usize) -> RnnLmConfig {
        let size = RnnSize {
            d_embedding: self.d_model,
            d_hidden: self.d_model,
            n_layers: self.n_layers,
        };
        let mut config = RnnLmConfig::new(kind, vocab, size);
        config.embedding.dropout = self.dropout;
        config.rnn.dropout = self.dropout;
        config.tied = self.tied;
        config
    }

    fn rnn_seq2seq(&self, vocab: usize) -> RnnSeq2SeqConfig {
        let size = RnnSize {
            d_embedding: self.d_model,
            d_hidden: self.d_model,
            n_layers: self.n_layers,
        };
        let kind = self.cell.unwrap_or(RnnKind::Gru);
        let attention = self.attention.unwrap_or(RnnAttentionKind::Additive);
        let mut config = RnnSeq2SeqConfig::new(kind, attention, [vocab, vocab], size);
        for embedding in [&mut config.source, &mut config.embedding] {
            embedding.max_positions = self.max_positions;
            embedding.dropout = self.dropout;
        }
        for rnn in [&mut config.encoder, &mut config.decoder] {
            rnn.dropout = self.dropout;
        }
        config.tied = self.tied;
        match self.two_way {
            Some(false) => config,
            _ => config.two_way(),
        }
    }

    /// Bands of the spectrogram that is read.
    pub(crate) fn n_mels(&self) -> usize {
        self.n_mels.unwrap_or(80)
    }

    /// The longest source, in vectors.
    pub(crate) fn max_source_positions(&self) -> usize {
        self.max_source_positions.unwrap_or(1500)
    }

    fn stem_positions(&self, default: PositionEncoding) -> PositionEncoding {
        self.positions.map_or(default, |kind| kind.parts().0)
    }

    fn embedding(&self, default: EmbeddingConfig) -> EmbeddingConfig {
        EmbeddingConfig {
            positions: self.stem_positions(default.positions),
            dropout: self.dropout,
            ..default
        }
    }

    pub(super) fn stack(&self, default: StackConfig) -> StackConfig {
        let norm = self.norm.unwrap_or(default.norm);
        StackConfig {
            n_kv_heads: self.n_kv_heads.or(default.n_kv_heads),
            window: self.window.or(default.window),
            positions: match self.positions {
                Some(positions) => positions.parts().1,
                None => default.positions,
            },
            gated: self.gated.unwrap_or(default.gated),
            biases: match self.biases {
                Some(true) => Biases::ALL,
                Some(false) => Biases::NONE,
                None => default.biases,
            },
            norm_kind: self.norm_kind.unwrap_or(default.norm_kind),
            d_ff: self.d_ff.unwrap_or(default.d_ff),
            activation: self.activation.unwrap_or(default.activation),
            norm,
            // A stream that no norm closes needs one at its end.
            final_norm: norm == NormPlacement::Before,
            dropout: self.dropout,
            attention_dropout: self.attention_dropout.unwrap_or(self.dropout),
            activation_dropout: self.activation_dropout,
            layer_drop: self.layer_drop,
            ..default
        }
    }
}
