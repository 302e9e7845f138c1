//! The names of activations.

use hearth_model::Activation;

/// Hugging Face's names; what is written is the first of each.
const NAMES: [(&str, Activation); 8] = [
    ("relu", Activation::Relu),
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
];

/// What a file calls by this name.
pub(super) fn named(name: &str) -> Option<Activation> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|&(_, activation)| activation)
}

/// The name to write.
pub(super) fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::Relu => "relu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_new",
        Activation::Silu => "silu",
    }
}

/// All names, for messages.
pub(super) fn all() -> String {
    let names = NAMES.map(|(name, _)| name).join(", ");
    format!("one of {names}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (_, activation) in NAMES {
            assert_eq!(named(name(activation)), Some(activation));
        }
    }
}
