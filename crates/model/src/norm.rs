//! The norms of a residual stream.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Tensor, backend::Backend};
use hearth_kernels::layer_norm;
use serde::{Deserialize, Serialize};

/// What a norm takes out of a vector before it scales the channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Mean and variance: `(x - mean) / √(variance + ε) · γ + β`. Ba et al. 2016 <https://arxiv.org/abs/1607.06450>.
    #[default]
    Layer,
    /// Length alone: `x / √(mean(x²) + ε) · γ`. Zhang and Sennrich 2019 <https://arxiv.org/abs/1910.07467>.
    Rms,
}

/// A norm over the last axis, of either [`NormKind`].
#[derive(Module, Debug)]
pub struct Norm<B: Backend> {
    /// `[d_model]`
    gamma: Param<Tensor<B, 1>>,
    /// `[d_model]`; a norm that takes no mean adds none.
    beta: Option<Param<Tensor<B, 1>>>,
    epsilon: f64,
}

impl<B: Backend> Norm<B> {
    pub(crate) fn new(kind: NormKind, d_model: usize, epsilon: f64, device: &B::Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([d_model], device),
            beta: (kind == NormKind::Layer).then(|| Initializer::Zeros.init([d_model], device)),
            epsilon,
        }
    }

    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        match &self.beta {
            Some(beta) => layer_norm(x, self.gamma.val(), beta.val(), self.epsilon),
            None => {
                let square = (x.clone() * x.clone()).mean_dim(2);
                let length = square.add_scalar(self.epsilon).sqrt();
                x / length * self.gamma.val().unsqueeze::<3>()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;
    use burn::tensor::{TensorData, Tolerance};

    #[test]
    fn each_kind_is_its_formula() {
        let device = Default::default();
        let x = || Tensor::<TestBackend, 3>::from_floats([[[1.0, 2.0, 3.0, 6.0]]], &device);
        // mean 3, variance 3.5; mean square 12.5
        let layer = 3.5f32.sqrt();
        let rms = 12.5f32.sqrt();
        let cases = [
            (
                NormKind::Layer,
                [-2.0 / layer, -1.0 / layer, 0.0, 3.0 / layer],
            ),
            (NormKind::Rms, [1.0 / rms, 2.0 / rms, 3.0 / rms, 6.0 / rms]),
        ];
        for (kind, expected) in cases {
            let found = Norm::new(kind, 4, 1e-12, &device).forward(x()).into_data();
            let expected = TensorData::new(expected.to_vec(), [1, 1, 4]);
            found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
        }
    }
}
