//! The options of `convert` and `average`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The model directory, or a GGUF file
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// How to write it
    #[arg(long)]
    pub(crate) to: Target,
    /// Where it goes; a model that is there is replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Larger weights are written in several files: bytes, or a number with KB, MB or GB
    #[arg(long, value_name = "SIZE", default_value = "5GB", value_parser = size)]
    pub(crate) shard_size: u64,
}

/// How a model is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// As the library that the architecture comes from: Hugging Face transformers, or PyTorch
    Hf,
    /// As hearth's own config and names
    Hearth,
}

#[derive(Debug, Args)]
pub(crate) struct Average {
    /// A model directory; given again, the others
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) model: Vec<PathBuf>,
    /// Where the mean goes; a model that is there is replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// `5GB` and the like, in thousands as Hugging Face counts.
fn size(text: &str) -> Result<u64, &'static str> {
    let units = [("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .unwrap_or((text, 1));
    let bytes = number
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit));
    match bytes {
        Some(0) | None => Err("expected a size above 0, such as 5GB, 200MB or 1000000"),
        Some(bytes) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_in_thousands() {
        for (text, expected) in [
            ("5GB", 5_000_000_000),
            ("12 MB", 12_000_000),
            ("7KB", 7000),
            ("9", 9),
        ] {
            assert_eq!(size(text), Ok(expected));
        }
        for text in ["", "0", "GB", "-1", "1.5GB", "5TB", "99999999999GB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
