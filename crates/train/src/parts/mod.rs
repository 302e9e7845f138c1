//! Which of several processes updates which parameter.
//!
//! Each process updates a part of them, remembers of those alone what its optimiser needs, and gets the rest from the others:
//! there is no update that two of them make. Rajbhandari et al. 2020, §5.1 <https://arxiv.org/abs/1910.02054>, the first stage of
//! ZeRO.

mod flat;
mod gradients;
mod weights;

pub(crate) use flat::Flat;

use burn::module::{AutodiffModule, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::Share;
use std::collections::HashMap;

/// The parameters that are trained, in parts of neighbours. A parameter is never cut: where one is longer than a part should be, as a
/// large embedding is, parts are as unlike.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// Whose each parameter is, and how many numbers it has.
    owners: HashMap<ParamId, (usize, usize)>,
    share: Share,
}

impl Parts {
    /// The parts of a model for as many processes as shares.
    pub(crate) fn of<B: AutodiffBackend, M: AutodiffModule<B>>(model: &M, share: Share) -> Self {
        let mut lengths = Lengths(Vec::new());
        model.visit(&mut lengths);
        let all: usize = lengths.0.iter().map(|(_, length)| length).sum();
        let mut begin = 0;
        let owner = |(id, length): (ParamId, usize)| {
            // Where its middle lies.
            let middle = (begin + length / 2) as f64 / all.max(1) as f64;
            begin += length;
            let owner = (middle * share.count() as f64) as usize;
            (id, (owner.min(share.count() - 1), length))
        };
        Self {
            owners: lengths.0.into_iter().map(owner).collect(),
            share,
        }
    }

    /// Which process updates a parameter; none where it is not trained.
    pub(crate) fn owner(&self, id: ParamId) -> Option<usize> {
        self.owners.get(&id).map(|(owner, _)| *owner)
    }

    /// Whether this process updates a parameter.
    pub(crate) fn is_own(&self, id: ParamId) -> bool {
        self.owner(id) == Some(self.share.index())
    }

    /// How many numbers are trained.
    pub(crate) fn n_trained(&self) -> usize {
        self.owners.values().map(|(_, length)| length).sum()
    }

    /// Whether there are parts of other processes.
    pub(crate) fn are_several(&self) -> bool {
        self.share != Share::WHOLE
    }
}

/// How many numbers each trained parameter has, in the order of the module's fields.
struct Lengths(Vec<(ParamId, usize)>);

impl<B: AutodiffBackend> ModuleVisitor<B> for Lengths {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if param.is_require_grad() {
            self.0.push((param.id, param.lazy_shape().num_elements()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn::module::Module;
    use burn::nn::LinearConfig;
    use burn_flex::Flex;

    #[test]
    fn parts_are_neighbours_of_about_one_length_and_what_is_not_trained_is_nobodys() {
        type TestBackend = Autodiff<Flex>;
        let layer = |n, m| LinearConfig::new(n, m).init::<TestBackend>(&Default::default());
        // 12 and 3, 12 and 4, and 16 that are not trained.
        let model = (layer(4, 3), layer(3, 4), layer(4, 4).no_grad());
        let owners = |n: usize| {
            let parts = Parts::of::<TestBackend, _>(&model, Share::new(n - 1, n));
            let layers = [&model.0, &model.1, &model.2];
            let owners = layers.map(|layer| {
                let bias = layer.bias.as_ref().expect("a bias").id;
                [layer.weight.id, bias].map(|id| parts.owner(id))
            });
            assert_eq!(parts.n_trained(), 31);
            owners
        };
        let nobody = [None, None];
        assert_eq!(owners(1), [[Some(0); 2], [Some(0); 2], nobody]);
        assert_eq!(owners(2), [[Some(0); 2], [Some(1); 2], nobody]);
        // Middles at 6, 13, 21 and 29.
        assert_eq!(owners(3), [[Some(0), Some(1)], [Some(2), Some(2)], nobody]);
    }
}
