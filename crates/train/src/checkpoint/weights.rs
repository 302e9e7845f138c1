//! The weights of a checkpoint, back in the model that is trained.

use burn::module::{AutodiffModule, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor, TensorPrimitive};
use hearth_hub::{Model, ModulePath};
use std::collections::HashMap;

/// A model with the weights of another, which has the same parameters. Gradients are wanted as before.
pub(crate) fn with_weights<B: AutodiffBackend, M: AutodiffModule<B>>(
    model: M,
    weights: &Model<B::InnerBackend>,
) -> M {
    let mut taken = Taken {
        path: ModulePath::default(),
        weights: HashMap::new(),
    };
    weights.visit(&mut taken);
    taken.path = ModulePath::default();
    model.map(&mut taken)
}

struct Taken<B: Backend> {
    path: ModulePath,
    weights: HashMap<String, TensorPrimitive<B>>,
}

impl<B: Backend> ModuleVisitor<B> for Taken<B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let weight = param.val().into_primitive();
        self.weights.insert(self.path.join(), weight);
    }
}

impl<B: AutodiffBackend> ModuleMapper<B> for Taken<B::InnerBackend> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(weight) = self.weights.remove(&self.path.join()) else {
            return param;
        };
        let (id, former, mapper) = param.consume();
        let weight = Tensor::from_inner(Tensor::from_primitive(weight));
        let weight = weight.set_require_grad(former.is_require_grad());
        Param::from_mapped_value(id, weight, mapper)
    }
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
