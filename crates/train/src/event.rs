//! What a run tells while it goes on, what it can be asked for, and how it ended.

use crate::objective::Evaluation;
use std::path::PathBuf;
use std::time::Duration;

/// What an observer hears of.
#[derive(Debug, Clone)]
pub enum Event {
    /// Training is about to begin.
    Started {
        /// Parameters of the model.
        n_parameters: usize,
        /// How many numbers are trained: fewer where parameters are frozen or adapted.
        n_trained: usize,
        /// What the data is, for people.
        data: String,
        /// The run's folder.
        folder: PathBuf,
    },
    /// A checkpoint was passed over: it is not whole.
    Damaged {
        /// Its folder.
        checkpoint: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no checkpoint to go on from, which was left open: training begins anew.
    Afresh,
    /// Training goes on from a checkpoint.
    Resumed {
        /// Steps done before.
        step: u64,
        /// Where from.
        checkpoint: PathBuf,
    },
    /// A step is done.
    Step(Progress),
    /// The loss or the gradient of a step was not finite: no weight was changed.
    Skipped {
        /// Steps done, this one included.
        step: u64,
        /// The loss of the step.
        loss: f64,
        /// The norm of its gradient.
        gradient_norm: f64,
        /// Steps skipped one behind the other, up to this one.
        in_a_row: u64,
    },
    /// A checkpoint was written.
    Saved {
        /// Steps done.
        step: u64,
        /// Where.
        checkpoint: PathBuf,
    },
    /// The validation data has been gone through.
    Validated {
        /// Updates made so far.
        step: u64,
        /// The loss.
        evaluation: Evaluation,
        /// Whether it is the best so far, and so was saved.
        best: bool,
    },
}

/// Where training stands.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Updates made so far.
    pub step: u64,
    /// Updates to make.
    pub steps: u64,
    /// The loss of the step.
    pub loss: f64,
    /// Target tokens a second, lately.
    pub tokens_per_s: f64,
    /// Time left at that rate.
    pub remaining: Duration,
}

/// What a run is asked for between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Nothing: go on.
    Continue,
    /// A checkpoint now.
    Save,
    /// A checkpoint now, and the end.
    Stop,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The best validation; of no token where the run was stopped before the first.
    pub best: Evaluation,
    /// Steps done before the best validation.
    pub best_step: u64,
    /// The last validation; of no token where the run was stopped before the first.
    pub last: Evaluation,
    /// From the first step to the last saved model; of all parts of a run that was stopped and resumed.
    pub duration: Duration,
    /// Target tokens a second over all training steps.
    pub tokens_per_s: f64,
    /// Steps done: fewer than the recipe has where the run was stopped, or patience was over.
    pub steps: u64,
    /// Of which so many were skipped, because their loss or gradient was not finite.
    pub n_skipped: u64,
    /// Steps done when the run was asked to stop before its end; a checkpoint is there.
    pub stopped_at: Option<u64>,
    /// The run's folder.
    pub folder: PathBuf,
}
