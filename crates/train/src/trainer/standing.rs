//! Where a run stands, besides its model and its optimiser.

use super::clock::Clock;
use crate::checkpoint::{FORMAT, PlateauState, SkippedState, TrainerState, WindowState};
use crate::metrics::{Metric, Split, unix_time};
use crate::objective::Evaluation;
use crate::recipe::TrainRecipe;
use crate::update::Update;

/// What a run knows of itself between two steps.
#[derive(Debug)]
pub(super) struct Standing {
    /// Steps done.
    pub(super) step: u64,
    /// The best validation, and after how many steps.
    pub(super) best: Option<(Evaluation, u64)>,
    pub(super) last: Evaluation,
    pub(super) skipped: SkippedState,
    pub(super) plateau: PlateauState,
    pub(super) clock: Clock,
    window: Window,
}

impl Standing {
    pub(super) fn at_the_beginning() -> Self {
        Self {
            step: 0,
            best: None,
            last: Evaluation::default(),
            skipped: SkippedState::default(),
            plateau: PlateauState::default(),
            clock: Clock::start(),
            window: Window::default(),
        }
    }

    pub(super) fn at(state: &TrainerState) -> Self {
        Self {
            step: state.step,
            best: state.best.map(|(best, step)| (best.into(), step)),
            last: state.last.into(),
            skipped: state.skipped,
            plateau: state.plateau,
            clock: Clock::go_on(state.seconds, state.seconds_training, state.n_tokens),
            window: Window {
                sums: state.window,
                since: state.seconds_training,
            },
        }
    }

    /// - `seed`, `data`: what the run depends on
    /// - `n_updates`: of the optimiser
    pub(super) fn state(
        &self,
        seed: u64,
        data: &str,
        n_updates: u64,
        metrics_bytes: u64,
    ) -> TrainerState {
        TrainerState {
            format: FORMAT,
            step: self.step,
            seed,
            n_updates,
            data: data.to_owned(),
            best: self.best.map(|(best, step)| (best.into(), step)),
            last: self.last.into(),
            window: self.window.sums,
            skipped: self.skipped,
            plateau: self.plateau,
            loss_scale: None,
            n_tokens: self.clock.n_tokens(),
            seconds: self.clock.seconds(),
            seconds_training: self.clock.training(),
            metrics_bytes,
        }
    }

    /// Whether all steps are done, or no validation of the last `patience` was the best.
    pub(super) fn is_over(&self, recipe: &TrainRecipe) -> bool {
        let waited = self.best.map_or(0, |(_, step)| self.step - step);
        let is_patient = match recipe.patience {
            0 => true,
            patience => waited < patience.saturating_mul(recipe.validate_every),
        };
        self.step >= recipe.steps || !is_patient
    }

    /// A step is done.
    pub(super) fn count(&mut self, update: &Update) {
        self.step += 1;
        self.clock.count(update.n_tokens);
        let sums = &mut self.window.sums;
        if update.is_skipped() {
            self.skipped.total += 1;
            self.skipped.in_a_row += 1;
            sums.n_skipped += 1;
        } else {
            self.skipped.in_a_row = 0;
            sums.nll += update.loss * update.n_tokens as f64;
            sums.n_tokens += update.n_tokens;
        }
    }

    /// A line of the metrics over the steps since the last one; none if all of them were skipped.
    pub(super) fn line(&mut self, update: &Update) -> Option<Metric> {
        let WindowState {
            nll,
            n_tokens,
            n_skipped,
        } = self.window.sums;
        if n_tokens == 0 {
            return None;
        }
        let training = self.clock.training();
        let n_tokens = n_tokens as f64;
        let metric = Metric {
            step: self.step,
            split: Split::Train,
            loss: nll / n_tokens,
            lr: Some(update.lr),
            gradient_norm: Some(update.gradient_norm).filter(|norm| norm.is_finite()),
            tokens_per_s: Some(n_tokens / (training - self.window.since).max(1e-9)),
            skipped: Some(n_skipped).filter(|&n_skipped| n_skipped > 0),
            perplexity: None,
            accuracy: None,
            seconds: self.clock.seconds(),
            time: Some(unix_time()),
        };
        self.window = Window {
            since: training,
            ..Window::default()
        };
        Some(metric)
    }

    /// The validation data was gone through: its line of the metrics, and whether it is the best so far.
    pub(super) fn validated(
        &mut self,
        evaluation: Evaluation,
        recipe: &TrainRecipe,
    ) -> (Metric, bool) {
        let loss = evaluation.loss();
        let is_best = self.best.is_none_or(|(best, _)| loss < best.loss());
        let plateau = &mut self.plateau;
        plateau.waited += 1;
        if is_best {
            self.best = Some((evaluation, self.step));
            plateau.waited = 0;
        } else if plateau.waited > recipe.plateau_patience {
            plateau.waited = 0;
            plateau.n_reductions += 1;
        }
        self.last = evaluation;
        let metric = Metric {
            step: self.step,
            split: Split::Validation,
            loss,
            lr: None,
            gradient_norm: None,
            tokens_per_s: None,
            skipped: None,
            perplexity: Some(evaluation.perplexity()),
            accuracy: evaluation.accuracy(),
            seconds: self.clock.seconds(),
            time: Some(unix_time()),
        };
        (metric, is_best)
    }
}

/// Losses and tokens since the last line of the metrics.
#[derive(Debug, Default)]
struct Window {
    sums: WindowState,
    /// Seconds of training before it.
    since: f64,
}
