//! Everything that can end a command, and the exit code of each.

use hearth_data::DataError;
use hearth_hub::HubError;
use hearth_infer::InferError;
use hearth_train::{RecipeError, TrainError};
use std::path::PathBuf;

/// What ends a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("{backend} has no device {found:?} here, expected one of: {present}")]
    NoDevice {
        found: String,
        backend: &'static str,
        present: String,
    },
    #[error("{backend} does not compute in {found} on {device}; f32 it does")]
    NoPrecision {
        found: &'static str,
        backend: &'static str,
        device: String,
    },
    #[error("{backend} cannot compute here: {problem}\n  to mend it: {remedy}")]
    Unavailable {
        backend: &'static str,
        problem: String,
        remedy: String,
    },
    #[error(
        "{backend} on {device}: {n_cases} of the cases above do not agree with their references"
    )]
    NotEqual {
        backend: &'static str,
        device: String,
        n_cases: usize,
    },
    #[error("{path} already exists: name another folder with --out, or remove it")]
    Exists { path: PathBuf },
    #[error("{path} is a {found} model: {command} needs {expected}")]
    WrongModel {
        path: PathBuf,
        found: &'static str,
        command: &'static str,
        expected: &'static str,
    },
    #[error("{path} has no tokenizer.json: {what}")]
    NoTokenizer { path: PathBuf, what: &'static str },
    #[error("{path} names no {token} in its config.json: {what}")]
    NoToken {
        path: PathBuf,
        token: &'static str,
        what: &'static str,
    },
    #[error("{path}, tensor {name:?}: {problem}")]
    Tensor {
        path: PathBuf,
        name: String,
        problem: String,
    },
    #[error("{path}, line {line}: {error}")]
    Line {
        path: PathBuf,
        line: usize,
        error: InferError,
    },
    #[error("{path}, example {row}: {error}")]
    Row {
        path: PathBuf,
        row: usize,
        error: InferError,
    },
    #[error("{path}: {error}")]
    Recording { path: PathBuf, error: InferError },
    #[error("{path}, line {line}: no tab, expected a source, a tab and a target")]
    NoTab { path: PathBuf, line: usize },
    #[error("{path} has {found}, expected {expected}")]
    Input {
        path: PathBuf,
        found: String,
        expected: &'static str,
    },
    #[error("cannot {action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    #[error("cannot listen for Ctrl-C")]
    Signals(#[source] std::io::Error),
    #[error("stopped; what was written by then is kept")]
    Stopped {
        /// 128 and the number of the signal.
        code: u8,
    },
    #[error("{path} cannot work with {first}: their {what} differ")]
    Unlike {
        path: PathBuf,
        first: PathBuf,
        what: &'static str,
    },
    #[error("cannot start a replica of this program: give --replicas 1")]
    Replica(#[source] std::io::Error),
    #[error(
        "{n} ranks were started to train together, and this program was built without MPI: build it with --features mpi, or \
         start it once (--replicas N trains with several processes of one machine)"
    )]
    WithoutMpi { n: usize },
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Infer(#[from] InferError),
}

impl CliError {
    /// The exit code of the contract.
    pub(crate) fn code(&self) -> u8 {
        const USAGE: u8 = 2;
        const NUMERIC: u8 = 3;
        const CONTENT: u8 = 4;
        const IO: u8 = 5;
        let content_or_io = |is_io| if is_io { IO } else { CONTENT };
        match self {
            Self::Usage(_)
            | Self::NoDevice { .. }
            | Self::Unavailable { .. }
            | Self::NoPrecision { .. }
            | Self::WithoutMpi { .. }
            | Self::Exists { .. } => USAGE,
            Self::Stopped { code } => *code,
            Self::Unlike { .. }
            | Self::WrongModel { .. }
            | Self::NoTokenizer { .. }
            | Self::NoToken { .. }
            | Self::Tensor { .. }
            | Self::NoTab { .. }
            | Self::Input { .. } => CONTENT,
            // All that can go wrong with a picture is its file.
            Self::File { .. }
            | Self::Output(_)
            | Self::Signals(_)
            | Self::Replica(_)
            | Self::Train(TrainError::Plot { .. }) => IO,
            Self::Recipe(error) | Self::Train(TrainError::Recipe(error)) => match error {
                RecipeError::Read { .. } => IO,
                _ => USAGE,
            },
            Self::NotEqual { .. } | Self::Train(TrainError::NotFinite { .. }) => NUMERIC,
            Self::Train(error) => content_or_io(error.is_io()),
            Self::Data(error) => content_or_io(error.is_io()),
            Self::Hub(error) => content_or_io(error.is_io()),
            Self::Infer(InferError::NonFinite { .. })
            | Self::Recording {
                error: InferError::NonFinite { .. },
                ..
            }
            | Self::Line {
                error: InferError::NonFinite { .. },
                ..
            } => NUMERIC,
            // The option is to blame, not the file.
            Self::Recording {
                error: InferError::Option { .. },
                ..
            } => USAGE,
            Self::Recording { .. } | Self::Row { .. } => CONTENT,
            Self::Infer(_) | Self::Line { .. } => USAGE,
        }
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
