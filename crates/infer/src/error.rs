//! What can be wrong with a request to decode or score, or with what a model answers.

use hearth_data::TokenId;

/// Why a text cannot be decoded or scored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InferError {
    /// A prompt that leaves no room for a new token.
    #[error(
        "prompt {prompt} has {found} tokens, but the model has {max_positions} positions: at most {} tokens leave room for a new one",
        max_positions.saturating_sub(1)
    )]
    PromptTooLong {
        /// Which prompt of the batch.
        prompt: usize,
        /// Its tokens.
        found: usize,
        /// The model's positions.
        max_positions: usize,
    },
    /// A sequence that is only read, and yet longer than the model's positions.
    #[error(
        "{what} {row} has {found} tokens, but the model has {max_positions} positions: shorten it"
    )]
    TooLong {
        /// What it is: a source, a target.
        what: &'static str,
        /// Which one of the batch.
        row: usize,
        /// Its tokens.
        found: usize,
        /// The model's positions.
        max_positions: usize,
    },
    /// A recording that is longer than what a model reads.
    #[error("a recording has {found} frames, but the model reads at most {max_frames}: cut it")]
    TooManyFrames {
        /// Its frames.
        found: usize,
        /// The most frames.
        max_frames: usize,
    },
    /// Frames of another width than the model's.
    #[error("a frame has {found} mels, but the model reads {n_mels}")]
    FrameWidth {
        /// The numbers of a frame.
        found: usize,
        /// What the model reads.
        n_mels: usize,
    },
    /// An image of another size than the model's.
    #[error("image {row} has {found} numbers, but the model reads {expected}")]
    ImageSize {
        /// Which one of the batch.
        row: usize,
        /// Its numbers: channels times rows times columns.
        found: usize,
        /// What the model reads.
        expected: usize,
    },
    /// A sequence without a token, where a model needs at least one.
    #[error("{what} {row} is empty, expected at least one token")]
    Empty {
        /// What it is: a prompt, a source.
        what: &'static str,
        /// Which one of the batch.
        row: usize,
    },
    /// A token that the model does not know.
    #[error("token id {id} is outside the model's vocabulary of {vocab}")]
    UnknownToken {
        /// The token.
        id: TokenId,
        /// How many tokens the model knows.
        vocab: usize,
    },
    /// An option that nothing can be decoded with.
    #[error("{field} is {found}, expected {expected}")]
    Option {
        /// The name of the field.
        field: &'static str,
        /// What was given.
        found: f64,
        /// What would do.
        expected: &'static str,
    },
    /// A model whose logits are not numbers: it has diverged, or its weights are damaged.
    #[error(
        "the model's prediction for sequence {row} behind {n_tokens} tokens is not finite: its weights are damaged or its training diverged"
    )]
    NonFinite {
        /// Which sequence of the batch.
        row: usize,
        /// How many tokens the prediction stands behind.
        n_tokens: usize,
    },
    /// Rules that leave nothing to write.
    #[error(
        "the rules forbid every token behind the {n_tokens} tokens of sequence {row}: allow more (bad words, no_repeat_ngram, min_new_tokens)"
    )]
    NothingAllowed {
        /// Which sequence of the batch.
        row: usize,
        /// How many tokens it has.
        n_tokens: usize,
    },
    /// Models that cannot write or score together.
    #[error(
        "model {index} has {found} {what}, but the first has {expected}: models that work together must agree"
    )]
    Ensemble {
        /// Which model, from 0.
        index: usize,
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many the first has.
        expected: usize,
    },
}

/// Refuses sequences with a token that the model does not know.
pub(crate) fn known_tokens(ids: &[TokenId], vocab: usize) -> Result<(), InferError> {
    match ids.iter().find(|&&id| id as usize >= vocab) {
        Some(&id) => Err(InferError::UnknownToken { id, vocab }),
        None => Ok(()),
    }
}

/// Refuses an option unless `right`.
pub(crate) fn option(
    right: bool,
    field: &'static str,
    found: f64,
    expected: &'static str,
) -> Result<(), InferError> {
    if right {
        return Ok(());
    }
    Err(InferError::Option {
        field,
        found,
        expected,
    })
}
