//! The gradients of a model as one list of numbers, for processes that add theirs up.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};

/// Gradients in the order of a module's fields.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    /// Those of all parameters; zeros where a parameter has none.
    pub(crate) numbers: Vec<f32>,
    /// For each parameter 1 if it has a gradient, else 0.
    pub(crate) present: Vec<f64>,
}

impl Flat {
    /// So many times the gradients of a model.
    pub(crate) fn of<B: AutodiffBackend, M: AutodiffModule<B>>(
        gradients: GradientsParams,
        factor: f64,
        model: &M,
    ) -> Self {
        let mut laying = Laying {
            gradients,
            factor: factor as f32,
            flat: Self {
                numbers: Vec::with_capacity(model.num_params()),
                present: Vec::new(),
            },
        };
        model.visit(&mut laying);
        laying.flat
    }

    /// The same as gradients of the model.
    pub(crate) fn gradients<B: AutodiffBackend, M: AutodiffModule<B>>(
        self,
        model: &M,
    ) -> GradientsParams {
        let mut taking = Taking {
            flat: self,
            n_taken: 0,
            n_seen: 0,
            gradients: GradientsParams::new(),
        };
        model.visit(&mut taking);
        taking.gradients
    }
}

struct Laying {
    gradients: GradientsParams,
    factor: f32,
    flat: Flat,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Laying {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let Flat { numbers, present } = &mut self.flat;
        let gradient = self.gradients.remove::<B::InnerBackend, D>(param.id);
        present.push(if gradient.is_some() { 1.0 } else { 0.0 });
        match gradient {
            Some(gradient) => {
                let data = gradient.into_data().convert::<f32>();
                let found = data.as_slice::<f32>().unwrap_or_default();
                numbers.extend(found.iter().map(|number| number * self.factor));
            }
            None => numbers.resize(numbers.len() + param.lazy_shape().num_elements(), 0.0),
        }
    }
}

struct Taking {
    flat: Flat,
    n_taken: usize,
    n_seen: usize,
    gradients: GradientsParams,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Taking {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let weight = param.val();
        let shape = weight.dims();
        let end = self.n_taken + shape.iter().product::<usize>();
        if self.flat.present[self.n_seen] > 0.0 {
            let numbers = self.flat.numbers[self.n_taken..end].to_vec();
            let data = TensorData::new(numbers, shape);
            let gradient = Tensor::<B::InnerBackend, D>::from_data(data, &weight.device());
            self.gradients.register(param.id, gradient);
        }
        self.n_taken = end;
        self.n_seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::nn::LinearConfig;
    use burn_flex::Flex;

    #[test]
    fn gradients_come_back_and_what_has_none_has_none() {
        type TestBackend = Autodiff<Flex>;
        let device = Default::default();
        let layer = LinearConfig::new(2, 3).init::<TestBackend>(&device);
        let loss = layer.weight.val().sum().mul_scalar(2.0);
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        let flat = Flat::of::<TestBackend, _>(gradients, 1.5, &layer);
        assert_eq!(flat.present, [1.0, 0.0]);
        assert_eq!(flat.numbers, [[3.0; 6].as_slice(), &[0.0; 3]].concat());
        let mut gradients = flat.gradients::<TestBackend, _>(&layer);
        let weight = gradients.remove::<Flex, 2>(layer.weight.id);
        assert_eq!(weight.expect("a gradient").dims(), [2, 3]);
        let bias = layer.bias.as_ref().expect("a bias").id;
        assert!(gradients.remove::<Flex, 1>(bias).is_none());
    }
}
