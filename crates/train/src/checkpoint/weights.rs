//! The weights of a checkpoint, back in the model that is trained.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor, TensorMetadata, TensorPrimitive};
use hearth_hub::{Model, ModulePath};
use std::collections::HashMap;

/// Weights by path.
pub(super) struct Weights<B: Backend> {
    path: ModulePath,
    found: HashMap<String, TensorPrimitive<B>>,
}

impl<B: Backend> Weights<B> {
    fn none() -> Self {
        Self {
            path: ModulePath::default(),
            found: HashMap::new(),
        }
    }

    pub(super) fn of(model: &Model<B>) -> Self {
        let mut weights = Self::none();
        model.visit(&mut weights);
        weights
    }

    /// Of a module without its gradients.
    pub(super) fn of_module<A: AutodiffBackend<InnerBackend = B>, M: AutodiffModule<A>>(
        module: &M,
    ) -> Self {
        let mut weights = Self::none();
        module.valid().visit(&mut weights);
        weights
    }

    /// Takes one out.
    pub(super) fn take<const D: usize>(&mut self, path: &str) -> Option<Tensor<B, D>> {
        self.found.remove(path).map(Tensor::from_primitive)
    }
}

/// A model with other weights, where there are some for its parameters. Gradients are wanted as before.
pub(super) fn with_weights<B: AutodiffBackend, M: AutodiffModule<B>>(
    model: M,
    mut weights: Weights<B::InnerBackend>,
) -> M {
    weights.path = ModulePath::default();
    model.map(&mut weights)
}

impl<B: Backend> ModuleVisitor<B> for Weights<B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let weight = param.val().into_primitive();
        self.found.insert(self.path.join(), weight);
    }
}

impl<B: AutodiffBackend> ModuleMapper<B> for Weights<B::InnerBackend> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let path = self.path.join();
        let shape = param.lazy_shape();
        let fits = |weight: &TensorPrimitive<B::InnerBackend>| match weight {
            TensorPrimitive::Float(weight) => weight.shape() == shape,
            TensorPrimitive::QFloat(_) => false,
        };
        if !self.found.get(&path).is_some_and(fits) {
            return param;
        }
        let Some(weight) = self.take::<D>(&path) else {
            return param;
        };
        let (id, former, mapper) = param.consume();
        let weight = Tensor::from_inner(weight);
        let weight = weight.set_require_grad(former.is_require_grad());
        Param::from_mapped_value(id, weight, mapper)
    }
}

/// A model with the weights of another for those of its parameters that have the same path and shape there.
pub(crate) fn adopt<B: AutodiffBackend>(
    model: Model<B>,
    other: &Model<B::InnerBackend>,
) -> Model<B> {
    let mut weights = Weights::of(other);
    weights.path = ModulePath::default();
    model.map(&mut weights)
}

/// The sum of all weights: NaN where one is, or where they are so large that sums are.
pub(crate) fn sum_of_weights<B: AutodiffBackend, M: AutodiffModule<B>>(model: &M) -> f64 {
    let mut sum = Sum::<B> { sum: None };
    model.visit(&mut sum);
    sum.sum.map_or(0.0, |sum| sum.into_scalar().elem())
}

/// Adds up on the device, so that it is asked once.
struct Sum<B: AutodiffBackend> {
    sum: Option<Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Sum<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let sum = param.val().inner().sum();
        self.sum = Some(match self.sum.take() {
            Some(before) => before + sum,
            None => sum,
        });
    }
}
