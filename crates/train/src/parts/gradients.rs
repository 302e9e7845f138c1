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
