//! Corpora and tokenizers: everything between a file a person has and the token ids a model wants.
//!
//! The crate sees no tensor. A [`TextCorpus`] is plain text for a language model, a [`PairCorpus`] sentences with
//! their translations, a [`SpeechCorpus`] recordings with what is said in them, a [`LabelledText`] and
//! [`LabelledImages`] texts and images with their classes; [`number_words`], [`cicero`], [`tones`], [`language_words`] and
//! [`digits`] are corpora that need no file. A [`Tokenizer`] turns text into ids and back; what it saves is a `tokenizer.json` that
//! any program built on Hugging Face's library loads. A [`FilterbankConfig`] turns sound into [`Frames`], a
//! [`PixelConfig`] an [`Image`] into numbers. [`Bleu`], [`Chrf`], a [`Transcript`]'s error rates and a [`ConfusionMatrix`]
//! say how good an output is. Whatever is wrong with a file is a [`DataError`] that says where.
//!
//! ```
//! use hearth_data::{TextCorpus, Tokenizer, cicero};
//!
//! # fn main() -> Result<(), hearth_data::DataError> {
//! let corpus = TextCorpus::from_text(cicero());
//! let (train, validation) = corpus.split_tail(0.1);
//! assert!(train.len() > validation.len());
//!
//! let tokenizer = Tokenizer::train_characters(corpus.text())?;
//! let ids = tokenizer.encode("quo usque tandem")?;
//! assert_eq!(ids.len(), 16);
//! assert_eq!(tokenizer.decode(&ids)?, "quo usque tandem");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod audio;
mod embedded;
mod error;
mod files;
mod images;
mod json_lines;
mod labelled;
mod labels;
mod languages;
mod metrics;
mod parallel;
mod read;
mod text;
mod tokenizer;

#[cfg(test)]
mod shared;

pub use audio::{
    FilterbankConfig, Frames, Recording, SpeechCorpus, Utterance, read_wav, resample, tones,
};
pub use embedded::{cicero, number_words};
pub use error::DataError;
pub use images::{
    Image, ImageSize, LabelledImage, LabelledImages, PixelConfig, Resample, digits, read_image,
};
pub use labelled::{LabelledRow, LabelledText};
pub use languages::language_words;
pub use metrics::{
    AlignedText, Bleu, BleuScore, Chrf, ClassScores, ConfusionMatrix, Edit, ErrorCounts,
    Prediction, Segment, Tokenization, Transcript, align, brier_score, expected_calibration_error,
};
pub use parallel::{Pair, PairCorpus};
pub use read::{MAX_TEXT_BYTES, read_text};
pub use text::TextCorpus;
pub use tokenizer::{BpeOptions, Merges, SpecialScheme, TextIds, TokenId, Tokenizer};
