//! The loop: one for every objective.

use crate::error::TrainError;
use crate::metrics::{Metric, MetricsWriter, Split};
use crate::objective::{Evaluation, Objective};
use crate::plot::plot_losses;
use crate::recipe::TrainRecipe;
use crate::update::{Update, Updater};
use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::AutodiffBackend;
use hearth_data::{FilterbankConfig, PixelConfig, Tokenizer};
use hearth_hub::{Dialect, ModelConfig, ModelDirectory, SpecialTokens};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What an observer hears of.
#[derive(Debug, Clone)]
pub enum Event {
    /// Training is about to begin.
    Started {
        /// Parameters of the model.
        n_parameters: usize,
        /// What the data is, for people.
        data: String,
        /// The run's folder.
        folder: PathBuf,
    },
    /// A step is done.
    Step(Progress),
    /// The validation data has been gone through.
    Validated {
        /// Updates made so far.
        step: u64,
        /// The loss.
        evaluation: Evaluation,
        /// Whether it is the best so far, and so was saved.
        best: bool,
    },
}

/// Where training stands.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Updates made so far.
    pub step: u64,
    /// Updates to make.
    pub steps: u64,
    /// The loss of the step.
    pub loss: f64,
    /// Target tokens a second, lately.
    pub tokens_per_s: f64,
    /// Time left at that rate.
    pub remaining: Duration,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The best validation, and after how many updates.
    pub best: Evaluation,
    /// Updates made before the best validation.
    pub best_step: u64,
    /// The last validation.
    pub last: Evaluation,
    /// From the first step to the last saved model.
    pub duration: Duration,
    /// Target tokens a second over all training steps.
    pub tokens_per_s: f64,
    /// The run's folder.
    pub folder: PathBuf,
}

/// What is saved with a model's weights.
pub(crate) struct Card {
    pub(crate) config: ModelConfig,
    pub(crate) special: SpecialTokens,
    /// Where the model reads or writes text.
    pub(crate) tokenizer: Option<Tokenizer>,
    /// Where the model reads sound.
    pub(crate) features: Option<FilterbankConfig>,
    /// Where the model reads images.
    pub(crate) pixels: Option<PixelConfig>,
    /// Where the model names a class.
    pub(crate) labels: Option<Vec<String>>,
}

impl Card {
    /// Of a model that reads and writes ids.
    pub(crate) fn new(config: ModelConfig, special: SpecialTokens) -> Self {
        Self {
            config,
            special,
            tokenizer: None,
            features: None,
            pixels: None,
            labels: None,
        }
    }
}

/// A run: an objective, what it is saved as, and where.
pub(crate) struct Trainer<'a, B: AutodiffBackend, O: Objective<B>> {
    pub(crate) objective: O,
    pub(crate) card: Card,
    pub(crate) recipe: &'a TrainRecipe,
    pub(crate) folder: &'a Path,
    pub(crate) device: &'a B::Device,
}

