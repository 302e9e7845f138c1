//! The running mean of the weights.

use super::{ParameterOptimizer, Slots};
use crate::group::{Group, GroupError};
use burn::module::{AutodiffModule, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::Share;

/// The last slot of each parameter, where a mean is kept. It begins with zeros, and what that takes off is given back by
/// `1 - decayⁿ`, as in Adam: behind the first update the mean is the weight.
pub(super) const SLOT: &str = "average";

impl<M: AutodiffModule<B>, B: AutodiffBackend> ParameterOptimizer<M, B> {
    /// A model with the running mean of its weights in their place; the model itself where no mean is kept. What is not trained
    /// stays as it is; of an adapter both halves are averaged. Polyak and Juditsky 1992; as an exponential mean in Tarvainen and Valpola 2017
    /// <https://arxiv.org/abs/1703.01780>.
    ///
    /// # Errors
    /// If another process that remembers a part of it is gone.
    pub(crate) fn averaged(&self, model: M, group: &dyn Group) -> Result<M, GroupError> {
        if self.ema == 0.0 || self.n_updates == 0 {
            return Ok(model);
        }
        let all;
        let slots = match group.share() {
            Share::WHOLE => &self.slots,
            _ => {
                let last = self.n_slots() - 1..self.n_slots();
                all = self.gather(last, &model, true, group)?;
                &all
            }
        };
        Ok(model.map(&mut Averaged::<B> {
            slots,
            correction: 1.0 - self.ema.powf(self.n_updates as f64),
        }))
    }
}

struct Averaged<'a, B: AutodiffBackend> {
    slots: &'a Slots<B::InnerBackend>,
    correction: f64,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Averaged<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let slots = self
            .slots
            .get(&param.id)
            .filter(|_| param.is_require_grad());
        let Some(average) = slots.and_then(|slots| slots.last()) else {
            return param;
        };
        let average = Tensor::<B::InnerBackend, D>::from_primitive(average.clone());
        let (id, weight, mapper) = param.consume();
        let average = Tensor::from_inner(average.div_scalar(self.correction));
        let average = average.set_require_grad(weight.is_require_grad());
        Param::from_mapped_value(id, average, mapper)
    }
}
