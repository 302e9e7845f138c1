//! What a token's neighbours say of it, before any attention.

use crate::activation::Activation;
use crate::error::ConfigError;
use crate::initialisation::{WeightInitialisers, linear};
use crate::projection::project;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Tensor, backend::Backend};

/// A convolution over tokens in a residual branch, `x + gelu(conv(x))`: words that stand together have features of their own, which
/// attention has to learn from more text. Kim 2014 <https://arxiv.org/abs/1408.5882>, §2. As one product: a token's vector and
/// those of its neighbours side by side.
#[derive(Module, Debug)]
pub struct TokenConvolution<B: Backend> {
    /// From `width · d_model` to `d_model`, the leftmost neighbour first.
    linear: Linear<B>,
}

/// Whether a convolution can be so wide: as many tokens on the left as on the right.
pub(crate) fn check_width(kernel: usize) -> Result<(), ConfigError> {
    let field = "convolution";
    match kernel % 2 {
        1 => Ok(()),
        _ => Err(ConfigError::EvenKernel { field, kernel }),
    }
}

impl<B: Backend> TokenConvolution<B> {
    pub(crate) fn new(
        width: usize,
        d_model: usize,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let shape = [width * d_model, d_model];
        Self {
            linear: linear(shape, true, &initialisers.inner, device),
        }
    }

    /// - `x`: `[batch, seq, d_model]`
    /// - `padding_mask`: `[batch, seq]`; padding is to its neighbours what is beyond the end of a text: zeros
    /// - returns `[batch, seq, d_model]`
    pub(crate) fn forward(
        &self,
        x: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 3> {
        let [batch, seq, d_model] = x.dims();
        let [d_input, _] = self.linear.weight.dims();
        let width = d_input / d_model;
        let seen = match padding_mask {
            Some(mask) => {
                let hides = mask.reshape([batch, seq, 1]).expand([batch, seq, d_model]);
                x.clone().mask_fill(hides, 0.0)
            }
            None => x.clone(),
        };
        let beyond = Tensor::zeros([batch, width / 2, d_model], &x.device());
        let seen = Tensor::cat(vec![beyond.clone(), seen, beyond], 1);
        let side_by_side = (0..width).map(|at| seen.clone().narrow(1, at, seq));
        let side_by_side = Tensor::cat(side_by_side.collect(), 2);
        x + Activation::Gelu.apply(project(&self.linear, side_by_side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;
    use burn::module::Param;
    use burn::tensor::{Distribution, Tolerance};

    const D: usize = 2;

    /// A convolution of three tokens: of each, one weight for both numbers.
    fn sums(weights: [f32; 3]) -> TokenConvolution<TestBackend> {
        let device = Default::default();
        let rows = weights.map(|weight| [[weight, 0.0], [0.0, weight]]);
        let rows = Tensor::<TestBackend, 3>::from_floats(rows, &device).reshape([3 * D, D]);
        TokenConvolution {
            linear: Linear {
                weight: Param::from_tensor(rows),
                bias: None,
            },
        }
    }

    #[test]
    fn a_vector_knows_of_those_beside_it() {
        let device = Default::default();
        let x = Tensor::from_floats([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], &device);
        // Of the left neighbour ten times as much as of the right one; gelu leaves large numbers as they are.
        let found = sums([10.0, 0.0, 1.0]).forward(x, None);
        let expected = [[
            [1.0 + 3.0f32, 2.0 + 4.0],
            [3.0 + 15.0, 4.0 + 26.0],
            [5.0 + 30.0, 6.0 + 40.0],
        ]];
        let tolerance = Tolerance::absolute(2e-2);
        found
            .into_data()
            .assert_approx_eq::<f32>(&expected.into(), tolerance);
    }

    #[test]
    fn padding_is_no_neighbour() {
        let device = Default::default();
        let x = Tensor::<TestBackend, 3>::random([1, 3, D], Distribution::Default, &device);
        let short = sums([1.0, 2.0, 3.0]).forward(x.clone().narrow(1, 0, 2), None);
        let mask = Tensor::from_data([[false, false, true]], &device);
        let long = sums([1.0, 2.0, 3.0]).forward(x, Some(mask)).narrow(1, 0, 2);
        let tolerance = Tolerance::absolute(1e-6);
        long.into_data()
            .assert_approx_eq::<f32>(&short.into_data(), tolerance);
    }
}
