//! The objectives, one architecture each.

mod classification;
mod epochs;
mod language_modelling;
mod masked_lm;
mod speech_recognition;
mod translation;

pub use classification::Classification;
pub use language_modelling::LanguageModelling;
pub use masked_lm::MaskedModelling;
pub use speech_recognition::{SpeechRecognition, SpeechWeights};
pub use translation::{PairLoss, Translation};
