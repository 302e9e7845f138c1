//! The optimiser: one update rule over all parameters, with a state that can be looked at, saved and put back.
//!
//! Burn's optimisers keep their states in private fields, so that what they save is not what they hold. Here a rule is
//! a pure function, and its state is named tensors ([`Rule::slots`]). Matrices decay; norms and biases do not.

mod ada_grad;
mod adam;
mod average;
mod gathered;
mod layers;
mod rms_prop;
mod rule;
mod saved;
mod sgd;

use crate::gradients::{Gradients, squares};
use crate::parts::Parts;
use crate::recipe::TrainRecipe;
use burn::module::{AutodiffModule, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorPrimitive};
use hearth_batch::Share;
use hearth_hub::ModulePath;
use hearth_model::kernels::running_mean;
use layers::LayerRates;
use rule::{Moment, Rule};
use std::collections::HashMap;
use std::marker::PhantomData;

/// The optimiser of a recipe, with what it remembers of each parameter.
#[derive(Debug, Clone)]
pub struct ParameterOptimizer<M: AutodiffModule<B>, B: AutodiffBackend> {
    rule: Rule,
    weight_decay: f64,
    clip_norm: f64,
    layer_decay: f64,
    /// The decay of the running mean of the weights; 0 for none.
    ema: f64,
    n_updates: u64,
    slots: Slots<B::InnerBackend>,
    module: PhantomData<M>,
}

/// A parameter's tensors, in the order of the rule's names; each has the parameter's shape.
type Slots<B> = HashMap<ParamId, Vec<TensorPrimitive<B>>>;

impl<M: AutodiffModule<B>, B: AutodiffBackend> ParameterOptimizer<M, B> {
    /// The optimiser that a recipe asks for.
    pub fn new(recipe: &TrainRecipe) -> Self {
        Self {
            rule: Rule::new(recipe),
            weight_decay: recipe.weight_decay,
            clip_norm: recipe.clip_norm,
            layer_decay: recipe.layer_decay,
            ema: recipe.ema,
            n_updates: 0,
            slots: Slots::new(),
            module: PhantomData,
        }
    }

    /// Clips the gradients, updates the model, and returns it with the norm the gradients had. Where that is not
    /// finite, nothing is updated.
    pub fn step(&mut self, lr: f64, model: M, gradients: B::Gradients) -> (M, f64) {
        let mut gradients = GradientsParams::from_grads(gradients, &model);
        let squares = squares::<B, M>(&mut gradients, &model);
        let gradients = self.clip(gradients, squares, 1.0);
        let norm = gradients.norm;
        if !norm.is_finite() {
            return (model, norm);
        }
        let parts = Parts::of::<B, M>(&model, Share::WHOLE);
        (self.update(lr, model, gradients, &parts), norm)
    }

    /// So many times the gradients of a model, to be shortened where they are too long.
    ///
    /// - `squares`: the sum of the squares of all of them
    pub(crate) fn clip(&self, gradients: GradientsParams, squares: f64, scale: f64) -> Gradients {
        Gradients::new(gradients, squares, scale, self.clip_norm)
    }

    /// The model behind one more update of this process's parameters.
    pub(crate) fn update(&mut self, lr: f64, model: M, gradients: Gradients, parts: &Parts) -> M {
        self.n_updates += 1;
        let layers = LayerRates::of::<B, M>(self.layer_decay, &model);
        model.map(&mut Updating::<B> {
            path: ModulePath::default(),
            rule: self.rule,
            lr,
            layers,
            weight_decay: self.weight_decay,
            ema: self.ema,
            n_updates: self.n_updates,
            slots: &mut self.slots,
            gradients,
            parts,
        })
    }
}

/// One update, parameter by parameter.
struct Updating<'a, B: AutodiffBackend> {
    path: ModulePath,
    rule: Rule,
    lr: f64,
    layers: LayerRates,
    weight_decay: f64,
    ema: f64,
    n_updates: u64,
    slots: &'a mut Slots<B::InnerBackend>,
    gradients: Gradients,
    parts: &'a Parts,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Updating<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let gradient = self.gradients.take::<B::InnerBackend, D>(param.id);
        let is_averaged = self.ema > 0.0 && self.parts.is_own(param.id);
        if gradient.is_none() && !is_averaged {
            return param;
        }
        let (id, weight, mapper) = param.consume();
        let wants_gradient = weight.is_require_grad();
        let mut weight = weight.inner();
        let mut slots = match self.slots.remove(&id) {
            Some(slots) => slots.into_iter().map(Tensor::from_primitive).collect(),
            None => vec![weight.zeros_like(); self.rule.slots().len() + usize::from(is_averaged)],
        };
        let average = if is_averaged { slots.pop() } else { None };
        if let Some(gradient) = gradient {
            let moment = Moment {
                lr: self.lr * self.layers.rate(&self.path.join()),
                weight_decay: if D >= 2 { self.weight_decay } else { 0.0 },
                n_updates: self.n_updates,
                scale: self.gradients.scale,
            };
            (weight, slots) = self.rule.update(weight, gradient, slots, moment);
        }
        slots.extend(average.map(|average| running_mean(average, weight.clone(), self.ema)));
        let slots = slots.into_iter().map(Tensor::into_primitive).collect();
        self.slots.insert(id, slots);
        let weight = Tensor::from_inner(weight).set_require_grad(wants_gradient);
        Param::from_mapped_value(id, weight, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::OptimizerKind;
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
            OptimizerKind::RmsProp,
            OptimizerKind::AdaGrad,
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
