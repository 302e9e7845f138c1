//! One training at one distance, and the gradient that reaches the distant past before it.

use crate::task::{N_SYMBOLS, VOCAB, batch};
use hearth::burn::module::{AutodiffModule, ModuleVisitor, Param};
use hearth::burn::tensor::backend::{AutodiffBackend, Backend};
use hearth::burn::tensor::{ElementConversion, Int, Tensor, s};
use hearth::hub::ModulePath;
use hearth::model::{LanguageModel, TokenLoss};
use hearth::train::{ParameterOptimizer, Schedule, ScheduleKind, TrainRecipe};

/// Sequences a step.
const BATCH: usize = 32;

/// Sequences that accuracy is counted on.
const N_TEST: usize = 512;

/// Batches from this number on are for tests.
const TESTS: u64 = 1 << 32;

/// What is measured of one training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// The norm of the gradient of the loss by the vectors of the symbols, before the first step. They stand at the
    /// first place only: it is what reaches back over the whole distance.
    pub(crate) gradient: f64,
    /// How many of the test's sequences are answered rightly, from 0 to 1.
    pub(crate) accuracy: f64,
    /// Steps after which all was right, or all there are.
    pub(crate) steps: u64,
}

/// How a model is trained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training {
    pub(crate) distance: usize,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
}

impl Training {
    /// Trains a model until it makes no mistake in a test, or to the last step.
    pub(crate) fn run<B, M>(&self, mut model: M, device: &B::Device) -> Measured
    where
        B: AutodiffBackend,
        M: AutodiffModule<B> + LanguageModel<B>,
        M::InnerModule: LanguageModel<B::InnerBackend>,
    {
        let recipe = TrainRecipe {
            steps: self.steps,
            lr: 3e-3,
            schedule: ScheduleKind::Constant,
            warmup_steps: 20,
            weight_decay: 0.0,
            ..TrainRecipe::default()
        };
        let schedule = Schedule::new(&recipe);
        let mut optimizer = ParameterOptimizer::<M, B>::new(&recipe);
        let gradient = self.reaching_back::<B, M>(&model, device);
        let mut accuracy = 0.0;
        for step in 0..self.steps {
            let gradients = self.loss::<B, M>(&model, step, device).backward();
            (model, _) = optimizer.step(schedule.lr(step), model, gradients);
            let (done, is_last) = (step + 1, step + 1 == self.steps);
            if is_last || done.is_multiple_of(50) {
                accuracy = self.accuracy(&model.valid(), device);
                if accuracy == 1.0 || is_last {
                    return Measured {
                        gradient,
                        accuracy,
                        steps: done,
                    };
                }
            }
        }
        Measured {
            gradient,
            accuracy,
            steps: self.steps,
        }
    }

    /// `[1]`
    fn loss<B: Backend, M: LanguageModel<B>>(
        &self,
        model: &M,
        number: u64,
        device: &B::Device,
    ) -> Tensor<B, 1> {
        let batch = batch::<B>(BATCH, self.distance, (self.seed, number), device);
        let logits = answer(model, batch.tokens).unsqueeze_dim(1);
        TokenLoss::new(logits, batch.answers, None, BATCH, 0.0).mean()
    }

    fn accuracy<B: Backend, M: LanguageModel<B>>(&self, model: &M, device: &B::Device) -> f64 {
        let batch = batch::<B>(N_TEST, self.distance, (self.seed, TESTS), device);
        let right = answer(model, batch.tokens).argmax(1).equal(batch.answers);
        right.int().sum().into_scalar().elem::<f64>() / N_TEST as f64
    }

    fn reaching_back<B: AutodiffBackend, M>(&self, model: &M, device: &B::Device) -> f64
    where
        M: AutodiffModule<B> + LanguageModel<B>,
    {
        let mut symbols = SymbolGradient::<B> {
            path: ModulePath::default(),
            gradients: self.loss::<B, M>(model, 0, device).backward(),
            norm: 0.0,
        };
        model.visit(&mut symbols);
        symbols.norm
    }
}

/// What a model predicts behind the last token.
///
/// - `tokens`: `[batch, seq]`
/// - returns `[batch, vocab]`
fn answer<B: Backend, M: LanguageModel<B>>(model: &M, tokens: Tensor<B, 2, Int>) -> Tensor<B, 2> {
    let [batch, seq] = tokens.dims();
    model
        .forward(tokens)
        .slice(s![.., seq - 1..seq, ..])
        .reshape([batch, VOCAB])
}

/// The norm of the gradient of the symbols' vectors: the first rows of the embedding.
struct SymbolGradient<B: AutodiffBackend> {
    path: ModulePath,
    gradients: B::Gradients,
    norm: f64,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for SymbolGradient<B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if !self.path.join().starts_with("embedding.") || D != 2 {
            return;
        }
        if let Some(gradient) = param.val().grad(&self.gradients) {
            let squares = gradient.slice(s![..N_SYMBOLS, ..]).square().sum();
            self.norm = squares.into_scalar().elem::<f64>().sqrt();
        }
    }
}
