//! How weights are drawn before training.

use burn::module::{Initializer, Module, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// A scheme for the first weights of a whole model. Biases start at zero, norms at one in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// Normal with a standard deviation of 0.02, and 0.02/√(2 n_layers) for the projections that end a residual branch.
    /// Radford et al. 2019, §2.3.
    Gpt2,
    /// Uniform with variance 2/(fan_in + fan_out); embeddings normal with variance 1/d_model.
    /// Glorot and Bengio 2010 <https://proceedings.mlr.press/v9/glorot10a.html>.
    Xavier,
}

/// The scheme worked out for one stack: how each kind of weight is drawn.
#[derive(Debug, Clone)]
pub struct WeightInitialisers {
    /// Projections inside a branch.
    pub inner: Initializer,
    /// Projections whose result is added to the residual stream.
    pub residual: Initializer,
    /// Token embeddings.
    pub embedding: Initializer,
}

impl Initialisation {
    /// The initialisers of a stack of `n_layers` layers, each `d_model` wide.
    pub fn initialisers(self, d_model: usize, n_layers: usize) -> WeightInitialisers {
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        match self {
            Self::Gpt2 => WeightInitialisers {
                inner: normal(0.02),
                residual: normal(0.02 / (2.0 * n_layers.max(1) as f64).sqrt()),
                embedding: normal(0.02),
            },
            Self::Xavier => WeightInitialisers {
                inner: Initializer::XavierUniform { gain: 1.0 },
                residual: Initializer::XavierUniform { gain: 1.0 },
                embedding: normal((d_model.max(1) as f64).powf(-0.5)),
            },
        }
    }
}

/// A linear layer whose weight is drawn by `initialiser` and whose bias, if it has one, starts at zero.
pub(crate) fn linear<B: Backend>(
    [d_input, d_output]: [usize; 2],
    bias: bool,
    initialiser: &Initializer,
    device: &B::Device,
) -> Linear<B> {
    Linear {
        weight: initialiser.init_with([d_input, d_output], Some(d_input), Some(d_output), device),
        bias: bias.then(|| Initializer::Zeros.init([d_output], device)),
    }
}

/// Draws every parameter now.
///
/// Burn draws a parameter when it is first used; a clone made before then draws its own. After this call clones are
/// equal, and the order of the draws is the order of the module's fields, so that one seed gives one model.
pub fn materialise<B: Backend, M: Module<B>>(module: M) -> M {
    struct Touch;
    impl<B: Backend> ModuleVisitor<B> for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let _ = param.val();
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<B, D, Int>>) {
            let _ = param.val();
        }
        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<B, D, Bool>>) {
            let _ = param.val();
        }
    }
    module.visit(&mut Touch);
    module
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;

    #[test]
    fn a_materialised_model_and_its_clone_have_the_same_weights() {
        let device = Default::default();
        let scheme = Initialisation::Xavier.initialisers(8, 2);
        let layer = materialise::<TestBackend, _>(linear([8, 4], true, &scheme.inner, &device));
        let clone = layer.clone();
        layer
            .weight
            .val()
            .into_data()
            .assert_eq(&clone.weight.val().into_data(), true);
    }
}
