//! One update of a model: batch, loss, gradients, optimiser.

use crate::objective::Objective;
use crate::optimizer::ParameterOptimizer;
use crate::recipe::TrainRecipe;
use crate::schedule::Schedule;
use burn::module::AutodiffModule;
use burn::tensor::ElementConversion;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{Stream, derive_seed};

/// Makes updates by a recipe.
pub(crate) struct Updater<M: AutodiffModule<B>, B: AutodiffBackend> {
    pub(crate) optimizer: ParameterOptimizer<M, B>,
    schedule: Schedule,
    seed: u64,
}

/// What an update did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    /// The mean loss of its batch, before it.
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
        }
    }

    /// The update of a step, counted from 0. One that would not be finite is skipped.
    pub(crate) fn update<O: Objective<B, Model = M>>(
        &mut self,
        objective: &mut O,
        model: M,
        step: u64,
        device: &B::Device,
    ) -> (M, Update) {
        B::seed(device, derive_seed(self.seed, Stream::Dropout, step));
        let lr = self.schedule.lr(step);
        let batch = objective.batch(step);
        let loss = objective.loss(&model, batch);
        let n_tokens = loss.n_tokens;
        let mean = loss.mean();
        let gradients = self.optimizer.clip(&model, mean.backward());
        let update = Update {
            loss: mean.into_scalar().elem(),
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
