//! What can be wrong with a configuration that came from a user.

/// A configuration that no model can be built from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Attention splits the width evenly among its heads.
    #[error(
        "d_model {d_model} is not divisible by n_heads {n_heads}: every head needs the same whole width"
    )]
    HeadsDoNotDivide {
        /// The width of the model.
        d_model: usize,
        /// The number of attention heads.
        n_heads: usize,
    },
    /// A size that must be at least one.
    #[error("{field} is 0, expected at least 1")]
    Zero {
        /// The name of the field.
        field: &'static str,
    },
    /// A stream that grows without end, or vanishes.
    #[error("residual_scale is {scale}, expected {expected}")]
    ResidualScale {
        /// What was given.
        scale: f64,
        /// What is expected.
        expected: &'static str,
    },
    /// More tokens than a model has vectors for.
    #[error("the vocabulary is {found}, and {needed} tokens are needed")]
    Vocab {
        /// Tokens of the model.
        found: usize,
        /// Tokens of the data.
        needed: usize,
    },
    /// A probability outside `[0, 1)`.
    #[error("{field} is {value}, expected a rate of at least 0 and below 1")]
    Rate {
        /// The name of the field.
        field: &'static str,
        /// What was given.
        value: f64,
    },
    /// Sinusoids come in pairs of sine and cosine.
    #[error("d_model {d_model} is odd, but sinusoidal positions need an even width")]
    OddWidth {
        /// The width of the model.
        d_model: usize,
    },
    /// Positions where a state is fed tokens in order.
    #[error("embedding.positions is given, but a recurrent network needs none: expected none")]
    Positions,
    /// A network that reads from the end cannot write.
    #[error("rnn.two_way is true, but a model that writes reads from the beginning only")]
    TwoWay,
    /// A decoder starts from the states of its encoder.
    #[error("the encoder and the decoder differ in kind or n_layers, expected the same of both")]
    Cells,
    /// Fairseq's frequencies go from a first to a last.
    #[error(
        "d_model {d_model} leaves fairseq's sinusoids one frequency, expected a width of at least 4"
    )]
    OneFrequency {
        /// The width of the model.
        d_model: usize,
    },
    /// The middle of a kernel stands on a frame, or on a token.
    #[error("{field}: a kernel of {kernel} has no middle, expected an odd width")]
    EvenKernel {
        /// The name of the field.
        field: &'static str,
        /// Its width.
        kernel: usize,
    },
    /// A gate takes half of the channels.
    #[error("d_hidden {d_hidden} is odd, but gates take half of the channels")]
    OddGate {
        /// The width of the convolutions.
        d_hidden: usize,
    },
    /// Each layer of a subsampling halves the frames.
    #[error("kernels has {found} entries, expected 1 to {limit}")]
    Kernels {
        /// How many there are.
        found: usize,
        /// The most there may be.
        limit: usize,
    },
    /// An image is cut into whole patches.
    #[error("{field} {size} is not divisible by the patch's side of {patch}")]
    Patches {
        /// The name of the field.
        field: &'static str,
        /// The image's side.
        size: usize,
        /// The patch's side.
        patch: usize,
    },
    /// Rotary positions turn channels in pairs.
    #[error("d_head {d_head} is odd, but rotary positions turn channels in pairs")]
    OddHead {
        /// The width of a head.
        d_head: usize,
    },
    /// Each head of keys and values serves as many heads of queries.
    #[error("n_heads {n_heads} is not divisible by n_kv_heads {n_kv_heads}")]
    Groups {
        /// Heads of queries.
        n_heads: usize,
        /// Heads of keys and values.
        n_kv_heads: usize,
    },
    /// A number that must be finite and more than zero.
    #[error("{field} is {value}, expected a finite number above 0")]
    NotPositive {
        /// The name of the field.
        field: &'static str,
        /// What was given.
        value: f64,
    },
    /// A stack that looks at an encoder where there is none, or does not where there is one.
    #[error("{field} is {found}, expected {}", !found)]
    CrossAttention {
        /// The name of the field.
        field: &'static str,
        /// What was given.
        found: bool,
    },
    /// Two parts of a model that must be equally wide.
    #[error("{field} is {found}, but the model is {expected} wide")]
    Width {
        /// The name of the field.
        field: &'static str,
        /// What was given.
        found: usize,
        /// The width of the model.
        expected: usize,
    },
}

/// Refuses cross-attention where it does not belong, and its absence where it does.
pub(crate) fn cross_attention(
    field: &'static str,
    found: bool,
    expected: bool,
) -> Result<(), ConfigError> {
    if found == expected {
        return Ok(());
    }
    Err(ConfigError::CrossAttention { field, found })
}

/// Refuses a size of zero.
pub(crate) fn at_least_one(field: &'static str, size: usize) -> Result<(), ConfigError> {
    if size == 0 {
        return Err(ConfigError::Zero { field });
    }
    Ok(())
}

/// Refuses a rate outside `[0, 1)`, and NaN.
pub(crate) fn rate(field: &'static str, value: f64) -> Result<(), ConfigError> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Rate { field, value })
}
