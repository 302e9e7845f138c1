//! One update of a model: batch, loss, gradients, optimiser.

use crate::error::TrainError;
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
    optimizer: ParameterOptimizer<M, B>,
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

impl<M: AutodiffModule<B>, B: AutodiffBackend> Updater<M, B> {
    pub(crate) fn new(recipe: &TrainRecipe) -> Self {
        Self {
            optimizer: ParameterOptimizer::new(recipe),
            schedule: Schedule::new(recipe),
            seed: recipe.seed,
        }
    }

    /// The update of a step, counted from 0.
    ///
    /// # Errors
    /// If the loss or the gradients are not finite; the model is lost then.
    pub(crate) fn update<O: Objective<B, Model = M>>(
        &mut self,
        objective: &mut O,
        model: M,
        step: u64,
        device: &B::Device,
    ) -> Result<(M, Update), TrainError> {
        B::seed(device, derive_seed(self.seed, Stream::Dropout, step));
        let lr = self.schedule.lr(step);
        let batch = objective.batch(step);
        let loss = objective.loss(&model, batch);
        let n_tokens = loss.n_tokens;
        let mean = loss.mean();
        let gradients = mean.backward();
        let (model, gradient_norm) = self.optimizer.step(lr, model, gradients);
        let loss: f64 = mean.into_scalar().elem();
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(TrainError::NotFinite {
                step,
                loss,
                gradient_norm,
                lr,
            });
        }
        let update = Update {
            loss,
            n_tokens,
            gradient_norm,
            lr,
        };
        Ok((model, update))
    }
}
