//! What a run will cost, before it begins: its data is read, its model made and a few of its steps are taken, and nothing is
//! written.

use crate::error::TrainError;
use crate::group::Group;
use crate::objective::Objective;
use crate::optimizer::ParameterOptimizer;
use crate::parts::Parts;
use crate::recipe::Recipe;
use crate::run::with_data;
use crate::timing::{Timing, time};
use crate::trained::Trained;
use crate::work::{Ready, Work};
use burn::module::{AutodiffModule, Module};
use burn::tensor::TensorData;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::Share;
use hearth_hub::{BatchShape, ModelConfig, StepCost, parameters};
use std::time::{Duration, Instant};

/// Steps that do not count: where a device compiles something, it does so in them.
const WARM_UP: u64 = 2;

/// Steps that are timed.
const STEPS: u64 = 5;

/// Batches whose shapes are looked at.
const BATCHES: u64 = 64;

/// What a run will cost.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Parameters of the model.
    pub n_parameters: usize,
    /// The memory of one process.
    pub memory: Memory,
    /// Floating-point operations of a step, of all processes together.
    pub flops_per_step: u64,
    /// Steps that were taken.
    pub timing: Timing,
    /// How long a validation takes.
    pub validation: Duration,
    /// Validations of the whole run.
    pub n_validations: u64,
    /// Steps of the whole run.
    pub steps: u64,
}

impl Rehearsal {
    /// How long the whole run takes; what it writes is not counted.
    pub fn duration(&self) -> Duration {
        let times = |one: Duration, n: u64| one.as_secs_f64() * n as f64;
        let seconds =
            times(self.timing.median(), self.steps) + times(self.validation, self.n_validations);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// Bytes that a process needs for a model and its training, by shapes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Four a parameter.
    pub weights: u64,
    /// As many as the weights that are trained; twice as many where they are added up, over several batches or over several processes.
    pub gradients: u64,
    /// As many as the weights that are trained for each slot of the optimiser: of several processes the first has so many while it
    /// saves, and else each those of its part of the weights.
    pub optimizer: u64,
    /// What a forward pass keeps for the backward one, if it keeps all of it, for the largest of the first batches ([`hearth_hub::StepCost`]).
    pub activations: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.gradients + self.optimizer + self.activations
    }
}

/// How far a rehearsal is.
#[derive(Debug, Clone)]
pub enum Stage {
    /// The data was read and the model made.
    Ready {
        /// Parameters of the model.
        n_parameters: usize,
        /// What the data is, for people.
        data: String,
    },
    /// A validation is done.
    Validated,
    /// So many steps are done.
    Stepped(u64),
}

/// Rehearses a run by a recipe.
///
/// # Errors
/// As [`run`](crate::run) before its first step, or if a step diverges.
pub fn rehearse<B: AutodiffBackend>(
    recipe: &Recipe,
    group: &dyn Group,
    device: &B::Device,
    observer: &mut dyn FnMut(&Stage),
) -> Result<Rehearsal, TrainError> {
    with_data::<B, _>(recipe, device, Rehearsing { group, observer })
}

struct Rehearsing<'a> {
    group: &'a dyn Group,
    observer: &'a mut dyn FnMut(&Stage),
}

impl<B: AutodiffBackend> Work<B> for Rehearsing<'_> {
    type Output = Rehearsal;

    fn on<O: Objective<B>>(self, ready: Ready<'_, B, O>) -> Result<Rehearsal, TrainError> {
        let Self { group, observer } = self;
        let Ready {
            mut objective,
            model,
            card,
            data,
            recipe,
            device,
        } = ready;
        let n_parameters = model.num_params();
        observer(&Stage::Ready { n_parameters, data });
        let parameters = parameters::<B, _>(&model);
        let train = &recipe.train;
        let mut costs = |share: Share| -> Vec<StepCost> {
            (0..BATCHES.min(train.steps))
                .filter_map(|number| {
                    let batch = objective.batch(number, share)?;
                    let shape = shape(&card.config, &objective.tensors(batch));
                    Some(card.config.step_cost(&parameters, shape))
                })
                .collect()
        };
        let (own, whole) = (costs(group.share()), costs(Share::WHOLE));
        let flops: u64 = whole.iter().map(|cost| cost.flops).sum();
        let flops_per_step = train.accumulate * flops / whole.len().max(1) as u64;
        let weights = 4 * n_parameters as u64;
        let trained = Trained::<B, _>::new(model.clone(), recipe, device)?;
        let parts = Parts::of::<B, _>(&trained, group.share());
        let changed = 4 * parts.n_trained() as u64;
        let is_added_up = train.accumulate > 1 || group.share() != Share::WHOLE;
        let n_slots = ParameterOptimizer::<O::Model, B>::new(train).n_slots() as u64;
        let memory = Memory {
            weights,
            gradients: changed * (1 + u64::from(is_added_up)),
            optimizer: changed * n_slots,
            activations: own
                .iter()
                .map(|cost| cost.activation_bytes)
                .max()
                .unwrap_or(0),
        };
        let began = Instant::now();
        objective.validate(&model.valid(), group.share());
        let validation = began.elapsed();
        observer(&Stage::Validated);
        let stepped = &mut |done| observer(&Stage::Stepped(done));
        let count = (WARM_UP, STEPS);
        let timing = time(objective, model, recipe, count, (group, device), stepped)?;
        Ok(Rehearsal {
            n_parameters,
            memory,
            flops_per_step,
            timing,
            validation,
            n_validations: train.steps.div_ceil(train.validate_every),
            steps: train.steps,
        })
    }
}

/// The shape of a batch, by the names of its tensors.
fn shape(config: &ModelConfig, batch: &[(String, TensorData)]) -> BatchShape {
    let dims = |name: &str| {
        let found = batch.iter().find(|(found, _)| found == name);
        found.map(|(_, data)| data.shape.as_slice())
    };
    let n_rows = batch.first().map_or(0, |(_, data)| data.shape[0]);
    let source_seq = match config {
        // Each of two convolutions halves the frames.
        ModelConfig::SpeechToText(_) => dims("frames").map_or(0, |dims| dims[1] / 4),
        _ => dims("source").map_or(0, |dims| dims[1]),
    };
    let seq = match config {
        ModelConfig::Vit(_) => config.n_positions().unwrap_or(1),
        _ => {
            let read = dims("inputs").or_else(|| dims("tokens"));
            read.map_or(1, |dims| dims[1])
        }
    };
    BatchShape {
        n_rows,
        seq,
        source_seq,
    }
}
