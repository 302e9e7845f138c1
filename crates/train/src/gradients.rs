//! The gradients of a model as one vector: its norm, and what to do when it is too long.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor};

/// A model's gradients, split by what weight decay is for: matrices, and all else (norms, biases).
pub(crate) struct Gradients {
    pub(crate) matrices: GradientsParams,
    pub(crate) others: GradientsParams,
    /// The norm over all parameters together, before clipping.
    pub(crate) norm: f64,
}

impl Gradients {
    /// Takes the gradients of a loss and shortens them to `clip_norm` where they are longer; 0 means no limit.
    ///
    /// Pascanu et al. 2013 <https://arxiv.org/abs/1211.5063>: one factor for all parameters, so that the direction stays.
    pub(crate) fn new<B: AutodiffBackend, M: AutodiffModule<B>>(
        gradients: B::Gradients,
        model: &M,
        clip_norm: f64,
    ) -> Self {
        let mut all = GradientsParams::from_grads(gradients, model);
        let mut squares = SumOfSquares::<B> {
            all: &all,
            sum: None,
        };
        model.visit(&mut squares);
        let norm = squares
            .sum
            .map_or(0.0, |sum| sum.into_scalar().elem::<f64>().sqrt());
        let factor = if clip_norm > 0.0 && norm > clip_norm {
            clip_norm / norm
        } else {
            1.0
        };
        let mut split = SplitAndScale {
            all: &mut all,
            matrices: GradientsParams::new(),
            others: GradientsParams::new(),
            factor,
        };
        model.visit(&mut split);
        Self {
            matrices: split.matrices,
            others: split.others,
            norm,
        }
    }
}

/// Adds up on the device, so that it is asked once.
struct SumOfSquares<'a, B: AutodiffBackend> {
    all: &'a GradientsParams,
    sum: Option<Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for SumOfSquares<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.all.get::<B::InnerBackend, D>(param.id) {
            let squares = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + squares,
                None => squares,
            });
        }
    }
}

struct SplitAndScale<'a> {
    all: &'a mut GradientsParams,
    matrices: GradientsParams,
    others: GradientsParams,
    factor: f64,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for SplitAndScale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.all.remove::<B::InnerBackend, D>(param.id) {
            let gradient = scaled(gradient, self.factor);
            let part = if D >= 2 {
                &mut self.matrices
            } else {
                &mut self.others
            };
            part.register(param.id, gradient);
        }
    }
}

fn scaled<B: Backend, const D: usize>(gradient: Tensor<B, D>, factor: f64) -> Tensor<B, D> {
    if factor == 1.0 {
        gradient
    } else {
        gradient.mul_scalar(factor)
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
        let gradients = Gradients::new(loss.backward(), &layer, clip_norm);
        (layer, gradients)
    }

    fn lengths(layer: &Linear<TestBackend>, gradients: &Gradients) -> (f32, f32) {
        let weight = gradients
            .matrices
            .get::<Flex, 2>(layer.weight.id)
            .expect("a matrix");
        let bias = layer.bias.as_ref().expect("a bias").id;
        let bias = gradients.others.get::<Flex, 1>(bias).expect("a bias");
        (weight.into_scalar(), bias.into_scalar())
    }

    #[test]
    fn a_long_gradient_is_shortened_as_a_whole() {
        let (layer, gradients) = gradients(1.0);
        assert!((gradients.norm - 5.0).abs() < 1e-6);
        let (weight, bias) = lengths(&layer, &gradients);
        assert!((weight - 0.6).abs() < 1e-6 && (bias - 0.8).abs() < 1e-6);
    }

    #[test]
    fn a_short_gradient_or_no_limit_leaves_it_alone() {
        for clip_norm in [0.0, 6.0] {
            let (layer, gradients) = gradients(clip_norm);
            assert_eq!(lengths(&layer, &gradients), (3.0, 4.0));
        }
    }
}
