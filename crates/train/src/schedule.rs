//! The learning rate as a function of the step.

use crate::recipe::{ScheduleKind, TrainRecipe};
use std::f64::consts::PI;

/// A learning-rate schedule: linear warm-up, then a fall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    peak: f64,
    min: f64,
    warmup_steps: u64,
    steps: u64,
    factor: f64,
    n_reductions: u32,
}

impl Schedule {
    /// The schedule a recipe asks for.
    pub fn new(recipe: &TrainRecipe) -> Self {
        Self {
            kind: recipe.schedule,
            peak: recipe.lr,
            min: recipe.min_lr(),
            warmup_steps: recipe.warmup_steps,
            steps: recipe.steps,
            factor: recipe.plateau_factor,
            n_reductions: 0,
        }
    }

    /// The same behind so many plateaus.
    #[must_use]
    pub fn reduced(self, n_reductions: u32) -> Self {
        Self {
            n_reductions,
            ..self
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        if self.kind == ScheduleKind::OneCycle {
            return self.one_cycle(step);
        }
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.kind {
            ScheduleKind::Constant | ScheduleKind::OneCycle => self.peak,
            ScheduleKind::Plateau => {
                let reduced = self.peak * self.factor.powf(f64::from(self.n_reductions));
                reduced.max(self.min.min(self.peak))
            }
            ScheduleKind::Cosine => half_a_cosine(self.peak, self.min, self.share(step)),
            ScheduleKind::Linear => self.peak + self.share(step) * (self.min - self.peak),
            // Vaswani et al. 2017, §5.3, by its peak rather than by the width of the model.
            ScheduleKind::InverseSquareRoot => {
                let warmup = self.warmup_steps.max(1) as f64;
                (self.peak * (warmup / (step + 1) as f64).sqrt()).min(self.peak)
            }
        }
    }

    /// How much of the steps behind the warm-up is over.
    fn share(&self, step: u64) -> f64 {
        let span = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
        ((step - self.warmup_steps) as f64 / span).min(1.0)
    }

    /// Smith and Topin 2018 <https://arxiv.org/abs/1708.07120>, as `torch.optim.lr_scheduler.OneCycleLR` has it with its
    /// defaults: the last step of the warm-up has the peak, the last of all the minimum.
    fn one_cycle(&self, step: u64) -> f64 {
        let top = self.warmup_steps.saturating_sub(1);
        if step < top {
            let share = step as f64 / top as f64;
            return half_a_cosine(self.peak / 25.0, self.peak, share);
        }
        let span = self.steps.saturating_sub(1).saturating_sub(top).max(1) as f64;
        let share = ((step - top) as f64 / span).min(1.0);
        half_a_cosine(self.peak, self.min, share)
    }
}

/// From one number to another, slowly at both ends.
fn half_a_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + 0.5 * (1.0 + (PI * share).cos()) * (from - to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind) -> Schedule {
        Schedule {
            kind,
            peak: 1e-3,
            min: 1e-4,
            warmup_steps: 10,
            steps: 110,
            factor: 0.5,
            n_reductions: 0,
        }
    }

    #[test]
    fn warm_up_rises_to_the_peak_in_equal_steps() {
        for kind in [
            ScheduleKind::Constant,
            ScheduleKind::Cosine,
            ScheduleKind::InverseSquareRoot,
            ScheduleKind::Linear,
        ] {
            let schedule = schedule(kind);
            assert!((schedule.lr(0) - 1e-4).abs() < 1e-12);
            assert!((schedule.lr(4) - 5e-4).abs() < 1e-12);
            assert!((schedule.lr(9) - 1e-3).abs() < 1e-12);
        }
    }

    #[test]
    fn cosine_is_half_way_at_half_time_and_stays_at_the_minimum() {
        let schedule = schedule(ScheduleKind::Cosine);
        assert!((schedule.lr(60) - 5.5e-4).abs() < 1e-12);
        assert!((schedule.lr(110) - 1e-4).abs() < 1e-12);
        assert!((schedule.lr(500) - 1e-4).abs() < 1e-12);
    }

    #[test]
    fn linear_is_half_way_at_half_time_and_stays_at_the_minimum() {
        let schedule = schedule(ScheduleKind::Linear);
        for (step, expected) in [
            (10, 1e-3),
            (60, 5.5e-4),
            (85, 3.25e-4),
            (110, 1e-4),
            (500, 1e-4),
        ] {
            assert!((schedule.lr(step) - expected).abs() < 1e-12, "{step}");
        }
    }

    #[test]
    fn one_cycle_rises_and_falls_along_cosines() {
        let schedule = schedule(ScheduleKind::OneCycle);
        // Peak at step 9, minimum at step 109; between them at step 59, and a third of the way up at step 3.
        let third = 4e-5 + 0.25 * (1e-3 - 4e-5);
        for (step, expected) in [
            (0, 4e-5),
            (3, third),
            (9, 1e-3),
            (59, 5.5e-4),
            (109, 1e-4),
            (500, 1e-4),
        ] {
            assert!((schedule.lr(step) - expected).abs() < 1e-12, "{step}");
        }
    }

    #[test]
    fn a_plateau_halves_down_to_the_minimum() {
        let schedule = schedule(ScheduleKind::Plateau);
        for (n_reductions, expected) in [(0, 1e-3), (1, 5e-4), (3, 1.25e-4), (4, 1e-4), (99, 1e-4)]
        {
            let found = schedule.reduced(n_reductions).lr(50);
            assert!((found - expected).abs() < 1e-12, "{n_reductions}");
        }
    }

    #[test]
    fn inverse_square_root_halves_in_four_times_the_steps() {
        let schedule = schedule(ScheduleKind::InverseSquareRoot);
        assert!((schedule.lr(39) - 5e-4).abs() < 1e-12);
    }
}
