//! What can be wrong with a model directory that came from a user.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use hearth_data::{DataError, TokenId};
use hearth_model::ConfigError;

/// Everything that can go wrong between a directory and a model: where, what was found, what was expected.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The system does not let a file or directory be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing that a model directory begins with.
    #[error(
        "there is no model at {}: {}\n  to mend it: {}",
        path.display(),
        if *is_there { "it has no config.json" } else { "there is no such folder" },
        remedy(nearest.as_deref())
    )]
    NoModel {
        /// Where one was looked for.
        path: PathBuf,
        /// A model directory in it.
        nearest: Option<PathBuf>,
        /// Whether that is a folder.
        is_there: bool,
    },
    /// A `config.json` that is no JSON.
    #[error("{} is not JSON", path.display())]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
    /// A field that does not hold what it should.
    #[error("{}: the field {field:?} cannot be used", path.display())]
    ConfigField {
        /// The file.
        path: PathBuf,
        /// The name of the field.
        field: String,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
    /// A field that asks for what hearth does not do.
    #[error("{}: {field} is {found}, expected {expected}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The name of the field.
        field: String,
        /// What the field holds.
        found: String,
        /// What it may hold.
        expected: String,
    },
    /// Numbers that fit no model.
    #[error("no model can be built from {}", path.display())]
    Config {
        /// The file, or the directory that was to be written.
        path: PathBuf,
        /// What does not fit.
        source: ConfigError,
    },
    /// A file or a number in it is larger than anything sensible, or than what stands beside it.
    #[error("{}: {what} is {found}, expected at most {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: String,
        /// How large it is.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The header of a safetensors file does not parse, or contradicts itself.
    #[error("{} has no usable safetensors header", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A safetensors file is not as long as its header says: cut short, or followed by something.
    #[error("{} is {found} bytes long, expected {expected}: the file is damaged or cut short", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length that its header asks for; at least so much, where the header itself is cut.
        expected: u64,
    },
    /// The tensors of a file are not those of the model that its config describes.
    #[error("{} does not hold the tensors of its config.json: {}", path.display(), names(missing, unexpected))]
    Names {
        /// The file.
        path: PathBuf,
        /// All tensors the model needs and the file lacks.
        missing: Vec<String>,
        /// All tensors of the file that the model has no use for.
        unexpected: Vec<String>,
    },
    /// A tensor of another shape than the config asks for.
    #[error("{}: tensor {tensor:?} has shape {found:?}, expected {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the config asks for.
        expected: Vec<usize>,
    },
    /// A tensor of numbers that are not read.
    #[error("{}: tensor {tensor:?} has type {found}, expected {expected}", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
        /// The types that are read.
        expected: &'static str,
    },
    /// A weight that is NaN.
    #[error("{}: tensor {tensor:?} holds NaN, expected numbers", path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A link that leads to itself, or to nothing.
    #[error("{} is a link that leads nowhere", path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An index of shards that is none.
    #[error("{} is no index of shards", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
    /// An index whose shards hold other tensors than it says, or are not there.
    #[error("{} does not say what its shards hold: {}", path.display(), names(missing, unexpected))]
    Shards {
        /// The index.
        path: PathBuf,
        /// All that it says and that is not so: tensors with their shards, and shards.
        missing: Vec<String>,
        /// All tensors, with their shards, of which it does not say that they are there.
        unexpected: Vec<String>,
    },
    /// A tokenizer that makes ids the model has no row for.
    #[error(
        "{} has tokens up to id {}, but {} describes a model of {vocab} tokens",
        path.display(), found.saturating_sub(1), config_path.display()
    )]
    Vocabulary {
        /// The tokenizer's file.
        path: PathBuf,
        /// How many rows it needs.
        found: usize,
        /// The model's file.
        config_path: PathBuf,
        /// How many rows there are.
        vocab: usize,
    },
    /// A list of tokens that no tokenizer can be made of.
    #[error("{}: {field} is no list of tokens", path.display())]
    Vocabularies {
        /// The file.
        path: PathBuf,
        /// The name of the field.
        field: String,
        /// What is wrong with it.
        source: Box<DataError>,
    },
    /// A special token that the model has no row for.
    #[error("{}: {field} is {found}, expected an id below the vocabulary's size of {vocab}", path.display())]
    SpecialToken {
        /// The file.
        path: PathBuf,
        /// The name of the field.
        field: &'static str,
        /// The id.
        found: TokenId,
        /// The size of the vocabulary.
        vocab: usize,
    },
    /// A `tokenizer.json` that cannot be used.
    #[error("cannot use the tokenizer {}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DataError,
    },
    /// Models that are to become one, and that are not of one kind.
    #[error("{} differs from {}: {}", path.display(), first.display(), differences.join("; "))]
    Different {
        /// The directory that differs.
        path: PathBuf,
        /// The directory that it should be like.
        first: PathBuf,
        /// All that it has, and what it should have.
        differences: Vec<String>,
    },
    /// None but our own dialect has words for a model.
    #[error("only the dialect \"hearth\" can express this model: {}", reasons.join("; "))]
    OnlyHearth {
        /// What each of the others lacks words for.
        reasons: Vec<String>,
    },
    /// A dialect has no words for a model.
    #[error(
        "{dialect} cannot express {field} = {found}, it needs {expected}; the dialect \"hearth\" can"
    )]
    Inexpressible {
        /// The dialect's name.
        dialect: &'static str,
        /// What of our config it has no words for.
        field: String,
        /// What the config says.
        found: String,
        /// What the dialect could say.
        expected: String,
    },
    /// A model that is not what its config describes.
    #[error(
        "cannot save to {}: its config describes other parameters than the model has: {}",
        path.display(), names(missing, unexpected)
    )]
    OtherModel {
        /// The directory that was to be written.
        path: PathBuf,
        /// Parameters (with shapes) of the config that the model lacks.
        missing: Vec<String>,
        /// Parameters (with shapes) of the model that the config lacks.
        unexpected: Vec<String>,
    },
    /// A directory that holds something else than a model must not be replaced by one.
    #[error("will not replace {}: {found}, expected nothing, an empty directory or a model directory", path.display())]
    Occupied {
        /// What was to be replaced.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
}

