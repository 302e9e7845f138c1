//! The objectives, one architecture each.

mod language_modelling;
mod translation;

pub use language_modelling::LanguageModelling;
pub use translation::Translation;
