//! The objectives, one architecture each.

mod epochs;
mod language_modelling;
mod speech_recognition;
mod translation;

pub use language_modelling::LanguageModelling;
pub use speech_recognition::{SpeechRecognition, SpeechWeights};
pub use translation::{PairLoss, Translation};
