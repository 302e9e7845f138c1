//! The ways of writing a model directory.
//!
//! A dialect has two directions, `read` (its `config.json` to our config) and `express` (back), and a table of names.
//! What it says that changes the mathematics and hearth does not do is refused, never skipped; what it says besides
//! is ignored, as Hugging Face does.

mod activation;
mod bert;
mod gpt2;
mod hearth;
mod llama;
mod marian;
mod rope;
mod speech_to_text;
mod torch_rnn_lm;
mod torch_rnn_seq2seq;
mod torch_transformer;
mod vit;

use std::fmt::Debug;

use hearth_model::{Biases, NormKind, RelativePositions, StackConfig};
use serde_json::Value;

use crate::config::ModelConfig;
use crate::config_file::{ConfigFile, brief};
use crate::error::HubError;
use crate::names::NameTable;
use crate::special::SpecialTokens;

/// A way of writing a model directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Hugging Face's `GPT2LMHeadModel`.
    Gpt2,
    /// Hugging Face's `LlamaForCausalLM`.
    Llama,
    /// Hugging Face's `MistralForCausalLM`.
    Mistral,
    /// Hugging Face's `MarianMTModel`.
    Marian,
    /// Hugging Face's `Speech2TextForConditionalGeneration`.
    SpeechToText,
    /// Hugging Face's `BertModel`, `BertForMaskedLM` and `BertForSequenceClassification`.
    Bert,
    /// Hugging Face's `ViTForImageClassification`.
    Vit,
    /// The state dict of `torch.nn.Transformer`.
    TorchTransformer,
    /// The state dict of an embedding, an LSTM or GRU, and a linear layer.
    TorchRnnLm,
    /// The state dict of two embeddings, two LSTMs or GRUs, and a linear layer.
    TorchRnnSeq2Seq,
    /// hearth's own: our config and our names as they are.
    Hearth,
}

/// A dialect's config and what it says of tokens.
type Read = Result<(ModelConfig, SpecialTokens), HubError>;

impl Dialect {
    /// All dialects, in the order in which [`Dialect::of`] tries them.
    pub const ALL: [Self; 11] = [
        Self::Gpt2,
        Self::Llama,
        Self::Mistral,
        Self::Marian,
        Self::SpeechToText,
        Self::Bert,
        Self::Vit,
        Self::TorchTransformer,
        Self::TorchRnnLm,
        Self::TorchRnnSeq2Seq,
        Self::Hearth,
    ];

