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
        }
    }

    /// The learning rate of a step, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.kind {
            ScheduleKind::Constant => self.peak,
            ScheduleKind::Cosine => {
                let span = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
                let share = ((step - self.warmup_steps) as f64 / span).min(1.0);
                self.min + 0.5 * (1.0 + (PI * share).cos()) * (self.peak - self.min)
            }
            // Vaswani et al. 2017, §5.3, by its peak rather than by the width of the model.
            ScheduleKind::InverseSquareRoot => {
                let warmup = self.warmup_steps.max(1) as f64;
                (self.peak * (warmup / (step + 1) as f64).sqrt()).min(self.peak)
            }
        }
    }
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
        }
    }

    #[test]
    fn warm_up_rises_to_the_peak_in_equal_steps() {
        for kind in [
            ScheduleKind::Constant,
            ScheduleKind::Cosine,
            ScheduleKind::InverseSquareRoot,
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
    fn inverse_square_root_halves_in_four_times_the_steps() {
        let schedule = schedule(ScheduleKind::InverseSquareRoot);
        assert!((schedule.lr(39) - 5e-4).abs() < 1e-12);
    }
}
