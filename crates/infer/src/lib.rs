//! Writing with and scoring by any autoregressive model.
//!
//! There is one loop, [`decode`], over [`hearth_model::Autoregressive`]: greedy decoding, sampling and beam search differ
//! only in how they choose. [`generate`] and [`translate`] feed it prompts and sources of different lengths as one batch,
//! [`transcribe`] feeds it sound; [`score_text`] and [`score_pairs`] say how likely given text is. A result does not
//! depend on what else is in the batch (of sound: where no recording is padded). Models that read and do not write are asked
//! by [`embed`], [`classify`], [`classify_images`] and [`fill_mask`]. [`self_attention`] and [`cross_attention`] tell where
//! a model looks, and [`token_labels`] what each token is called in a picture of it.
//!
//! ```
//! use burn_flex::Flex;
//! use hearth_infer::{DecodeOptions, Finish, Sampling, Strategy, generate};
//! use hearth_model::GptConfig;
//! use std::ops::ControlFlow;
//!
//! # fn main() -> Result<(), hearth_infer::InferError> {
//! let device = Default::default();
//! let gpt = GptConfig::tiny(65).init::<Flex>(&device);
//! let sampling = Sampling {
//!     temperature: 0.8,
//!     top_k: Some(20),
//!     ..Sampling::new(1)
//! };
//! let options = DecodeOptions::new(Strategy::Sample(sampling), 8);
//! let prompts = [vec![1, 2, 3], vec![4]];
//! let texts = generate(&gpt, &prompts, &options, &device, &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(texts.len(), 2);
//! assert_eq!(texts[1][0].ids.len(), 8);
//! assert_eq!(texts[1][0].finish, Finish::Length);
//! # Ok(())
//! # }
//! ```

mod attention;
mod beam;
mod chain;
mod decode;
mod encoders;
mod ensemble;
mod error;
mod logits;
mod options;
mod prompts;
mod rules;
mod sampling;
mod score;
mod shared_prefix;
mod speculative;
mod stop;
mod stream;
mod task;
mod token_labels;
mod transcribe;

pub use attention::{AttentionChoice, AttentionMap, cross_attention, self_attention};
pub use decode::{PromptText, Prompts, decode};
pub use encoders::{
    Guess, MaskGuesses, classify, classify_images, embed, fill_mask, likeliest, mix_classes,
};
pub use ensemble::{
    ConditionalEnsemble, ConditionalMember, Ensemble, EnsembleState, LanguageEnsemble,
    LanguageMember, Member, Mixture, Running, SpeechEnsemble,
};
pub use error::InferError;
pub use hearth_batch::PairTokens;
pub use options::{
    BeamSearch, DecodeOptions, EarlyStopping, Finish, Hypothesis, Sampling, Strategy, TokenEvent,
};
pub use prompts::{TokenSource, generate, translate};
pub use rules::Rules;
pub use sampling::Distribution;
pub use score::{Score, ScoreWindow, TokenScores, score_pairs, score_text, score_text_observed};
pub use shared_prefix::SharedPrefix;
pub use speculative::{Acceptance, speculate};
pub use stop::StopStrings;
pub use stream::TextStream;
pub use token_labels::token_labels;
pub use transcribe::transcribe;