impl<B: AutodiffBackend, O: Objective<B>> Trainer<'_, B, O> {
    /// Trains a model to the recipe's last step.
    ///
    /// - `data`: what it is trained on, for people
    pub(crate) fn run(
        mut self,
        mut model: O::Model,
        data: String,
        observer: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, TrainError> {
        observer(&Event::Started {
            n_parameters: model.num_params(),
            data,
            folder: self.folder.to_owned(),
        });
        let recipe = self.recipe;
        let mut updater = Updater::new(recipe);
        let mut metrics = MetricsWriter::create(self.folder.join("metrics.jsonl"))?;
        let mut clock = Clock::start();
        let mut window = Window::default();
        let mut best: Option<(Evaluation, u64)> = None;
        let mut last = Evaluation::default();
        for step in 0..recipe.steps {
            let (updated, update) =
                updater.update(&mut self.objective, model, step, self.device)?;
            model = updated;
            let Update { loss, n_tokens, .. } = update;
            let done = step + 1;
            window.add(loss, n_tokens);
            clock.count(n_tokens);
            observer(&Event::Step(clock.progress(done, recipe.steps, loss)));
            if done % recipe.log_every == 0 || done == recipe.steps {
                metrics.write(&window.take(done, &update, &clock))?;
            }
            if done % recipe.validate_every == 0 || done == recipe.steps {
                clock.pause();
                last = self.validate(done, &model, &mut best, &mut metrics, &clock, observer)?;
                clock.resume();
            }
        }
        self.save(&model, "last")?;
        let (best, best_step) = best.unwrap_or((last, recipe.steps));
        Ok(Outcome {
            best,
            best_step,
            last,
            duration: clock.began.elapsed(),
            tokens_per_s: clock.tokens_per_s(),
            folder: self.folder.to_owned(),
        })
    }

    fn validate(
        &self,
        step: u64,
        model: &O::Model,
        best: &mut Option<(Evaluation, u64)>,
        metrics: &mut MetricsWriter,
        clock: &Clock,
        observer: &mut dyn FnMut(&Event),
    ) -> Result<Evaluation, TrainError> {
        let evaluation = self.objective.validate(&model.valid());
        if !evaluation.loss().is_finite() {
            return Err(TrainError::NotFinite {
                step,
                loss: evaluation.loss(),
                gradient_norm: f64::NAN,
                lr: self.recipe.lr,
            });
        }
        metrics.write(&Metric {
            step,
            split: Split::Validation,
            loss: evaluation.loss(),
            lr: None,
            gradient_norm: None,
            tokens_per_s: None,
            perplexity: Some(evaluation.perplexity()),
            seconds: clock.seconds(),
        })?;
        let is_best = best.is_none_or(|(best, _)| evaluation.loss() < best.loss());
        if is_best {
            self.save(model, "best")?;
            *best = Some((evaluation, step));
        }
        plot_losses(&[self.folder.to_owned()], &self.folder.join("loss.svg"))?;
        observer(&Event::Validated {
            step,
            evaluation,
            best: is_best,
        });
        Ok(evaluation)
    }

    fn save(&self, model: &O::Model, name: &str) -> Result<(), TrainError> {
        let directory = ModelDirectory {
            config: self.card.config.clone(),
            special: self.card.special.clone(),
            dialect: Dialect::of(&self.card.config),
            model: self.objective.package(model.valid()),
            tokenizer: self.card.tokenizer.clone(),
            target_tokenizer: None,
            features: self.card.features.clone(),
            pixels: self.card.pixels.clone(),
            labels: self.card.labels.clone(),
        };
        Ok(directory.save(&self.folder.join(name))?)
    }
}

/// Losses and tokens since the last line of the metrics.
#[derive(Default)]
struct Window {
    nll: f64,
    n_tokens: usize,
    since: f64,
}

impl Window {
    fn add(&mut self, loss: f64, n_tokens: usize) {
        self.nll += loss * n_tokens as f64;
        self.n_tokens += n_tokens;
    }

    fn take(&mut self, step: u64, update: &Update, clock: &Clock) -> Metric {
        let training = clock.training();
        let n_tokens = self.n_tokens.max(1) as f64;
        let metric = Metric {
            step,
            split: Split::Train,
            loss: self.nll / n_tokens,
            lr: Some(update.lr),
            gradient_norm: Some(update.gradient_norm),
            tokens_per_s: Some(n_tokens / (training - self.since).max(1e-9)),
            perplexity: None,
            seconds: clock.seconds(),
        };
        *self = Self {
            since: training,
            ..Self::default()
        };
        metric
    }
}

/// The time spent training; validation and saving are not counted in rates.
struct Clock {
    began: Instant,
    resumed: Instant,
    before: Duration,
    n_tokens: usize,
    /// Seconds a step, smoothed.
    pace: Option<f64>,
    last_step: f64,
    rate: f64,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            resumed: now,
            before: Duration::ZERO,
            n_tokens: 0,
            pace: None,
            last_step: 0.0,
            rate: 0.0,
        }
    }

    fn training(&self) -> f64 {
        (self.before + self.resumed.elapsed()).as_secs_f64()
    }

    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn pause(&mut self) {
        self.before += self.resumed.elapsed();
        self.resumed = Instant::now();
    }

    fn resume(&mut self) {
        self.resumed = Instant::now();
    }

    /// A step over `n_tokens` tokens is done.
    fn count(&mut self, n_tokens: usize) {
        let now = self.training();
        let seconds = (now - self.last_step).max(1e-9);
        self.last_step = now;
        self.n_tokens += n_tokens;
        let smooth = |old: f64, new: f64| 0.95 * old + 0.05 * new;
        let rate = n_tokens as f64 / seconds;
        self.rate = self.pace.map_or(rate, |_| smooth(self.rate, rate));
        self.pace = Some(self.pace.map_or(seconds, |pace| smooth(pace, seconds)));
    }

    fn tokens_per_s(&self) -> f64 {
        self.n_tokens as f64 / self.last_step.max(1e-9)
    }

    fn progress(&self, step: u64, steps: u64, loss: f64) -> Progress {
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
