//! The time of a run, and its rates.

use crate::event::Progress;
use std::time::{Duration, Instant};

/// The time spent training; validation and saving are not counted in rates.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    resumed: Instant,
    /// Training time before `resumed`, and what else there was before `began`.
    before: Duration,
    earlier: Duration,
    n_tokens: usize,
    /// Seconds a step, smoothed.
    pace: Option<f64>,
    last_step: f64,
    rate: f64,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self::go_on(0.0, 0.0, 0)
    }

    /// Goes on from so many seconds since the beginning, of which so many in training steps, over so many tokens.
    pub(super) fn go_on(seconds: f64, training: f64, n_tokens: usize) -> Self {
        let now = Instant::now();
        let duration = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Self {
            began: now,
            resumed: now,
            before: duration(training),
            earlier: duration(seconds),
            n_tokens,
            pace: None,
            last_step: training,
            rate: 0.0,
        }
    }

    pub(super) fn training(&self) -> f64 {
        (self.before + self.resumed.elapsed()).as_secs_f64()
    }

    /// Since training began, over all parts of the run.
    pub(super) fn duration(&self) -> Duration {
        self.earlier + self.began.elapsed()
    }

    pub(super) fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    pub(super) fn seconds(&self) -> f64 {
        self.duration().as_secs_f64()
    }

    pub(super) fn pause(&mut self) {
        self.before += self.resumed.elapsed();
        self.resumed = Instant::now();
    }

    pub(super) fn resume(&mut self) {
        self.resumed = Instant::now();
    }

    /// A step over `n_tokens` tokens is done.
    pub(super) fn count(&mut self, n_tokens: usize) {
        let now = self.training();
        let seconds = (now - self.last_step).max(1e-9);
        self.last_step = now;
        self.n_tokens += n_tokens;
        let smooth = |old: f64, new: f64| 0.95 * old + 0.05 * new;
        let rate = n_tokens as f64 / seconds;
        self.rate = self.pace.map_or(rate, |_| smooth(self.rate, rate));
        self.pace = Some(self.pace.map_or(seconds, |pace| smooth(pace, seconds)));
    }

    pub(super) fn tokens_per_s(&self) -> f64 {
        self.n_tokens as f64 / self.last_step.max(1e-9)
    }

    pub(super) fn progress(&self, step: u64, steps: u64, loss: f64) -> Progress {
        let left = (steps - step) as f64 * self.pace.unwrap_or(0.0);
        Progress {
            step,
            steps,
            loss,
            tokens_per_s: self.rate,
            remaining: Duration::from_secs_f64(left),
        }
    }
}