    /// The dialect's `model_type` in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpt2 => "gpt2",
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Marian => "marian",
            Self::SpeechToText => "speech_to_text",
            Self::Bert => "bert",
            Self::Vit => "vit",
            Self::TorchTransformer => "torch-transformer",
            Self::TorchRnnLm => "torch-rnn-lm",
            Self::TorchRnnSeq2Seq => "torch-rnn-seq2seq",
            Self::Hearth => "hearth",
        }
    }

    /// The outside dialect that can express this config, else [`Dialect::Hearth`].
    pub fn of(config: &ModelConfig) -> Self {
        let special = SpecialTokens::default();
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.express(config, &special).is_ok())
            .unwrap_or(Self::Hearth)
    }

    /// The dialect of another library that can express this model.
    ///
    /// # Errors
    /// None can: the error says why, of each that holds such an architecture.
    pub fn outside(config: &ModelConfig, special: &SpecialTokens) -> Result<Self, HubError> {
        let mut reasons = Vec::new();
        for dialect in Self::ALL {
            match dialect.express(config, special) {
                Ok(_) if dialect != Self::Hearth => return Ok(dialect),
                Err(HubError::Inexpressible {
                    dialect,
                    field,
                    found,
                    expected,
                }) if field != ARCHITECTURE => {
                    reasons.push(format!("{dialect} needs {field} = {expected}, not {found}"));
                }
                _ => {}
            }
        }
        Err(HubError::OnlyHearth { reasons })
    }

    /// The `config.json` of a model in this dialect.
    ///
    /// # Errors
    /// The dialect has no words for something in the config: the error says what.
    pub fn express(self, config: &ModelConfig, special: &SpecialTokens) -> Result<Value, HubError> {
        let exporter = Exporter { dialect: self };
        if self != Self::Hearth {
            for (_, stack) in config.stacks() {
                exporter.require("residual_scale", &stack.residual_scale, &1.0)?;
            }
        }
        match self {
            Self::Gpt2 => gpt2::express(exporter, config, special),
            Self::Llama | Self::Mistral => llama::express(exporter, config, special),
            Self::Marian => marian::express(exporter, config, special),
            Self::SpeechToText => speech_to_text::express(exporter, config, special),
            Self::Bert => bert::express(exporter, config, special),
            Self::Vit => vit::express(exporter, config),
            Self::TorchTransformer => torch_transformer::express(exporter, config, special),
            Self::TorchRnnLm => torch_rnn_lm::express(exporter, config, special),
            Self::TorchRnnSeq2Seq => torch_rnn_seq2seq::express(exporter, config, special),
            Self::Hearth => hearth::express(config, special),
        }
    }

    /// Finds a file's dialect and reads it in that.
    pub(crate) fn read(file: &ConfigFile) -> Result<(Self, ModelConfig, SpecialTokens), HubError> {
        let Some(found) = file.get("model_type") else {
            return Err(file.lacks("model_type"));
        };
        let by_name = |dialect: &Self| found.as_str() == Some(dialect.name());
        let Some(dialect) = Self::ALL.into_iter().find(by_name) else {
            let names = Self::ALL.map(Self::name).join(", ");
            return Err(file.refuse("model_type", brief(found), format!("one of {names}")));
        };
        let (config, special) = match dialect {
            Self::Gpt2 => gpt2::read(file),
            Self::Llama | Self::Mistral => llama::read(file, dialect),
            Self::Marian => marian::read(file),
            Self::SpeechToText => speech_to_text::read(file),
            Self::Bert => bert::read(file),
            Self::Vit => vit::read(file),
            Self::TorchTransformer => torch_transformer::read(file),
            Self::TorchRnnLm => torch_rnn_lm::read(file),
            Self::TorchRnnSeq2Seq => torch_rnn_seq2seq::read(file),
            Self::Hearth => hearth::read(file),
        }?;
        Ok((dialect, config, special))
    }

    /// The dialect's names of tensors; none where they are our own.
    pub(crate) fn names(self) -> Option<&'static NameTable> {
        match self {
            Self::Gpt2 => Some(&gpt2::NAMES),
            Self::Llama | Self::Mistral => Some(&llama::NAMES),
            Self::Marian => Some(&marian::NAMES),
            Self::SpeechToText => Some(&speech_to_text::NAMES),
            Self::Bert => Some(&bert::NAMES),
            Self::Vit => Some(&vit::NAMES),
            Self::TorchTransformer => Some(&torch_transformer::NAMES),
            Self::TorchRnnLm => Some(&torch_rnn_lm::NAMES),
            Self::TorchRnnSeq2Seq => Some(&torch_rnn_seq2seq::NAMES),
            Self::Hearth => None,
        }
    }
}

/// What a dialect refuses that holds another kind of model.
const ARCHITECTURE: &str = "architecture";

/// Refuses on a dialect's behalf what it has no words for.
#[derive(Debug, Clone, Copy)]
struct Exporter {
    dialect: Dialect,
}

impl Exporter {
    fn require<T: PartialEq + Debug>(
        self,
        field: &str,
        found: &T,
        expected: &T,
    ) -> Result<(), HubError> {
        if found == expected {
            return Ok(());
        }
        Err(self.refuse(field, format!("{found:?}"), format!("{expected:?}")))
    }

    /// Refuses what came after the Transformer of 2017: gates, groups, windows, other norms and positions, missing biases.
    fn require_plain(self, name: &str, stack: &StackConfig) -> Result<(), HubError> {
        let field = |field: &str| format!("{name}.{field}");
        let positions = &RelativePositions::None;
        self.require(&field("positions"), &stack.positions, positions)?;
        self.require(&field("window"), &stack.window, &None)?;
        self.require(&field("gated"), &stack.gated, &false)?;
        self.require(&field("norm_kind"), &stack.norm_kind, &NormKind::Layer)?;
        self.require(&field("biases"), &stack.biases, &Biases::ALL)?;
        let d_head = stack.d_model / stack.n_heads.max(1);
        self.require(&field("d_head"), &stack.d_head(), &d_head)?;
        self.require(&field("n_kv_heads"), &stack.n_kv_heads(), &stack.n_heads)
    }

    fn refuse(self, field: &str, found: String, expected: String) -> HubError {
        HubError::Inexpressible {
            dialect: self.dialect.name(),
            field: field.into(),
            found,
            expected,
        }
    }

    fn refuse_architecture(self, config: &ModelConfig, expected: &str) -> HubError {
        self.refuse(ARCHITECTURE, config.architecture().into(), expected.into())
    }
}
