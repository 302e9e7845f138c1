//! Why a run could not start or go on.

use crate::group::GroupError;
use crate::recipe::RecipeError;
use hearth_batch::BatchError;
use hearth_data::DataError;
use hearth_hub::HubError;
use std::path::PathBuf;

/// What ends a run.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The data cannot be read or tokenized.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data does not make a batch.
    #[error("no batch can be made from the {split} data")]
    Batch {
        /// Training or validation.
        split: &'static str,
        /// Why.
        source: BatchError,
    },
    /// A model cannot be saved.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file of the run's folder cannot be written or read.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A line of a metrics file is not what it should be.
    #[error("{path}, line {line}: not a metric")]
    Metrics {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// There is nothing to draw.
    #[error("{path} holds no loss to draw: the run has not logged a step yet")]
    NoMetrics {
        /// The file.
        path: PathBuf,
    },
    /// The picture cannot be drawn.
    #[error("cannot draw {path}: {reason}")]
    Plot {
        /// The picture.
        path: PathBuf,
        /// What the drawing library says.
        reason: String,
    },
    /// A checkpoint cannot be written.
    #[error(
        "cannot write checkpoint {path}{}; those before it are whole",
        room(needed)
    )]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// Where the disk is full: about how many bytes it takes.
        needed: Option<u64>,
        /// Why.
        source: Box<TrainError>,
    },
    /// There is nothing to go on from.
    #[error(
        "{path} holds no whole checkpoint: name a run's folder or one of its checkpoints{}",
        list(damaged)
    )]
    NoCheckpoint {
        /// What was named.
        path: PathBuf,
        /// What is wrong with those that are there.
        damaged: Vec<String>,
    },
    /// A checkpoint whose model or optimiser is not the recipe's.
    #[error("cannot go on from {path}")]
    Foreign {
        /// The checkpoint.
        path: PathBuf,
        /// What does not fit.
        source: Box<HubError>,
    },
    /// Processes cannot train together.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Training has diverged.
    #[error(
        "the loss is {loss} at step {step} (gradient norm {gradient_norm}): lower train.lr (now {lr:e}), lengthen \
         train.warmup_steps or set train.clip_norm; the best model so far and the checkpoints are kept"
    )]
    NotFinite {
        /// The step.
        step: u64,
        /// Its loss.
        loss: f64,
        /// Its gradient's norm.
        gradient_norm: f64,
        /// Its learning rate.
        lr: f64,
    },
}

/// What a full disk lacks.
fn room(needed: &Option<u64>) -> String {
    needed.map_or(String::new(), |n_bytes| {
        format!(": the disk is full, and about {n_bytes} bytes are needed")
    })
}

fn list(reasons: &[String]) -> String {
    reasons
        .iter()
        .fold(String::new(), |text, reason| text + "\n  " + reason)
}

impl TrainError {
    /// A file of the run's folder that cannot be written or read.
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

    /// Whether the cause is the file system rather than the content of a file.
    pub fn is_io(&self) -> bool {
        match self {
            Self::Data(error) => error.is_io(),
            Self::Hub(error) => error.is_io(),
            Self::File { .. } => true,
            Self::Checkpoint { source, .. } => source.is_io(),
            Self::Group(error) => matches!(error, GroupError::Gone { .. } | GroupError::Board(_)),
            Self::Foreign { source, .. } => source.is_io(),
            _ => false,
        }
    }
}
