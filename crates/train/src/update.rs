//! One update of a model: batch, loss, gradients, optimiser.

use crate::gradients::added;
use crate::objective::Objective;
use crate::optimizer::ParameterOptimizer;
use crate::recipe::TrainRecipe;
use crate::schedule::Schedule;
use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::ElementConversion;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{Stream, derive_seed};

/// Makes updates by a recipe.
pub(crate) struct Updater<M: AutodiffModule<B>, B: AutodiffBackend> {
    pub(crate) optimizer: ParameterOptimizer<M, B>,
    schedule: Schedule,
    seed: u64,
    /// Batches of a step.
    accumulate: u64,
}

/// What an update did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    /// The mean loss of its batches, before it.
    pub(crate) loss: f64,
    pub(crate) n_tokens: usize,
    /// Before clipping.
    pub(crate) gradient_norm: f64,
    pub(crate) lr: f64,
}

impl Update {
    /// Whether the model and the optimiser were left as they were: the loss or a gradient is not finite.
    pub(crate) fn is_skipped(&self) -> bool {
        !self.loss.is_finite() || !self.gradient_norm.is_finite()
    }
}

impl<M: AutodiffModule<B>, B: AutodiffBackend> Updater<M, B> {
    pub(crate) fn new(recipe: &TrainRecipe) -> Self {
        Self {
            optimizer: ParameterOptimizer::new(recipe),
            schedule: Schedule::new(recipe),
            seed: recipe.seed,
            accumulate: recipe.accumulate,
        }
    }

    /// The update of a step, counted from 0. One that would not be finite is skipped.
    ///
    /// Several batches make one gradient: that of the sum of their losses over the number of all their tokens, as if they
    /// were one batch. Batch `i` of a step has the data and the dropout of number `step · n + i`.
    pub(crate) fn update<O: Objective<B, Model = M>>(
        &mut self,
        objective: &mut O,
        model: M,
        step: u64,
        device: &B::Device,
    ) -> (M, Update) {
        let lr = self.schedule.lr(step);
        let first = step * self.accumulate;
        let (mut total, mut gradients) = (None, GradientsParams::new());
        let (mut n_tokens, mut unit) = (0, 0);
        for number in first..first + self.accumulate {
            B::seed(device, derive_seed(self.seed, Stream::Dropout, number));
            let batch = objective.batch(number);
            let loss = objective.loss(&model, batch);
            if number == first {
                unit = loss.n_tokens.max(1);
            }
            n_tokens += loss.n_tokens;
            // Over one number of tokens for all of them, so that gradients can be added.
            let loss_in_units = loss.sum.div_scalar(unit as f64);
            let more = GradientsParams::from_grads(loss_in_units.backward(), &model);
            gradients = if number == first {
                more
            } else {
                added::<B, M>(gradients, more, &model)
            };
            let loss = loss_in_units.inner();
            total = Some(match total {
                Some(total) => total + loss,
                None => loss,
            });
        }
        let scale = unit as f64 / n_tokens.max(1) as f64;
        let gradients = self.optimizer.clip(&model, gradients, scale);
        let total = total.map_or(0.0, |total| total.into_scalar().elem::<f64>());
        let update = Update {
            loss: scale * total,
            n_tokens,
            gradient_norm: gradients.norm,
            lr,
        };
        if update.is_skipped() {
            return (model, update);
        }
        (self.optimizer.update(lr, model, gradients), update)
    }
}
