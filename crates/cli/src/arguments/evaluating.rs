//! The options of `evaluate`.

use super::{Batches, Hearing, Models, Writing};
use clap::{Args, ValueEnum};
use hearth_data::Tokenization;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(mut_arg("paths", |model| model.required(false).required_unless_present("hypotheses")))]
pub(crate) struct Evaluate {
    #[command(flatten)]
    pub(crate) models: Models,
    /// What the model is to read and what is right, as training reads it: sources and translations, one file of two columns or
    /// two files; labelled texts or images; recordings with transcripts; text
    #[arg(long, value_name = "PATH", num_args = 1.., required_unless_present = "hypotheses")]
    pub(crate) data: Vec<PathBuf>,
    /// Where what the model writes or names goes, a line each
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) batches: Batches,
    #[command(flatten)]
    pub(crate) hearing: Hearing,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// What was written by whatever it was, and what is right.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a model")]
pub(crate) struct Files {
    /// What is judged: texts or, for accuracy and F1, labels, one a line
    #[arg(
        long,
        value_name = "FILE",
        requires = "references",
        conflicts_with_all = [
            "paths", "weights", "mixture", "precision", "data", "output", "Batches", "ctc_weight", "beam", "max_new_tokens",
            "Search", "RuleOptions",
        ]
    )]
    pub(crate) hypotheses: Option<PathBuf>,
    /// What is right, line by line; several files are other references for BLEU and chrF
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "hypotheses")]
    pub(crate) references: Vec<PathBuf>,
}

/// How it is judged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct Judging {
    /// For texts: which, as bleu,chrf [default: bleu,chrf; of recordings wer,cer]
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
    pub(crate) metric: Vec<MetricKind>,
    /// What BLEU takes for a word; the names are sacrebleu's
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Words::Mteval13a)]
    tokenize: Words,
    /// Upper and lower case are the same
    #[arg(long)]
    pub(crate) lowercase: bool,
    /// For wer and cer: where each text that is not right goes, below its reference, a letter under each error
    #[arg(long, value_name = "FILE")]
    pub(crate) alignment: Option<PathBuf>,
    /// For classes: a picture of which are taken for which
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) confusion: Option<PathBuf>,
}

/// What texts are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricKind {
    /// Runs of words that translations share with references; sacrebleu's
    Bleu,
    /// Runs of characters; sacrebleu's
    Chrf,
    /// Runs of characters and words; sacrebleu's
    #[value(name = "chrf++")]
    ChrfPlusPlus,
    /// Word error rate, the words that are wrong; jiwer's
    Wer,
    /// Character error rate; jiwer's
    Cer,
    /// The part of labels that are right
    Accuracy,
    /// The mean F1 of the labels
    #[value(alias = "macro_f1")]
    MacroF1,
}

/// What BLEU takes for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Words {
    /// Punctuation of ASCII stands apart
    #[value(name = "13a")]
    Mteval13a,
    /// All punctuation and symbols of Unicode stand apart
    Intl,
    /// Every character
    Char,
    /// What lies between spaces
    None,
}

impl Judging {
    pub(crate) fn tokenization(&self) -> Tokenization {
        match self.tokenize {
            Words::Mteval13a => Tokenization::Mteval13a,
            Words::Intl => Tokenization::International,
            Words::Char => Tokenization::Characters,
            Words::None => Tokenization::None,
        }
    }
}
