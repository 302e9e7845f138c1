//! The gradients of a model as one vector: its norm, and what to do when it is too long.

use burn::module::{AutodiffModule, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor};
use hearth_model::kernels::sum_of_squares;

/// A model's gradients.
pub(crate) struct Gradients {
    all: GradientsParams,
    /// What each is yet to be multiplied by.
    pub(crate) scale: f64,
    /// The norm over all parameters together, before clipping.
    pub(crate) norm: f64,
}

impl Gradients {
    /// So many times these gradients, shortened to `clip_norm` where they are longer; 0 means no limit.
    ///
    /// Pascanu et al. 2013 <https://arxiv.org/abs/1211.5063>: one factor for all parameters, so that the direction stays.
    ///
    /// - `squares`: the sum of the squares of all of them
    pub(crate) fn new(all: GradientsParams, squares: f64, scale: f64, clip_norm: f64) -> Self {
        let norm = scale * squares.sqrt();
        let scale = if clip_norm > 0.0 && norm > clip_norm {
            scale * clip_norm / norm
        } else {
            scale
        };
        Self { all, scale, norm }
    }

    /// The gradient of a parameter, yet to be multiplied by the scale; none where the loss does not depend on it, or it was taken before.
    pub(crate) fn take<B: Backend, const D: usize>(&mut self, id: ParamId) -> Option<Tensor<B, D>> {
        self.all.remove(id)
    }
}

/// The sum of the squares of a model's gradients.
pub(crate) fn squares<B: AutodiffBackend, M: AutodiffModule<B>>(
    all: &mut GradientsParams,
    model: &M,
) -> f64 {
    let mut squares = SumOfSquares::<B> { all, sum: None };
    model.visit(&mut squares);
    squares
        .sum
        .map_or(0.0, |sum| sum.into_scalar().elem::<f64>())
}

/// The sums of two gradients of a model.
pub(crate) fn added<B: AutodiffBackend, M: AutodiffModule<B>>(
    one: GradientsParams,
    other: GradientsParams,
    model: &M,
) -> GradientsParams {
    let mut adding = Adding {
        one,
        other,
        sums: GradientsParams::new(),
    };
    model.visit(&mut adding);
    adding.sums
}

struct Adding {
    one: GradientsParams,
    other: GradientsParams,
    sums: GradientsParams,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Adding {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let one = self.one.remove::<B::InnerBackend, D>(param.id);
        let other = self.other.remove::<B::InnerBackend, D>(param.id);
        let sum = match (one, other) {
            (Some(one), Some(other)) => one + other,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return,
        };
        self.sums.register(param.id, sum);
    }
}

/// Adds up on the device, so that it is asked once.
struct SumOfSquares<'a, B: AutodiffBackend> {
    all: &'a mut GradientsParams,
    sum: Option<Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for SumOfSquares<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.all.remove::<B::InnerBackend, D>(param.id) {
            let (gradient, squares) = sum_of_squares(gradient);
            self.all.register(param.id, gradient);
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + squares,
                None => squares,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::nn::{Linear, LinearConfig};
    use burn_flex::Flex;

    type TestBackend = Autodiff<Flex>;

    /// The gradient of `3 w + 4 b` is 3 and 4: its norm is 5.
    fn gradients(clip_norm: f64) -> (Linear<TestBackend>, Gradients) {
        let layer: Linear<TestBackend> = LinearConfig::new(1, 1).init(&Default::default());
        let bias = layer.bias.as_ref().expect("a bias").val();
        let loss = layer.weight.val().sum().mul_scalar(3.0) + bias.sum().mul_scalar(4.0);
        let mut gradients = GradientsParams::from_grads(loss.backward(), &layer);
        let squares = squares::<TestBackend, _>(&mut gradients, &layer);
        (layer, Gradients::new(gradients, squares, 1.0, clip_norm))
    }

    fn lengths(layer: &Linear<TestBackend>, mut gradients: Gradients) -> (f32, f32) {
        let scale = gradients.scale as f32;
        let weight = gradients.take::<Flex, 2>(layer.weight.id);
        let bias = layer.bias.as_ref().expect("a bias").id;
        let bias = gradients.take::<Flex, 1>(bias);
        (
            scale * weight.expect("a matrix").into_scalar(),
            scale * bias.expect("a bias").into_scalar(),
        )
    }

    #[test]
    fn a_long_gradient_is_shortened_as_a_whole() {
        let (layer, gradients) = gradients(1.0);
        assert!((gradients.norm - 5.0).abs() < 1e-6);
        let (weight, bias) = lengths(&layer, gradients);
        assert!((weight - 0.6).abs() < 1e-6 && (bias - 0.8).abs() < 1e-6);
    }

    #[test]
    fn a_short_gradient_or_no_limit_leaves_it_alone() {
        for clip_norm in [0.0, 6.0] {
            let (layer, gradients) = gradients(clip_norm);
            assert_eq!(lengths(&layer, gradients), (3.0, 4.0));
        }
    }
}
