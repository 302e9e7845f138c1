//! How good an output is, beside what was expected: scores of text, of transcripts and of classes.
//!
//! BLEU and chrF are those of Python's sacrebleu, WER and CER those of jiwer, to the last digits; what is counted over a
//! corpus is summed before it is divided, never averaged over sentences.

mod alignment;
mod bleu;
mod calibration;
mod chrf;
mod confusion;
mod error_rate;
mod ngrams;
mod tokenization;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod degraded;

pub use alignment::{Edit, align};
pub use bleu::{Bleu, BleuScore};
pub use calibration::{Prediction, brier_score, expected_calibration_error};
pub use chrf::Chrf;
pub use confusion::{ClassScores, ConfusionMatrix};
pub use error_rate::{AlignedText, ErrorCounts, Transcript};
pub use tokenization::Tokenization;

/// What a system wrote, and what people wrote in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What is judged.
    pub hypothesis: &'a str,
    /// What would have been right; several are alternatives.
    pub references: Vec<&'a str>,
}

/// The letters of a signature for whether case counts.
fn case(lowercase: bool) -> &'static str {
    if lowercase { "lc" } else { "mixed" }
}

/// The end of a signature: whose numbers these are.
const VERSION: &str = concat!("version:hearth-", env!("CARGO_PKG_VERSION"));
