//! The parameters of a module, by the names of its fields.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, backend::Backend};

/// A parameter's place in its module, and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The names of the fields that lead to it, such as `decoder.layers.0.self_attention.query.weight`.
    pub path: String,
    /// Outermost axis first.
    pub shape: Vec<usize>,
}

/// All parameters of a module in the order of its fields. Draws none that are not drawn yet.
pub fn parameters<B: Backend, M: Module<B>>(module: &M) -> Vec<Parameter> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    lister.found
}

#[derive(Default)]
struct Lister {
    path: ModulePath,
    found: Vec<Parameter>,
}

impl Lister {
    fn add(&mut self, shape: &[usize]) {
        self.found.push(Parameter {
            path: self.path.join(),
            shape: shape.to_vec(),
        });
    }
}

impl<B: Backend> ModuleVisitor<B> for Lister {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.add(param.lazy_shape().as_slice());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<B, D, Int>>) {
        self.add(param.lazy_shape().as_slice());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<B, D, Bool>>) {
        self.add(param.lazy_shape().as_slice());
    }
}

/// Where a visitor or mapper stands in a module: what the path of a [`Parameter`] is made of.
#[derive(Debug, Default)]
pub struct ModulePath(Vec<String>);

impl ModulePath {
    /// A field, or an element of a list, is entered.
    pub fn enter(&mut self, name: &str) {
        self.0.push(name.into());
    }

    /// It is left again.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The path of the parameter that stands here.
    pub fn join(&self) -> String {
        self.0.join(".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn_flex::Flex;

    #[test]
    fn listing_draws_nothing() {
        let linear = LinearConfig::new(2, 3).init::<Flex>(&Default::default());
        let found = parameters(&linear);
        let expected = [("weight", vec![2, 3]), ("bias", vec![3])];
        for (found, (path, shape)) in found.iter().zip(expected) {
            assert_eq!((found.path.as_str(), &found.shape), (path, &shape));
        }
        assert!(!linear.weight.is_initialized());
    }
}
