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
    /// A batch of nothing.
    #[error("{field} is 0, expected at least 1")]
    Zero {
        /// Which size.
        field: &'static str,
    },
}
