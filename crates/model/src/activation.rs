//! The pointwise non-linearities of feed-forward networks.

use burn::tensor::activation::{relu, sigmoid, silu};
use burn::tensor::{Tensor, backend::Backend};
use hearth_kernels::gelu;
use serde::{Deserialize, Serialize};

/// A pointwise non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x Φ(x)`, by the error function. Hendrycks and Gimpel 2016 <https://arxiv.org/abs/1606.08415>.
    Gelu,
    /// The tanh approximation of GELU, which GPT-2 uses (Hugging Face: `gelu_new`).
    GeluTanh,
    /// `x σ(x)`, also called swish. Elfwing et al. 2017 <https://arxiv.org/abs/1702.03118>.
    Silu,
}

impl Activation {
    /// - `x`: any shape
    /// - returns the same shape
    pub fn apply<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Relu => relu(x),
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_tanh(x),
            Self::Silu => silu(x),
        }
    }
}

/// `x/2 (1 + tanh(u))` with `u = √(2/π) (x + 0.044715 x³)`, written as `x σ(2u)`: the same function by fewer and
/// cheaper passes, forward and backward.
fn gelu_tanh<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    const LINEAR: f64 = 1.595_769_121_605_730_8; // 2 √(2/π)
    let polynomial = (x.clone() * x.clone())
        .mul_scalar(LINEAR * 0.044_715)
        .add_scalar(LINEAR);
    x.clone() * sigmoid(polynomial * x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;
    use burn::tensor::Tolerance;

    #[test]
    fn gelu_tanh_is_the_published_formula() {
        let device = Default::default();
        let values: Vec<f32> = (-40..=40).map(|i| i as f32 / 8.0).collect();
        let expected: Vec<f32> = values
            .iter()
            .map(|&x| {
                let x = f64::from(x);
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                (0.5 * x * (1.0 + u.tanh())) as f32
            })
            .collect();
        let found = Activation::GeluTanh.apply(Tensor::<TestBackend, 1>::from_floats(
            values.as_slice(),
            &device,
        ));
        let expected = Tensor::<TestBackend, 1>::from_floats(expected.as_slice(), &device);
        found
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-5));
    }
}
