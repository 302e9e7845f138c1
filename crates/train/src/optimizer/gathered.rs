//! What several processes remember, gathered.

use super::{ParameterOptimizer, Slots};
use crate::group::{Group, GroupError};
use crate::parts::{Flat, Parts};
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};

impl<M: AutodiffModule<B>, B: AutodiffBackend> ParameterOptimizer<M, B> {
    /// The optimiser with what each process remembers of its own parameters: what one process that trains alone would remember of
    /// all.
    ///
    /// # Errors
    /// If another process is gone.
    pub(crate) fn gathered(&self, model: &M, group: &dyn Group) -> Result<Self, GroupError> {
        let parts = Parts::of::<B, M>(model, group.share());
        if !parts.are_several() {
            return Ok(self.clone());
        }
        let mut slots = Slots::<B::InnerBackend>::new();
        for number in 0..self.n_slots() {
            let mut laying = Laying::<B> {
                parts: &parts,
                slots: &self.slots,
                number,
                flat: Flat::default(),
            };
            model.visit(&mut laying);
            let mut flat = laying.flat;
            group.gather(&mut flat.numbers())?;
            model.visit(&mut Taking::<B, _> {
                parts: &parts,
                tensors: flat.into_tensors(),
                slots: &mut slots,
            });
        }
        Ok(Self {
            slots,
            ..self.clone()
        })
    }
}

struct Laying<'a, B: AutodiffBackend> {
    parts: &'a Parts,
    slots: &'a Slots<B::InnerBackend>,
    number: usize,
    flat: Flat,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Laying<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(owner) = self.parts.owner(param.id) {
            let slots = self.slots.get(&param.id);
            let slot = slots.and_then(|slots| slots.get(self.number)).cloned();
            let slot = slot.map(Tensor::<B::InnerBackend, D>::from_primitive);
            self.flat.push(owner, slot, param.lazy_shape());
        }
    }
}

struct Taking<'a, B: AutodiffBackend, I> {
    parts: &'a Parts,
    tensors: I,
    slots: &'a mut Slots<B::InnerBackend>,
}

impl<B: AutodiffBackend, I: Iterator<Item = TensorData>> ModuleVisitor<B> for Taking<'_, B, I> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let is_laid = self.parts.owner(param.id).is_some();
        if let Some(slot) = is_laid.then(|| self.tensors.next()).flatten() {
            let slot = Tensor::<B::InnerBackend, D>::from_data(slot, &param.lazy_device());
            let slots = self.slots.entry(param.id).or_default();
            slots.push(slot.into_primitive());
        }
    }
}
