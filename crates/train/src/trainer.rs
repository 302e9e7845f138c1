//! The loop: one for every objective.

mod card;
mod clock;
mod standing;
#[cfg(test)]
mod tests;

pub(crate) use card::Card;

use crate::checkpoint::{
    ADAPTERS, Checkpoint, Checkpoints, OPTIMIZER, RECIPE, TrainerState, check_data, sum_of_weights,
};
use crate::error::TrainError;
use crate::event::{Event, Outcome, Request};
use crate::fingerprint;
use crate::group::{Group, GroupError, agree};
use crate::metrics::MetricsWriter;
use crate::objective::{Evaluation, Inner, Objective};
use crate::optimizer::ParameterOptimizer;
use crate::parts::Parts;
use crate::plot::plot_losses;
use crate::recipe::{Recipe, RecipeError};
use crate::trained::Trained;
use crate::update::{Update, Updater};
use burn::module::{AutodiffModule, Module};
use burn::tensor::TensorData;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::Share;
use hearth_hub::{ModelDirectory, parameters, write_tensors};
use standing::Standing;
use std::path::{Path, PathBuf};

/// Where a run goes on, from where, and who may ask it for something.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) from: Option<&'a Checkpoint>,
    /// Asked after each step, with the number of steps done.
    pub(crate) request: &'a dyn Fn(u64) -> Request,
    /// With whom the model is trained.
    pub(crate) group: &'a dyn Group,
}

impl Place<'_> {
    /// Whether this process writes the files of the run, and tells of it.
    pub(crate) fn writes(&self) -> bool {
        self.group.share().index() == 0
    }

    /// What the run is asked for: what any process is asked for, all do.
    fn request(&self, step: u64) -> Result<Request, GroupError> {
        let own = (self.request)(step);
        let mut asked = [Request::Save, Request::Stop].map(|what| f64::from(own == what));
        self.group.sum(&mut asked)?;
        Ok(match asked.map(|n_processes| n_processes > 0.0) {
            [_, true] => Request::Stop,
            [true, false] => Request::Save,
            [false, false] => Request::Continue,
        })
    }
}

/// What a run begins with.
type Begun<B, M> = (Trained<B, M>, Standing, MetricsWriter);

/// A run: an objective, what it is saved as, and where.
pub(crate) struct Trainer<'a, B: AutodiffBackend, O: Objective<B>> {
    pub(crate) objective: O,
    pub(crate) card: Card,
    pub(crate) recipe: &'a Recipe,
    pub(crate) place: Place<'a>,
    pub(crate) device: &'a B::Device,
}