impl HubError {
    /// Whether the system, not the content of a file, is to blame: a missing file, a permission, a full disk.
    ///
    /// The command line exits with 5 if so, with 4 (bad model or data file) otherwise.
    pub fn is_io(&self) -> bool {
        match self {
            Self::Io { .. } | Self::NoModel { .. } | Self::Occupied { .. } => true,
            Self::Tokenizer { source, .. } => source.is_io(),
            _ => false,
        }
    }

    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        Self::io("read", path, source)
    }

    pub(crate) fn writing(path: &Path, source: io::Error) -> Self {
        Self::io("write", path, source)
    }

    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}

fn remedy(nearest: Option<&Path>) -> String {
    match nearest {
        Some(nearest) => format!("give {}", nearest.display()),
        None => "give a folder with a config.json and a model.safetensors, as `train` leaves at runs/NAME/best".to_owned(),
    }
}

/// All names, escaped: they come from a stranger's file. A file of a hundred thousand wrong names gets cut.
fn names(missing: &[String], unexpected: &[String]) -> String {
    const MOST: usize = 200;
    let mut text = String::new();
    for (kind, names) in [("missing", missing), ("unexpected", unexpected)] {
        if names.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str("; ");
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{} {kind}: ", names.len());
        let shown: Vec<_> = names
            .iter()
            .take(MOST)
            .map(|name| format!("{name:?}"))
            .collect();
        text.push_str(&shown.join(", "));
        if names.len() > MOST {
            let _ = write!(text, " and {} more", names.len() - MOST);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_names_error_lists_all_of_both_kinds() {
        let error = HubError::Names {
            path: "model.safetensors".into(),
            missing: vec!["a".into(), "b".into()],
            unexpected: vec!["c\u{1b}[0m".into()],
        };
        assert_eq!(
            error.to_string(),
            "model.safetensors does not hold the tensors of its config.json: 2 missing: \"a\", \"b\"; \
             1 unexpected: \"c\\u{1b}[0m\""
        );
    }

    #[test]
    fn a_missing_file_is_io_and_a_cut_one_is_not() {
        let missing = HubError::reading(Path::new("a"), io::ErrorKind::NotFound.into());
        assert!(missing.is_io());
        let cut = HubError::Length {
            path: "a".into(),
            found: 3,
            expected: 8,
        };
        assert!(!cut.is_io());
    }
}
