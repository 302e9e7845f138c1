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

/// Leaves nothing where it has taken a weight, so that nobody else holds it.
struct Taking<'a> {
    parts: &'a Parts,
    flat: Flat,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Taking<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(owner) = self.parts.owner(param.id) else {
            return param;
        };
        let (id, weight, mapper) = param.consume();
        let nothing = Tensor::zeros([1; D], &weight.device());
        let shape = weight.shape();
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
        let is_taken = self.parts.owner(param.id).is_some();
        let Some(weight) = is_taken.then(|| self.weights.next()).flatten() else {
            return param;
        };
        let (id, nothing, mapper) = param.consume();
        let weight = Tensor::from_data(weight, &nothing.device()).require_grad();
        Param::from_mapped_value(id, weight, mapper)
    }
}
