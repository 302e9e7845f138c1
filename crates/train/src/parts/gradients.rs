//! Gradients of all processes, added up.

use super::Parts;
use super::flat::Flat;
use crate::group::{Group, GroupError};
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};

impl Parts {
    /// So many times the gradients of all processes, added up: those of one's own parameters. Beside them counts are added up, of
    /// which all processes get all.
    ///
    /// - `factor`: of this process's gradients
    ///
    /// # Errors
    /// If another process is gone.
    pub(crate) fn scatter<B: AutodiffBackend, M: AutodiffModule<B>>(
        &self,
        gradients: GradientsParams,
        model: &M,
        factor: f64,
        counts: &mut Vec<f64>,
        group: &dyn Group,
    ) -> Result<GradientsParams, GroupError> {
        let mut laying = Laying {
            parts: self,
            gradients,
            flat: Flat::default(),
            present: Vec::new(),
        };
        model.visit(&mut laying);
        let Laying {
            mut flat, present, ..
        } = laying;
        let n_counts = counts.len();
        counts.extend(present);
        group.scatter(&mut flat.numbers().times(factor as f32), counts)?;
        let mut taking = Taking {
            parts: self,
            sums: flat.into_tensors().zip(counts.drain(n_counts..)),
            taken: GradientsParams::new(),
        };
        model.visit(&mut taking);
        Ok(taking.taken)
    }
}

struct Laying<'a> {
    parts: &'a Parts,
    gradients: GradientsParams,
    flat: Flat,
    /// For each parameter 1 if it has a gradient, else 0.
    present: Vec<f64>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Laying<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(owner) = self.parts.owner(param.id) {
            let gradient = self.gradients.remove::<B::InnerBackend, D>(param.id);
            self.present.push(f64::from(gradient.is_some()));
            self.flat.push(owner, gradient, param.lazy_shape());
        }
    }
}

struct Taking<'a, I> {
    parts: &'a Parts,
    /// Sums, and how many processes have what is added up.
    sums: I,
    taken: GradientsParams,
}

impl<B: AutodiffBackend, I: Iterator<Item = (TensorData, f64)>> ModuleVisitor<B> for Taking<'_, I> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if self.parts.owner(param.id).is_none() {
            return;
        }
        let sum = self.sums.next();
        if let Some((sum, _)) = sum.filter(|(_, n)| self.parts.is_own(param.id) && *n > 0.0) {
            let gradient = Tensor::<B::InnerBackend, D>::from_data(sum, &param.lazy_device());
            self.taken.register(param.id, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::together;
    use burn::backend::Autodiff;
    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn_flex::Flex;

    type TestBackend = Autodiff<Flex>;

    #[test]
    fn each_has_the_sums_of_its_own_and_what_has_no_gradient_has_none() {
        let layer = || -> Linear<TestBackend> { LinearConfig::new(2, 3).init(&Default::default()) };
        let found = together(3, |group| {
            let index = group.share().index();
            let model = (layer(), layer().no_grad(), layer());
            let parts = Parts::of::<TestBackend, _>(&model, group.share());
            let gradients = match index {
                0 => model.0.weight.val().sum() + model.2.weight.val().sum(),
                1 => model.2.weight.val().sum(),
                // One whose share of the batch is empty.
                _ => return sums(&parts, GradientsParams::new(), &model, group),
            };
            let gradients = GradientsParams::from_grads(gradients.backward(), &model);
            sums(&parts, gradients, &model, group)
        });
        // Middles at 3, 7, 12 and 16 of 18. Factors are 1 and 2.
        let of = |sum: f32| Some(vec![sum; 6]);
        let expected = [
            [of(1.0), None, None, None],
            [None, None, None, None],
            [None, None, of(3.0), None],
        ];
        for (found, expected) in found.into_iter().zip(expected) {
            assert_eq!(found, (expected, vec![3.0, 1.0]));
        }
    }

    type Model = (
        Linear<TestBackend>,
        Linear<TestBackend>,
        Linear<TestBackend>,
    );

    /// The sums of what is trained, and those of counts.
    fn sums(
        parts: &Parts,
        gradients: GradientsParams,
        model: &Model,
        group: &dyn Group,
    ) -> ([Option<Vec<f32>>; 4], Vec<f64>) {
        let index = group.share().index() as f64;
        let mut counts = vec![index, f64::from(index == 0.0)];
        let scattered =
            parts.scatter::<TestBackend, _>(gradients, model, index + 1.0, &mut counts, group);
        let mut sums = scattered.expect("all are there");
        let mut matrix = |layer: &Linear<TestBackend>| {
            let sum = sums.remove::<Flex, 2>(layer.weight.id);
            sum.map(|sum| sum.into_data().to_vec().expect("numbers"))
        };
        let matrices = [matrix(&model.0), matrix(&model.2)];
        assert!(matrix(&model.1).is_none());
        let mut bias = |layer: &Linear<TestBackend>| {
            let id = layer.bias.as_ref().expect("a bias").id;
            let sum = sums.remove::<Flex, 1>(id);
            sum.map(|sum| sum.into_data().to_vec().expect("numbers"))
        };
        let biases = [bias(&model.0), bias(&model.2)];
        let [first, last] = matrices;
        let [first_bias, last_bias] = biases;
        ([first, first_bias, last, last_bias], counts)
    }
}
