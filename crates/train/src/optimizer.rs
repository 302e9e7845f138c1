//! Burn's optimisers over two groups of parameters: matrices, which decay, and all else, which does not.

use crate::gradients::Gradients;
use crate::recipe::{OptimizerKind, TrainRecipe};
use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    Adam, AdamConfig, AdamW, AdamWConfig, GradientsParams, LearningRate, Optimizer, Sgd, SgdConfig,
};
use burn::tensor::backend::AutodiffBackend;

/// The optimiser of a recipe. Each parameter keeps its state in the group it belongs to.
#[derive(Clone)]
pub struct ParameterOptimizer<M: AutodiffModule<B>, B: AutodiffBackend> {
    matrices: Kind<M, B>,
    others: Kind<M, B>,
    clip_norm: f64,
}

#[derive(Clone)]
enum Kind<M: AutodiffModule<B>, B: AutodiffBackend> {
    AdamW(OptimizerAdaptor<AdamW, M, B>),
    Adam(OptimizerAdaptor<Adam, M, B>),
    Sgd(OptimizerAdaptor<Sgd<B::InnerBackend>, M, B>),
}

impl<M: AutodiffModule<B>, B: AutodiffBackend> ParameterOptimizer<M, B> {
    /// The optimiser that a recipe asks for.
    pub fn new(recipe: &TrainRecipe) -> Self {
        Self {
            matrices: Kind::new(recipe, recipe.weight_decay as f32),
            others: Kind::new(recipe, 0.0),
            clip_norm: recipe.clip_norm,
        }
    }

    /// Clips the gradients, updates the model, and returns it with the norm the gradients had.
    pub fn step(&mut self, lr: LearningRate, model: M, gradients: B::Gradients) -> (M, f64) {
        let gradients = Gradients::new(gradients, &model, self.clip_norm);
        if !gradients.norm.is_finite() {
            return (model, gradients.norm);
        }
        let model = self.matrices.step(lr, model, gradients.matrices);
        let model = self.others.step(lr, model, gradients.others);
        (model, gradients.norm)
    }
}

impl<M: AutodiffModule<B>, B: AutodiffBackend> Kind<M, B> {
    fn new(recipe: &TrainRecipe, weight_decay: f32) -> Self {
        let (beta_1, beta_2) = (recipe.beta_1 as f32, recipe.beta_2 as f32);
        let epsilon = recipe.epsilon as f32;
        let decay = (weight_decay > 0.0).then_some(WeightDecayConfig {
            penalty: weight_decay,
        });
        match recipe.optimizer {
            OptimizerKind::AdamW => {
                let config = AdamWConfig::new()
                    .with_beta_1(beta_1)
                    .with_beta_2(beta_2)
                    .with_epsilon(epsilon)
                    .with_weight_decay(weight_decay);
                Self::AdamW(config.init())
            }
            OptimizerKind::Adam => {
                let config = AdamConfig::new()
                    .with_beta_1(beta_1)
                    .with_beta_2(beta_2)
                    .with_epsilon(epsilon)
                    .with_weight_decay(decay);
                Self::Adam(config.init())
            }
            OptimizerKind::Sgd => {
                // No dampening: Burn's default of 0.1 is nobody else's.
                let momentum = MomentumConfig::new()
                    .with_momentum(recipe.momentum)
                    .with_dampening(0.0);
                let momentum = (recipe.momentum > 0.0).then_some(momentum);
                Self::Sgd(
                    SgdConfig::new()
                        .with_weight_decay(decay)
                        .with_momentum(momentum)
                        .init(),
                )
            }
        }
    }

    fn step(&mut self, lr: LearningRate, model: M, gradients: GradientsParams) -> M {
        match self {
            Self::AdamW(optimizer) => optimizer.step(lr, model, gradients),
            Self::Adam(optimizer) => optimizer.step(lr, model, gradients),
            Self::Sgd(optimizer) => optimizer.step(lr, model, gradients),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::nn::{Initializer, Linear, LinearConfig};
    use burn::tensor::Tensor;
    use burn_flex::Flex;

    type TestBackend = Autodiff<Flex>;

    fn recipe(optimizer: OptimizerKind) -> TrainRecipe {
        TrainRecipe {
            optimizer,
            weight_decay: 0.5,
            clip_norm: 0.0,
            ..TrainRecipe::default()
        }
    }

    /// One weight and one bias, both 1: far enough from zero that no step of these tests crosses it.
    fn layer() -> Linear<TestBackend> {
        LinearConfig::new(1, 1)
            .with_initializer(Initializer::Ones)
            .init(&Default::default())
    }

    fn weight(layer: &Linear<TestBackend>) -> f32 {
        layer.weight.val().into_scalar()
    }

    fn bias(layer: &Linear<TestBackend>) -> f32 {
        layer.bias.as_ref().expect("a bias").val().into_scalar()
    }

    #[test]
    fn decay_shrinks_matrices_and_spares_biases() {
        for kind in [
            OptimizerKind::AdamW,
            OptimizerKind::Adam,
            OptimizerKind::Sgd,
        ] {
            let device = Default::default();
            let layer = layer();
            let (before_weight, before_bias) = (weight(&layer), bias(&layer));
            // A loss that no parameter changes: only decay moves anything.
            let x = Tensor::<TestBackend, 2>::zeros([1, 1], &device);
            let loss = layer.forward(x).sum().mul_scalar(0.0);
            let mut optimizer = ParameterOptimizer::new(&recipe(kind));
            let (layer, norm) = optimizer.step(0.1, layer, loss.backward());
            assert_eq!(norm, 0.0);
            assert!(weight(&layer).abs() < before_weight.abs(), "{kind:?}");
            assert_eq!(bias(&layer), before_bias, "{kind:?}");
        }
    }

    #[test]
    fn adamw_takes_the_step_that_the_paper_says() {
        let device = Default::default();
        let layer = layer();
        let (before_weight, before_bias) = (f64::from(weight(&layer)), f64::from(bias(&layer)));
        let loss = layer
            .forward(Tensor::<TestBackend, 2>::ones([1, 1], &device))
            .sum();
        let mut optimizer = ParameterOptimizer::new(&recipe(OptimizerKind::AdamW));
        let (layer, _) = optimizer.step(0.1, layer, loss.backward());
        // The first step of Adam is lr times the sign of the gradient, which is one here.
        assert!(
            (f64::from(weight(&layer)) - (before_weight * (1.0 - 0.1 * 0.5) - 0.1)).abs() < 1e-6
        );
        assert!((f64::from(bias(&layer)) - (before_bias - 0.1)).abs() < 1e-6);
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let device = Default::default();
        let layer = layer();
        let before = weight(&layer);
        let x = Tensor::<TestBackend, 2>::full([1, 1], f32::INFINITY, &device);
        let loss = layer.forward(x).sum();
        let mut optimizer = ParameterOptimizer::new(&recipe(OptimizerKind::Sgd));
        let (layer, norm) = optimizer.step(0.1, layer, loss.backward());
        assert!(!norm.is_finite());
        assert_eq!(weight(&layer), before);
    }
}
