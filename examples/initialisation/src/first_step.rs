//! The first step of a training: how large the gradient of each layer is, and how far it moves what the model says.

use crate::setting::{Setting, text};
use anyhow::{Context, bail};
use hearth::batch::{Share, Stream, TextWindows, WindowShape, derive_seed};
use hearth::burn::module::{Module, ModuleVisitor, Param};
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::burn::tensor::{ElementConversion, Tensor};
use hearth::hub::{Model, ModulePath};
use hearth::model::{Gpt, LanguageModel, TokenLoss};
use hearth::train::{ParameterOptimizer, Schedule};

/// What is measured of a first step.
pub(crate) struct FirstStep {
    /// The norm of the gradient over all parameters of a layer, of each layer.
    pub(crate) layer_norms: Vec<f64>,
    /// The root of the mean square of what it adds to the logits of its own batch.
    pub(crate) move_of_logits: f64,
}

impl FirstStep {
    /// That of the model and the batch that a training begins with.
    pub(crate) fn of<B: AutodiffBackend>(
        setting: &Setting,
        device: &B::Device,
    ) -> anyhow::Result<Self> {
        let recipe = setting.recipe()?;
        let ([training, _], vocab) = text()?;
        let shape = WindowShape {
            batch: recipe.train.batch_size.unwrap_or(1),
            seq: recipe.model.max_positions,
        };
        let windows = TextWindows::new(training, shape)?;
        let batch = windows.random::<B>(setting.seed, 0, Share::WHOLE, device);
        let batch = batch.context("a batch")?;
        B::seed(device, derive_seed(setting.seed, Stream::Weights, 0));
        let Model::Gpt(model) = recipe.model.config(vocab)?.init::<B>(device) else {
            bail!("a gpt recipe makes a gpt");
        };

        let before = model.forward(batch.inputs.clone());
        let loss = TokenLoss::new(before.clone(), batch.targets, None, batch.n_tokens, 0.0);
        let gradients = loss.mean().backward();
        let mut squares = LayerSquares::<B> {
            path: ModulePath::default(),
            gradients: &gradients,
            sums: vec![0.0; setting.n_layers],
        };
        model.visit(&mut squares);
        let layer_norms = squares.sums.into_iter().map(f64::sqrt).collect();

        let mut optimizer = ParameterOptimizer::<Gpt<B>, B>::new(&recipe.train);
        let lr = Schedule::new(&recipe.train).lr(0);
        let (model, _) = optimizer.step(lr, model, gradients);
        let squares = (model.forward(batch.inputs) - before).square().mean();
        Ok(Self {
            layer_norms,
            move_of_logits: squares.into_scalar().elem::<f64>().sqrt(),
        })
    }
}

/// The sum of the squares of each layer's gradients.
struct LayerSquares<'a, B: AutodiffBackend> {
    path: ModulePath,
    gradients: &'a B::Gradients,
    sums: Vec<f64>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for LayerSquares<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let path = self.path.join();
        let layer = path
            .strip_prefix("decoder.layers.")
            .and_then(|rest| rest.split('.').next());
        let layer = layer.and_then(|layer| layer.parse::<usize>().ok());
        if let (Some(layer), Some(gradient)) = (layer, param.val().grad(self.gradients)) {
            self.sums[layer] += gradient.square().sum().into_scalar().elem::<f64>();
        }
    }
}
