//! One update of a model: batch, loss, gradients, optimiser.

use crate::gradients::{added, squares};
use crate::group::{Group, GroupError};
use crate::loss_scale::LossScale;
use crate::objective::{Objective, Trainable};
use crate::optimizer::ParameterOptimizer;
use crate::parts::Parts;
use crate::recipe::TrainRecipe;
use crate::schedule::Schedule;
use crate::trained::Trained;
use burn::module::AutodiffModule;
use burn::optim::GradientsParams;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{ElementConversion, Tensor};
use hearth_batch::{Share, Stream, derive_seed};
use hearth_model::Precision;

/// Makes updates by a recipe.
pub(crate) struct Updater<M: Trainable<B>, B: AutodiffBackend> {
    pub(crate) optimizer: ParameterOptimizer<Trained<B, M>, B>,
    pub(crate) schedule: Schedule,
    /// Where gradients could underflow.
    pub(crate) loss_scale: Option<LossScale>,
    precision: Precision,
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

impl<M: Trainable<B>, B: AutodiffBackend> Updater<M, B> {
    pub(crate) fn new(recipe: &TrainRecipe) -> Self {
        Self {
            optimizer: ParameterOptimizer::new(recipe),
            schedule: Schedule::new(recipe),
            loss_scale: (recipe.precision == Precision::F16).then(LossScale::default),
            precision: recipe.precision,
            seed: recipe.seed,
            accumulate: recipe.accumulate,
        }
    }

    /// The update of a step, counted from 0. One that would not be finite is skipped.
    ///
    /// Several batches make one gradient, and so do the shares of several processes: that of the sum of their losses over the
    /// number of all their tokens, as if they were one batch. Each process updates its own parameters and gets those of the
    /// others. Batch `i` of a step has the data and the dropout of number `step · n + i`.
    ///
    /// # Errors
    /// If another process is gone.
    pub(crate) fn update<O: Objective<B, Model = M>>(
        &mut self,
        objective: &mut O,
        trained: Trained<B, M>,
        step: u64,
        group: &dyn Group,
        device: &B::Device,
    ) -> Result<(Trained<B, M>, Update), GroupError> {
        let lr = self.schedule.lr(step);
        let parts = Parts::of::<B, _>(&trained, group.share());
        let own = self.gradients(objective, &trained, step, group.share(), device);
        let mut all = own.over_all(&trained, &parts, group)?;
        let scale = 1.0 / all.n_units.max(1.0);
        let loss_scale = self.loss_scale.map_or(1.0, LossScale::factor);
        let mut squares = [squares::<B, _>(&mut all.gradients, &trained)];
        group.sum(&mut squares)?;
        let gradients = self
            .optimizer
            .clip(all.gradients, squares[0], scale / loss_scale);
        let update = Update {
            loss: scale * all.loss,
            n_tokens: all.n_tokens,
            gradient_norm: gradients.norm,
            lr,
        };
        let is_finite = !update.is_skipped();
        self.loss_scale = self.loss_scale.map(|scale| scale.behind(is_finite));
        if !is_finite {
            return Ok((trained, update));
        }
        let trained = self.optimizer.update(lr, trained, gradients, &parts);
        Ok((parts.gather::<B, _>(trained, group)?, update))
    }

    /// What is validated and saved of what is trained.
    ///
    /// # Errors
    /// If another process is gone.
    pub(crate) fn model(
        &self,
        trained: &Trained<B, M>,
        group: &dyn Group,
    ) -> Result<M::InnerModule, GroupError> {
        let averaged = self.optimizer.averaged(trained.clone(), group)?;
        Ok(averaged.adapted().valid())
    }

    /// The gradients of a share of a step.
    fn gradients<O: Objective<B, Model = M>>(
        &self,
        objective: &mut O,
        trained: &Trained<B, M>,
        step: u64,
        share: Share,
        device: &B::Device,
    ) -> Sums {
        let first = step * self.accumulate;
        let mut gradients: Option<GradientsParams> = None;
        let mut total: Option<Tensor<B::InnerBackend, 1>> = None;
        let (mut n_tokens, mut unit) = (0, 0);
        for number in first..first + self.accumulate {
            // Each share drops what no other drops.
            let draw = number * share.count() as u64 + share.index() as u64;
            B::seed(device, derive_seed(self.seed, Stream::Dropout, draw));
            let Some(batch) = objective.batch(number, share) else {
                continue;
            };
            let loss = objective.loss(&self.precision.cast(trained.adapted()), batch);
            if gradients.is_none() {
                unit = loss.n_tokens.max(1);
            }
            n_tokens += loss.n_tokens;
            // Over one number of tokens for all of them, so that gradients can be added.
            let loss_in_units = loss.sum.div_scalar(unit as f64);
            let to_derive = match self.loss_scale {
                Some(scale) => loss_in_units.clone().mul_scalar(scale.factor()),
                None => loss_in_units.clone(),
            };
            let more = GradientsParams::from_grads(to_derive.backward(), trained);
            gradients = Some(match gradients {
                Some(before) => added::<B, _>(before, more, trained),
                None => more,
            });
            let loss = loss_in_units.inner();
            total = Some(match total {
                Some(total) => total + loss,
                None => loss,
            });
        }
        Sums {
            gradients: gradients.unwrap_or_default(),
            loss: total.map_or(0.0, |total| total.into_scalar().elem::<f64>()),
            n_tokens,
            n_units: n_tokens as f64 / unit.max(1) as f64,
        }
    }
}

/// Sums over tokens, in units: of as many tokens as one batch had.
struct Sums {
    gradients: GradientsParams,
    loss: f64,
    n_tokens: usize,
    n_units: f64,
}

impl Sums {
    /// With those of all other processes, of the gradients those of one's own parameters; a unit is a token then.
    fn over_all<B: AutodiffBackend, M: AutodiffModule<B>>(
        self,
        model: &M,
        parts: &Parts,
        group: &dyn Group,
    ) -> Result<Self, GroupError> {
        if !parts.are_several() {
            return Ok(self);
        }
        let n_tokens = self.n_tokens as f64;
        let unit = n_tokens / self.n_units.max(f64::MIN_POSITIVE);
        let mut counts = vec![n_tokens, unit * self.loss];
        let gradients = parts.scatter::<B, M>(self.gradients, model, unit, &mut counts, group)?;
        Ok(Self {
            gradients,
            loss: counts[1],
            n_tokens: counts[0] as usize,
            n_units: counts[0],
        })
    }
}
