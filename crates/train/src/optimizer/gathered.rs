//! What several processes remember, gathered.

use super::{ParameterOptimizer, Slots};
use crate::group::{Group, GroupError};
use crate::parts::{Flat, Parts};
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use hearth_batch::Share;
use std::ops::Range;

impl<M: AutodiffModule<B>, B: AutodiffBackend> ParameterOptimizer<M, B> {
    /// What one process that trains alone would remember, in the process that writes files, which is the first; in others nothing
    /// that is of use.
    ///
    /// # Errors
    /// If another process is gone.
    pub(crate) fn gathered(&self, model: &M, group: &dyn Group) -> Result<Self, GroupError> {
        let share = group.share();
        if share == Share::WHOLE {
            return Ok(self.clone());
        }
        let keeps = share.index() == 0;
        Ok(Self {
            slots: self.gather(0..self.n_slots(), model, keeps, group)?,
            ..self.clone()
        })
    }

    /// Some slots of all parameters, from those who remember them.
    ///
    /// - `keeps`: whether this process wants them
    pub(super) fn gather(
        &self,
        numbers: Range<usize>,
        model: &M,
        keeps: bool,
        group: &dyn Group,
    ) -> Result<Slots<B::InnerBackend>, GroupError> {
        let parts = Parts::of::<B, M>(model, group.share());
        let mut gathered = Slots::<B::InnerBackend>::new();
        for number in numbers {
            let mut laying = Laying::<B> {
                parts: &parts,
                slots: &self.slots,
                number,
                flat: Flat::default(),
            };
            model.visit(&mut laying);
            let mut flat = laying.flat;
            group.gather(&mut flat.numbers())?;
            if keeps {
                model.visit(&mut Taking::<B, _> {
                    tensors: flat.into_tensors(),
                    parts: &parts,
                    gathered: &mut gathered,
                });
            }
        }
        Ok(gathered)
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
    gathered: &'a mut Slots<B::InnerBackend>,
}

impl<B: AutodiffBackend, I: Iterator<Item = TensorData>> ModuleVisitor<B> for Taking<'_, B, I> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let is_laid = self.parts.owner(param.id).is_some();
        if let Some(slot) = is_laid.then(|| self.tensors.next()).flatten() {
            let slot = Tensor::<B::InnerBackend, D>::from_data(slot, &param.lazy_device());
            let slots = self.gathered.entry(param.id).or_default();
            slots.push(slot.into_primitive());
        }
    }
}
