//! Why no batch can be made.

/// Data that no batch can be made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A text shorter than one window.
    #[error(
        "the text has {n_tokens} tokens, expected at least {expected}: one window of {seq} and the token after it"
    )]
    TooShort {
        /// Tokens in the text.
        n_tokens: usize,
        /// Tokens needed.
        expected: usize,
        /// Tokens in a window.
        seq: usize,
    },
    /// No sentence pair at all.
    #[error("there is no sentence pair to make a batch from")]
    NoPairs,
    /// No recording at all.
    #[error("there is no recording to make a batch from")]
    NoRecordings,
    /// No labelled item at all.
    #[error("there is nothing with a class to make a batch from")]
    NoItems,
    /// Images of which not every number is there.
    #[error("the images have {found} numbers, expected {expected}")]
    Pixels {
        /// Numbers in all.
        found: usize,
        /// Images times channels times rows times columns.
        expected: usize,
    },
    /// A batch of nothing.
    #[error("{field} is 0, expected at least 1")]
    Zero {
        /// Which size.
        field: &'static str,
    },
}
