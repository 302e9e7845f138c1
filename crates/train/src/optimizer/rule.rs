//! The rules by which a gradient changes a weight.

use super::ada_grad::AdaGrad;
use super::adam::{Adam, Decay};
use super::rms_prop::RmsProp;
use super::sgd::Sgd;
use crate::recipe::{OptimizerKind, TrainRecipe};
use burn::tensor::{Tensor, backend::Backend};

/// An update rule: a pure function of a weight, its gradient and what is remembered of both.
///
/// The conventions are those of `torch.optim`. Scalars are computed in double precision.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Adam(Adam),
    Sgd(Sgd),
    RmsProp(RmsProp),
    AdaGrad(AdaGrad),
}

/// What is the same for all numbers of a parameter in one update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) lr: f64,
    /// 0 for a parameter that is spared.
    pub(super) weight_decay: f64,
    /// Updates, this one included.
    pub(super) n_updates: u64,
    /// What the gradient is multiplied by first.
    pub(super) scale: f64,
}

impl Moment {
    /// The gradient that the rule sees.
    pub(super) fn scaled<B: Backend, const D: usize>(self, gradient: Tensor<B, D>) -> Tensor<B, D> {
        match self.scale {
            1.0 => gradient,
            scale => gradient.mul_scalar(scale),
        }
    }
}

/// A new weight and its new slots.
pub(super) type Updated<B, const D: usize> = (Tensor<B, D>, Vec<Tensor<B, D>>);

impl Rule {
    pub(super) fn new(recipe: &TrainRecipe) -> Self {
        let epsilon = recipe.epsilon;
        let adam = |decay| Adam {
            beta_1: recipe.beta_1,
            beta_2: recipe.beta_2,
            epsilon,
            decay,
        };
        match recipe.optimizer {
            OptimizerKind::AdamW => Self::Adam(adam(Decay::OfTheWeight)),
            OptimizerKind::Adam => Self::Adam(adam(Decay::InTheGradient)),
            OptimizerKind::Sgd => Self::Sgd(Sgd {
                momentum: recipe.momentum,
                nesterov: recipe.nesterov,
            }),
            OptimizerKind::RmsProp => Self::RmsProp(RmsProp {
                rho: recipe.rho,
                epsilon,
            }),
            OptimizerKind::AdaGrad => Self::AdaGrad(AdaGrad { epsilon }),
        }
    }

    /// What the rule remembers of a parameter: names of tensors of its shape, all zero at first.
    pub(super) fn slots(self) -> &'static [&'static str] {
        match self {
            Self::Adam(_) => Adam::SLOTS,
            Self::Sgd(sgd) => sgd.slots(),
            Self::RmsProp(_) => RmsProp::SLOTS,
            Self::AdaGrad(_) => AdaGrad::SLOTS,
        }
    }

    /// - `slots`: as many as [`slots`](Self::slots) names
    pub(super) fn update<B: Backend, const D: usize>(
        self,
        weight: Tensor<B, D>,
        gradient: Tensor<B, D>,
        slots: Vec<Tensor<B, D>>,
        moment: Moment,
    ) -> Updated<B, D> {
        match self {
            Self::Adam(adam) => adam.update(weight, gradient, slots, moment),
            Self::Sgd(sgd) => sgd.update(weight, moment.scaled(gradient), slots, moment),
            Self::RmsProp(rms_prop) => {
                rms_prop.update(weight, moment.scaled(gradient), slots, moment)
            }
            Self::AdaGrad(ada_grad) => {
                ada_grad.update(weight, moment.scaled(gradient), slots, moment)
            }
        }
    }
}

/// The gradient of the loss with the penalty `λ/2 · w²`.
pub(super) fn with_penalty<B: Backend, const D: usize>(
    gradient: Tensor<B, D>,
    weight: &Tensor<B, D>,
    weight_decay: f64,
) -> Tensor<B, D> {
    if weight_decay == 0.0 {
        return gradient;
    }
    gradient + weight.clone().mul_scalar(weight_decay)
}

/// Takes the slots of a rule apart.
///
/// # Panics
/// If there are not as many as the rule has.
pub(super) fn take<T, const N: usize>(slots: Vec<T>) -> [T; N] {
    let found = slots.len();
    let Ok(slots) = <[T; N]>::try_from(slots) else {
        panic!("{found} slots, expected {N}");
    };
    slots
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use burn_flex::Flex;

    /// The weights behind each of some updates with these gradients, from a weight of 2.
    pub(in crate::optimizer) fn trajectory(
        rule: Rule,
        lr: f64,
        weight_decay: f64,
        gradients: &[f32],
    ) -> Vec<f32> {
        let device = Default::default();
        let tensor = |value: f32| Tensor::<Flex, 1>::from_data([value], &device);
        let mut weight = tensor(2.0);
        let mut slots = vec![tensor(0.0); rule.slots().len()];
        let mut weights = Vec::new();
        for (n_updates, &gradient) in (1..).zip(gradients) {
            let moment = Moment {
                lr,
                weight_decay,
                n_updates,
                scale: 0.5,
            };
            (weight, slots) = rule.update(weight, tensor(2.0 * gradient), slots, moment);
            weights.push(weight.clone().into_scalar());
        }
        weights
    }

    pub(in crate::optimizer) fn assert_close(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (&found, &expected) in found.iter().zip(expected) {
            let difference = (f64::from(found) - expected).abs();
            assert!(difference < 1e-6, "{found}, expected {expected}");
        }
    }
}
