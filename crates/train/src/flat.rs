//! The gradients of a model as one list of numbers, for processes that add theirs up.

use crate::group::Numbers;
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{AllocationProperty, Tensor, TensorData};

/// Gradients in the order of a module's fields, in the memory of the processor: where that is the backend's own, what nobody else holds is not copied.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    /// In single precision; zeros where a parameter has none.
    gradients: Vec<TensorData>,
    /// For each parameter 1 if it has a gradient, else 0.
    pub(crate) present: Vec<f64>,
}

impl Flat {
    /// The gradients of a model.
    pub(crate) fn of<B: AutodiffBackend, M: AutodiffModule<B>>(
        gradients: GradientsParams,
        model: &M,
    ) -> Self {
        let mut laying = Laying {
            gradients,
            flat: Self::default(),
        };
        model.visit(&mut laying);
        laying.flat
    }

    pub(crate) fn numbers(&mut self) -> Numbers<'_> {
        Numbers::of(self.gradients.iter_mut().map(numbers))
    }

    /// The same as gradients of the model.
    pub(crate) fn gradients<B: AutodiffBackend, M: AutodiffModule<B>>(
        self,
        model: &M,
    ) -> GradientsParams {
        let mut taking = Taking {
            gradients: self.gradients.into_iter().zip(self.present),
            taken: GradientsParams::new(),
        };
        model.visit(&mut taking);
        taking.taken
    }
}

/// The same in memory that may be written to: a device's may not.
fn own(data: TensorData) -> TensorData {
    match data.bytes.property() {
        AllocationProperty::Native => data,
        _ => TensorData::new(data.iter::<f32>().collect::<Vec<_>>(), data.shape),
    }
}

fn numbers(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("single precision")
}

struct Laying {
    gradients: GradientsParams,
    flat: Flat,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Laying {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = self.gradients.remove::<B::InnerBackend, D>(param.id);
        let Flat { gradients, present } = &mut self.flat;
        present.push(if gradient.is_some() { 1.0 } else { 0.0 });
        gradients.push(match gradient {
            Some(gradient) => own(gradient.into_data().convert::<f32>()),
            None => TensorData::zeros::<f32, _>(param.lazy_shape()),
        });
    }
}

struct Taking<I> {
    gradients: I,
    taken: GradientsParams,
}

impl<B: AutodiffBackend, I: Iterator<Item = (TensorData, f64)>> ModuleVisitor<B> for Taking<I> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let Some((data, present)) = self.gradients.next() else {
            return;
        };
        if present > 0.0 {
            let device = param.val().device();
            let gradient = Tensor::<B::InnerBackend, D>::from_data(data, &device);
            self.taken.register(param.id, gradient);
        }
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
        let mut flat = Flat::of::<TestBackend, _>(gradients, &layer);
        assert_eq!(flat.present, [1.0, 0.0]);
        let laid: Vec<_> = flat
            .gradients
            .iter_mut()
            .map(|data| numbers(data).to_vec())
            .collect();
        assert_eq!(laid, [vec![2.0; 6], vec![0.0; 3]]);
        let mut gradients = flat.gradients::<TestBackend, _>(&layer);
        let weight = gradients.remove::<Flex, 2>(layer.weight.id);
        assert_eq!(weight.expect("a gradient").dims(), [2, 3]);
        let bias = layer.bias.as_ref().expect("a bias").id;
        assert!(gradients.remove::<Flex, 1>(bias).is_none());
    }
}