impl<B: AutodiffBackend, O: Objective<B>> Trainer<'_, B, O> {
    /// Trains a model to the recipe's last step.
    ///
    /// - `model`: as it is before the first step
    /// - `data`: what it is trained on, for people
    pub(crate) fn run(
        mut self,
        model: O::Model,
        data: String,
        observer: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, TrainError> {
        let trained = Trained::<B, _>::new(model, self.recipe, self.device)?;
        observer(&Event::Started {
            n_parameters: trained.model.num_params(),
            n_trained: Parts::of::<B, _>(&trained, self.place.group.share()).n_trained(),
            data,
            folder: self.place.folder.to_owned(),
        });
        let recipe = &self.recipe.train;
        let fingerprint = self.objective.fingerprint();
        let mut updater = Updater::new(recipe);
        let (mut trained, mut now, mut metrics) =
            self.begin(trained, &mut updater, &fingerprint)?;
        self.agree(&trained, now.step, &fingerprint)?;
        if let Some(Checkpoint { path, state }) = self.place.from {
            let (step, checkpoint) = (state.step, path.clone());
            observer(&Event::Resumed { step, checkpoint });
        }
        while !now.is_over(recipe) {
            let step = now.step;
            let group = self.place.group;
            let update;
            updater.schedule = updater.schedule.reduced(now.plateau.n_reductions);
            (trained, update) =
                updater.update(&mut self.objective, trained, step, group, self.device)?;
            now.count(&update);
            if update.is_skipped() {
                self.skipped(&now, &update, observer)?;
            }
            let is_last = now.step == recipe.steps;
            let is_due = |every: u64| is_last || now.step.is_multiple_of(every);
            let (log, validate) = (is_due(recipe.log_every), is_due(recipe.validate_every));
            let save = is_due(recipe.checkpoint_every());
            observer(&Event::Step(now.clock.progress(
                now.step,
                recipe.steps,
                update.loss,
            )));
            if log && let Some(line) = now.line(&update) {
                metrics.write(&line)?;
            }
            now.clock.pause();
            if validate {
                let model = updater.model(&trained, group)?;
                self.validate(model, &mut now, &update, &mut metrics, observer)?;
            }
            let is_over = now.is_over(recipe);
            let request = self.place.request(now.step)?;
            if save || is_over || request != Request::Continue {
                let weights = sum_of_weights::<B, _>(&trained);
                if weights.is_nan() {
                    return Err(self.not_finite(now.step, &update));
                }
                agree(group, &[("model", low_bits(weights))])?;
                let optimizer = updater.optimizer.gathered(&trained, group)?;
                let state = TrainerState {
                    loss_scale: updater.loss_scale,
                    ..now.state(
                        recipe.seed,
                        &fingerprint,
                        optimizer.n_updates(),
                        metrics.sync()?,
                    )
                };
                if self.place.writes() {
                    let checkpoint = self.save_checkpoint(&state, &trained, &optimizer)?;
                    let step = now.step;
                    observer(&Event::Saved { step, checkpoint });
                }
            }
            if request == Request::Stop && !is_over {
                return Ok(self.outcome(&now));
            }
            now.clock.resume();
        }
        let model = updater.model(&trained, self.place.group)?;
        if self.place.writes() {
            let model = self.objective.package(model);
            let directory = self.card.directory(model);
            directory.save(&self.place.folder.join("last"))?;
        }
        Ok(self.outcome(&now))
    }

    /// Refuses to train with processes that begin elsewhere, or would do something else.
    fn agree(
        &self,
        trained: &Trained<B, O::Model>,
        step: u64,
        fingerprint: &str,
    ) -> Result<(), TrainError> {
        // Of a hash 36 bits, of numbers their sum: what differs by accident differs there.
        let bits = |hash: &str| u64::from_str_radix(&hash[..9], 16).unwrap_or(0);
        let recipe = serde_json::to_vec(&self.recipe.train).unwrap_or_default();
        let numbers = [
            ("recipe", bits(&fingerprint::of(|see| see(&recipe)))),
            ("step", step),
            ("data", bits(fingerprint)),
            ("first model", low_bits(sum_of_weights::<B, _>(trained))),
        ];
        Ok(agree(self.place.group, &numbers)?)
    }

    /// The model, where the run stands, and its metrics: at the beginning, or as a checkpoint has them.
    fn begin(
        &self,
        trained: Trained<B, O::Model>,
        updater: &mut Updater<O::Model, B>,
        fingerprint: &str,
    ) -> Result<Begun<B, O::Model>, TrainError> {
        let (folder, logs) = (self.place.folder, &self.recipe.train.logs);
        let Some(checkpoint) = self.place.from else {
            let metrics = match self.place.writes() {
                true => MetricsWriter::create(folder, logs)?,
                false => MetricsWriter::silent(),
            };
            return Ok((trained, Standing::at_the_beginning(), metrics));
        };
        check_data(checkpoint, fingerprint)?;
        let (path, state) = (&checkpoint.path, &checkpoint.state);
        let foreign = |error| TrainError::Foreign {
            path: path.clone(),
            source: Box::new(error),
        };
        let saved = ModelDirectory::<B::InnerBackend>::load(path, self.device).map_err(foreign)?;
        if parameters::<B, _>(&trained.model) != saved.model.parameters() {
            // By the same recipe: so it is another vocabulary, or other classes.
            return Err(RecipeError::OtherData { path: path.clone() }.into());
        }
        let trained = trained.resumed(&saved.model, &path.join(ADAPTERS));
        let Some(trained) = trained.map_err(foreign)? else {
            // The model that is adapted is not the one that it was.
            return Err(RecipeError::OtherData { path: path.clone() }.into());
        };
        updater
            .optimizer
            .read(
                &trained,
                self.place.group.share(),
                state.n_updates,
                &path.join(OPTIMIZER),
            )
            .map_err(foreign)?;
        updater.loss_scale = state.loss_scale.or(updater.loss_scale);
        let metrics = match self.place.writes() {
            true => MetricsWriter::resume(folder, state.metrics_bytes, logs)?,
            false => MetricsWriter::silent(),
        };
        Ok((trained, Standing::at(state), metrics))
    }

    /// An update was skipped: tells of it, and ends the run where it is one too many.
    fn skipped(
        &mut self,
        now: &Standing,
        update: &Update,
        observer: &mut dyn FnMut(&Event),
    ) -> Result<(), TrainError> {
        let in_a_row = now.skipped.in_a_row;
        observer(&Event::Skipped {
            step: now.step,
            loss: update.loss,
            gradient_norm: update.gradient_norm,
            in_a_row,
        });
        if in_a_row <= self.recipe.train.max_skipped {
            return Ok(());
        }
        // The first of them: its weights are the last ones that a finite update made.
        let step = now.step - in_a_row;
        let n_batches = self.recipe.train.accumulate;
        let mut tensors = vec![("step".to_owned(), TensorData::from([step as i64]))];
        for part in 0..n_batches {
            let batch = self.objective.batch(step * n_batches + part, Share::WHOLE);
            let Some(batch) = batch else { continue };
            let named = |(name, data)| match n_batches {
                1 => (name, data),
                _ => (format!("{name}.{part}"), data),
            };
            tensors.extend(self.objective.tensors(batch).into_iter().map(named));
        }
        if self.place.writes() {
            write_tensors(&self.place.folder.join("failed-batch.safetensors"), tensors)?;
        }
        Err(self.not_finite(now.step, update))
    }

    fn validate(
        &self,
        model: Inner<B, O::Model>,
        now: &mut Standing,
        update: &Update,
        metrics: &mut MetricsWriter,
        observer: &mut dyn FnMut(&Event),
    ) -> Result<(), TrainError> {
        let group = self.place.group;
        let own = self.objective.validate(&model, group.share());
        let n_right = own.n_right.unwrap_or(0);
        let mut sums = [own.nll, own.n_tokens as f64, n_right as f64];
        group.sum(&mut sums)?;
        let evaluation = Evaluation {
            nll: sums[0],
            n_tokens: sums[1] as usize,
            n_right: own.n_right.map(|_| sums[2] as usize),
        };
        if !evaluation.loss().is_finite() {
            let loss = evaluation.loss();
            return Err(self.not_finite(now.step, &Update { loss, ..*update }));
        }
        let (line, best) = now.validated(evaluation, &self.recipe.train);
        metrics.write(&line)?;
        let folder = self.place.folder;
        if best && self.place.writes() {
            let directory = self.card.directory(self.objective.package(model));
            directory.save(&folder.join("best"))?;
        }
        if self.place.writes() {
            plot_losses(&[folder.to_owned()], &folder.join("loss.svg"))?;
        }
        observer(&Event::Validated {
            step: now.step,
            evaluation,
            best,
        });
        Ok(())
    }

    fn save_checkpoint(
        &self,
        state: &TrainerState,
        trained: &Trained<B, O::Model>,
        optimizer: &ParameterOptimizer<Trained<B, O::Model>, B>,
    ) -> Result<PathBuf, TrainError> {
        let n_numbers = trained.num_params() * (1 + optimizer.n_slots());
        let model = self.objective.package(trained.adapted().valid());
        let directory = self.card.directory(model);
        let keep = self.recipe.train.keep_checkpoints;
        let checkpoints = Checkpoints::of(self.place.folder);
        checkpoints.save(state, keep, 4 * n_numbers as u64, |folder| {
            directory.write(folder)?;
            optimizer.write(trained, &folder.join(OPTIMIZER))?;
            trained.write_adapters(&folder.join(ADAPTERS))?;
            let recipe = folder.join(RECIPE);
            std::fs::write(&recipe, self.recipe.to_toml())
                .map_err(TrainError::file("write", &recipe))
        })
    }

    fn not_finite(&self, step: u64, update: &Update) -> TrainError {
        TrainError::NotFinite {
            step,
            loss: update.loss,
            gradient_norm: update.gradient_norm,
            lr: update.lr,
        }
    }

    fn outcome(&self, now: &Standing) -> Outcome {
        let (best, best_step) = now.best.unwrap_or((now.last, now.step));
        Outcome {
            best,
            best_step,
            last: now.last,
            duration: now.clock.duration(),
            tokens_per_s: now.clock.tokens_per_s(),
            n_skipped: now.skipped.total,
            steps: now.step,
            stopped_at: (!now.is_over(&self.recipe.train)).then_some(now.step),
            folder: self.place.folder.to_owned(),
        }
    }
}

/// As many bits of a number as processes can compare: those that rounding moves.
fn low_bits(number: f64) -> u64 {
    number.to_bits() & ((1 << 40) - 1)
}
