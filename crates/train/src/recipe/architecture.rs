//! The architectures that a recipe can train, and the kinds of positions they can have.

use super::EmbeddedCorpus;
use hearth_model::{PositionEncoding, RelativePositions, RotaryConfig};
use serde::{Deserialize, Serialize};

/// The architectures a recipe can train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Decoder-only, on text, with GPT-2's choices.
    Gpt,
    /// Decoder-only, on text, with LLaMA's choices.
    Llama,
    /// Long short-term memory, on text.
    Lstm,
    /// Gated recurrent units, on text.
    Gru,
    /// Encoder-decoder, on pairs.
    Transformer,
    /// Recurrent encoder-decoder, on pairs.
    #[serde(rename = "rnn-seq2seq")]
    RnnSeq2Seq,
    /// Encoder-decoder, on recordings with their transcripts.
    SpeechToText,
    /// Encoder, on text with masks.
    Bert,
    /// Encoder, on texts with the names of their classes.
    BertClassifier,
    /// Encoder, on images with the names of their classes.
    Vit,
}

impl Architecture {
    /// The corpus it can be trained on without a file, and how an error says so.
    pub(super) fn embedded(self) -> (EmbeddedCorpus, &'static str) {
        match self {
            Self::Gpt | Self::Llama | Self::Lstm | Self::Gru | Self::Bert => {
                (EmbeddedCorpus::Cicero, "cicero for a model of text")
            }
            Self::BertClassifier => (
                EmbeddedCorpus::Languages,
                "languages for a classifier of texts",
            ),
            Self::Vit => (EmbeddedCorpus::Digits, "digits for a model of images"),
            Self::Transformer | Self::RnnSeq2Seq => (
                EmbeddedCorpus::NumberWords,
                "number-words for a model of pairs",
            ),
            Self::SpeechToText => (EmbeddedCorpus::Tones, "tones for a speech-to-text model"),
        }
    }
}

impl Architecture {
    /// Whether it has layers of attention; else it is recurrent.
    pub fn attends(self) -> bool {
        !matches!(self, Self::Lstm | Self::Gru | Self::RnnSeq2Seq)
    }

    /// Whether it is trained on texts with their translations.
    pub fn reads_pairs(self) -> bool {
        matches!(self, Self::Transformer | Self::RnnSeq2Seq)
    }

    /// Whether it is trained to go on with a text.
    pub fn writes_on(self) -> bool {
        matches!(self, Self::Gpt | Self::Llama | Self::Lstm | Self::Gru)
    }
}

/// How a model knows where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionKind {
    /// Not at all, but for causality.
    None,
    /// One learned vector a position.
    Learned,
    /// Sine and cosine.
    Sinusoidal,
    /// Queries and keys are turned.
    Rotary,
    /// Scores fall with the distance.
    Alibi,
}

impl PositionKind {
    /// What of it is the stem's, and what attention's.
    pub(super) fn parts(self) -> (PositionEncoding, RelativePositions) {
        let rotary = RelativePositions::Rotary(RotaryConfig::default());
        match self {
            Self::None => (PositionEncoding::None, RelativePositions::None),
            Self::Learned => (PositionEncoding::Learned, RelativePositions::None),
            Self::Sinusoidal => (PositionEncoding::Sinusoidal, RelativePositions::None),
            Self::Rotary => (PositionEncoding::None, rotary),
            Self::Alibi => (PositionEncoding::None, RelativePositions::Alibi),
        }
    }
}
