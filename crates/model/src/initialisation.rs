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
    /// Glorot and Bengio 2010 <https://proceedings.mlr.press/v9/glorot10a.html>. In a stack whose stream is scaled, DeepNorm's:
    /// see [`StackConfig::residual_scale`](crate::StackConfig::residual_scale).
    Xavier,
    /// Normal with variance 2/fan_in, so that a ReLU keeps the size of what passes it; embeddings as `Xavier`'s.
    /// He et al. 2015 <https://arxiv.org/abs/1502.01852>.
    Kaiming,
}

/// The scheme worked out for one stack: how each kind of weight is drawn.
#[derive(Debug, Clone)]
pub struct WeightInitialisers {
    /// Queries and keys.
    pub query: Initializer,
    /// All other projections inside a branch.
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
        let embedding = normal((d_model.max(1) as f64).powf(-0.5));
        let alike = |all: Initializer| WeightInitialisers {
            query: all.clone(),
            inner: all.clone(),
            residual: all,
            embedding,
        };
        match self {
            Self::Gpt2 => WeightInitialisers {
                query: normal(0.02),
                inner: normal(0.02),
                residual: normal(0.02 / (2.0 * n_layers.max(1) as f64).sqrt()),
                embedding: normal(0.02),
            },
            Self::Xavier => alike(Initializer::XavierUniform { gain: 1.0 }),
            Self::Kaiming => alike(Initializer::KaimingNormal {
                gain: 2f64.sqrt(),
                fan_out_only: false,
            }),
        }
    }
}

impl WeightInitialisers {
    /// For branches whose stream is scaled by `alpha`: all of Glorot's weights on the way of a value are smaller by `√2 alpha`.
    ///
    /// This is DeepNorm's β of each of its kinds of stacks. Wang et al. 2022, Table 1 <https://arxiv.org/abs/2203.00555>.
    pub(crate) fn beside(&self, alpha: f64) -> Self {
        let smaller = |initialiser: &Initializer| match initialiser {
            Initializer::XavierUniform { gain } if alpha != 1.0 => Initializer::XavierUniform {
                gain: gain / (2f64.sqrt() * alpha),
            },
            other => other.clone(),
        };
        Self {
            inner: smaller(&self.inner),
            residual: smaller(&self.residual),
            ..self.clone()
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

    /// The standard deviation of some numbers that were drawn around 0.
    fn deviation(initialiser: &Initializer, size: [usize; 2]) -> f64 {
        let layer = linear::<TestBackend>(size, false, initialiser, &Default::default());
        let squares = layer.weight.val().square().mean();
        f64::from(squares.into_scalar()).sqrt()
    }

    #[test]
    fn schemes_draw_as_wide_as_they_say() {
        let size = [300, 100];
        let normal = |scheme: Initialisation| scheme.initialisers(300, 8);
        let xavier = (2.0f64 / 400.0).sqrt();
        // DeepNorm of eight layers: α = 16^¼ = 2, β = 64^-¼ = 1/√8.
        let deep = normal(Initialisation::Xavier).beside(2.0);
        for (initialiser, expected) in [
            (normal(Initialisation::Gpt2).inner, 0.02),
            (normal(Initialisation::Gpt2).residual, 0.005),
            (normal(Initialisation::Xavier).inner, xavier),
            (
                normal(Initialisation::Kaiming).inner,
                (2.0f64 / 300.0).sqrt(),
            ),
            (deep.query, xavier),
            (deep.inner, xavier / 8f64.sqrt()),
            (deep.residual, xavier / 8f64.sqrt()),
        ] {
            // Of 30,000 numbers: five deviations of their deviation.
            let ratio = deviation(&initialiser, size) / expected;
            assert!((ratio - 1.0).abs() < 0.02, "{initialiser:?}: {ratio}");
        }
    }
}
