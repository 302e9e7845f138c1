//! How text is written: the options that `generate`, `translate`, `transcribe` and `evaluate` share.

use super::{PrecisionOption, at_least_one, part};
use clap::{Args, ValueEnum};
use hearth_infer::{EarlyStopping, Mixture};
use std::path::PathBuf;

/// One model, or several as one.
#[derive(Debug, Args)]
pub(crate) struct Models {
    /// The model directory; given again, the models work as one (an ensemble)
    #[arg(long = "model", value_name = "DIR", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// How much each model of an ensemble counts, as 2,1; by default all alike
    #[arg(long, value_name = "W,W", value_delimiter = ',')]
    pub(crate) weights: Vec<f64>,
    /// What is averaged over the models of an ensemble
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = MixtureKind::Probabilities)]
    pub(crate) mixture: MixtureKind,
    #[command(flatten)]
    pub(crate) precision: PrecisionOption,
}

/// What is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MixtureKind {
    /// A token or a class is likely if any model finds it likely
    Probabilities,
    /// A token or a class is likely if no model finds it unlikely
    LogProbabilities,
}

impl From<MixtureKind> for Mixture {
    fn from(kind: MixtureKind) -> Self {
        match kind {
            MixtureKind::Probabilities => Self::Probabilities,
            MixtureKind::LogProbabilities => Self::LogProbabilities,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Decoding {
    /// Take the likeliest token each time
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "typical_p", "beam"])]
    pub(crate) greedy: bool,
    /// Divide logits by this before sampling [default: 1]
    #[arg(long, value_name = "T", conflicts_with = "beam")]
    pub(crate) temperature: Option<f64>,
    /// Sample among the K likeliest tokens
    #[arg(long, value_name = "K", conflicts_with = "beam", value_parser = at_least_one)]
    pub(crate) top_k: Option<usize>,
    /// Sample among the likeliest tokens that together have probability P
    #[arg(long, value_name = "P", conflicts_with = "beam")]
    pub(crate) top_p: Option<f64>,
    /// Sample among the tokens at least P times as likely as the likeliest
    #[arg(long, value_name = "P", conflicts_with = "beam")]
    pub(crate) min_p: Option<f64>,
    /// Sample among the tokens as surprising as expected that together have probability P
    #[arg(long, value_name = "P", conflicts_with = "beam")]
    pub(crate) typical_p: Option<f64>,
    /// Search with N beams
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) beam: Option<usize>,
    #[command(flatten)]
    pub(crate) search: Search,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
    /// Do not stop at the end-of-text token
    #[arg(long)]
    pub(crate) ignore_eos: bool,
}

/// How what is read is put into other words or written down.
#[derive(Debug, Args)]
pub(crate) struct Writing {
    /// Search with N beams; 1 is greedy
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    pub(crate) beam: usize,
    #[command(flatten)]
    pub(crate) search: Search,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
    /// Tokens of a text at most; by default what the model has positions for
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_new_tokens: Option<usize>,
}

/// What a model of speech writes by.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Hearing {
    /// How much the encoder's own head counts beside the decoder, from 0 to 1 (CTC, which hears and knows nothing of words);
    /// by default 0.5 if the model has one
    #[arg(long, value_name = "W", value_parser = part)]
    pub(crate) ctc_weight: Option<f64>,
}

/// Beam search besides its width.
#[derive(Debug, Args)]
#[command(next_help_heading = "Beam search")]
pub(crate) struct Search {
    /// Beam scores are divided by the length to this power
    #[arg(
        long,
        value_name = "A",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(crate) length_penalty: f64,
    /// When a search with as many finished texts as beams is over: at once, when no other is likely to win, or can
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Stopping::No)]
    pub(crate) early_stopping: Stopping,
    /// Groups of beams that differ from one another; their number divides that of the beams
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) beam_groups: usize,
    /// What a token costs a group for each time that an earlier group has chosen it
    #[arg(long, value_name = "A", default_value_t = 0.0)]
    pub(crate) diversity_penalty: f64,
}

/// Hugging Face's `early_stopping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stopping {
    /// At once
    Yes,
    /// When no text, were it to end now, would be better
    No,
    /// When no text can become better
    Never,
}

impl From<Stopping> for EarlyStopping {
    fn from(stopping: Stopping) -> Self {
        match stopping {
            Stopping::Yes => Self::Yes,
            Stopping::No => Self::No,
            Stopping::Never => Self::Never,
        }
    }
}

/// What may be written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RuleOptions {
    /// Make tokens that are there already so many times less likely
    #[arg(long, value_name = "R", default_value_t = 1.0)]
    pub(crate) repetition_penalty: f64,
    /// Subtract this from a new token's logit for each time that it was written
    #[arg(
        long,
        value_name = "A",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub(crate) frequency_penalty: f64,
    /// Subtract this from the logits of tokens that were written
    #[arg(
        long,
        value_name = "A",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub(crate) presence_penalty: f64,
    /// Never write N tokens that follow one another there already
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) no_repeat_ngram: Option<usize>,
    /// Never write this; may be given again
    #[arg(long, value_name = "TEXT")]
    pub(crate) bad_word: Vec<String>,
    /// New tokens at least
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) min_new_tokens: usize,
    /// Begin what is written with this
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// End a text before this; may be given again
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
}
