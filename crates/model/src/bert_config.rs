//! What a BERT is made from.

use crate::activation::Activation;
use crate::classifier::ClassHeadConfig;
use crate::embedding::EmbeddingConfig;
use crate::error::{ConfigError, at_least_one, cross_attention};
use crate::gpt::same_width;
use crate::initialisation::Initialisation;
use crate::pooling::Pooling;
use crate::positions::PositionEncoding;
use crate::stack_config::{StackConfig, StackSize};
use crate::token_convolution::check_width;
use serde::{Deserialize, Serialize};

/// What a [`Bert`](crate::Bert) is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BertConfig {
    /// Tokens and positions; its dropout stands behind the norm of the sum.
    pub embedding: EmbeddingConfig,
    /// Kinds of segments: 2 where texts come in pairs.
    pub n_segments: usize,
    /// How many tokens a convolution before the layers sees at once; there is none if not given. With one, the encoder may have
    /// no layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convolution: Option<usize>,
    /// The layers; their norm is that of the stem, too.
    pub encoder: StackConfig,
    /// How the vector is made that stands for the text.
    #[serde(default)]
    pub pooling: Pooling,
    /// Whether the first vector goes through one more layer before it stands for the text.
    pub pooler: bool,
    /// What guesses masked tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<MaskedHeadConfig>,
    /// What names a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassHeadConfig>,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

/// What a [`MaskedHead`](crate::MaskedHead) is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedHeadConfig {
    /// Whether it shares the token embedding's matrix.
    pub tied: bool,
}

impl BertConfig {
    /// BERT's choices in the given size, without dropout: learned positions, two segments, norm after each branch, GELU, a
    /// pooler, and no head.
    pub fn bert(vocab: usize, max_positions: usize, size: StackSize) -> Self {
        Self {
            embedding: EmbeddingConfig {
                vocab,
                d_model: size.d_model,
                max_positions,
                positions: PositionEncoding::Learned,
                scale: false,
                dropout: 0.0,
            },
            n_segments: 2,
            convolution: None,
            encoder: StackConfig {
                activation: Activation::Gelu,
                norm_epsilon: 1e-12,
                ..StackConfig::post_norm(size)
            },
            pooling: Pooling::First,
            pooler: true,
            masked: None,
            classes: None,
            initialisation: Initialisation::Gpt2,
        }
    }

    /// With a head that guesses masked tokens, and no pooler.
    pub fn masked_lm(self) -> Self {
        Self {
            pooler: false,
            masked: Some(MaskedHeadConfig { tied: true }),
            ..self
        }
    }

    /// With a head that names one of so many classes.
    pub fn classifier(self, n_classes: usize) -> Self {
        let dropout = self.encoder.dropout;
        Self {
            classes: Some(ClassHeadConfig { n_classes, dropout }),
            ..self
        }
    }

    /// With another vector that stands for the text. Only the first one goes through a pooler.
    pub fn pooled(self, pooling: Pooling) -> Self {
        Self {
            pooling,
            pooler: self.pooler && pooling == Pooling::First,
            ..self
        }
    }

    /// Two layers, 16 wide, 32 positions: for tests and first steps.
    pub fn tiny(vocab: usize) -> Self {
        let size = StackSize {
            d_model: 16,
            n_heads: 2,
            n_layers: 2,
        };
        Self::bert(vocab, 32, size)
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.embedding.validate()?;
        match self.convolution {
            Some(width) => {
                check_width(width)?;
                self.encoder.validate_layer()?;
            }
            None => self.encoder.validate()?,
        }
        at_least_one("n_segments", self.n_segments)?;
        if let Some(classes) = &self.classes {
            classes.validate()?;
        }
        let found = self.encoder.cross_attention;
        cross_attention("encoder.cross_attention", found, false)?;
        let d_model = self.encoder.d_model;
        same_width("embedding.d_model", self.embedding.d_model, d_model)
    }
}
