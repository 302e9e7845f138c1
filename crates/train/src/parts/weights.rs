//! Weights of all processes, gathered.

use super::Parts;
use super::flat::Flat;
use crate::group::{Group, GroupError};
use burn::module::{AutodiffModule, ModuleMapper, Param};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};

impl Parts {
    /// A model with each parameter as its owner has it.
    ///
    /// # Errors
    /// If another process is gone.
    pub(crate) fn gather<B: AutodiffBackend, M: AutodiffModule<B>>(
        &self,
        model: M,
        group: &dyn Group,
    ) -> Result<M, GroupError> {
        if !self.are_several() {
            return Ok(model);
        }
        let mut taking = Taking {
            parts: self,
            flat: Flat::default(),
        };
        let model = model.map(&mut taking);
        let mut flat = taking.flat;
        group.gather(&mut flat.numbers())?;
        Ok(model.map(&mut Putting {
            parts: self,
            weights: flat.into_tensors(),
        }))
    }
}

/// Takes one's own weights, and leaves next to nothing in their place: what nobody else holds need not be copied.
struct Taking<'a> {
    parts: &'a Parts,
    flat: Flat,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Taking<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(owner) = self.parts.owner(param.id) else {
            return param;
        };
        let shape = param.lazy_shape();
        if !self.parts.is_own(param.id) {
            self.flat.push::<B, D>(owner, None, shape);
            return param;
        }
        let (id, weight, mapper) = param.consume();
        let nothing = Tensor::zeros([1; D], &weight.device());
        self.flat.push(owner, Some(weight.inner()), shape);
        Param::from_mapped_value(id, nothing, mapper)
    }
}

struct Putting<'a, I> {
    parts: &'a Parts,
    weights: I,
}

impl<B: AutodiffBackend, I: Iterator<Item = TensorData>> ModuleMapper<B> for Putting<'_, I> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let is_laid = self.parts.owner(param.id).is_some();
        let Some(weight) = is_laid.then(|| self.weights.next()).flatten() else {
            return param;
        };
        let (id, former, mapper) = param.consume();
        let weight = Tensor::from_data(weight, &former.device()).require_grad();
        Param::from_mapped_value(id, weight, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::together;
    use burn::backend::Autodiff;
    use burn::module::Module;
    use burn::nn::{Initializer, Linear, LinearConfig};
    use burn_flex::Flex;

    type TestBackend = Autodiff<Flex>;

    #[test]
    fn all_have_what_each_has_made_and_what_is_not_trained_stays() {
        let layer = |value: f64| -> Linear<TestBackend> {
            LinearConfig::new(2, 3)
                .with_initializer(Initializer::Constant { value })
                .init(&Default::default())
        };
        // Four parameters are trained: of five processes one has none.
        let found = together(5, |group| {
            let index = group.share().index() as f64;
            let model = (layer(index), layer(10.0 * index).no_grad(), layer(index));
            let parts = Parts::of::<TestBackend, _>(&model, group.share());
            let model = parts.gather::<TestBackend, _>(model, group);
            let (first, untrained, last) = model.expect("all are there");
            assert_eq!(
                untrained.weight.val().max().into_scalar() as f64,
                10.0 * index
            );
            let weights = [first.weight, last.weight].map(|param| {
                assert!(param.is_require_grad());
                param.val().into_data().to_vec::<f32>().expect("numbers")
            });
            let biases = [first.bias, last.bias].map(|param| {
                let bias = param.expect("a bias").val();
                bias.into_data().to_vec::<f32>().expect("numbers")
            });
            (weights, biases)
        });
        // Middles at 3, 7, 12 and 16 of 18.
        let expected = ([vec![0.0; 6], vec![3.0; 6]], [vec![1.0; 3], vec![4.0; 3]]);
        assert!(found.iter().all(|found| *found == expected), "{found:?}");
    }
}
