//! Adam and AdamW.

use super::rule::{Moment, Updated, take, with_penalty};
use burn::tensor::{Tensor, backend::Backend};
use hearth_model::kernels::{AdamStep, adam};

/// Adam: steps of one length, whatever that of the gradients is.
///
/// ```text
/// m ← β₁ m + (1 - β₁) g
/// v ← β₂ v + (1 - β₂) g²
/// w ← w - lr · m̂ / (√v̂ + ε),   m̂ = m / (1 - β₁ᵗ),   v̂ = v / (1 - β₂ᵗ)
/// ```
///
/// Kingma and Ba 2015, algorithm 1 <https://arxiv.org/abs/1412.6980>, in the order of the end of its section 2: the
/// corrections are two numbers that are worked out beside the tensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adam {
    pub(super) beta_1: f64,
    pub(super) beta_2: f64,
    pub(super) epsilon: f64,
    pub(super) decay: Decay,
}

/// Where weight decay comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decay {
    /// `g ← g + λ w`: Adam.
    InTheGradient,
    /// `w ← (1 - lr λ) w`, which the moments do not see: AdamW. Loshchilov and Hutter 2019
    /// <https://arxiv.org/abs/1711.05101>.
    OfTheWeight,
}

impl Adam {
    pub(super) const SLOTS: &[&str] = &["moment_1", "moment_2"];

    pub(super) fn update<B: Backend, const D: usize>(
        self,
        weight: Tensor<B, D>,
        gradient: Tensor<B, D>,
        slots: Vec<Tensor<B, D>>,
        moment: Moment,
    ) -> Updated<B, D> {
        let [moment_1, moment_2] = take(slots);
        let Moment {
            lr, weight_decay, ..
        } = moment;
        let (gradient, scale, kept) = match self.decay {
            Decay::InTheGradient => {
                let gradient = moment.scaled(gradient);
                (with_penalty(gradient, &weight, weight_decay), 1.0, 1.0)
            }
            Decay::OfTheWeight => (gradient, moment.scale, 1.0 - lr * weight_decay),
        };
        let corrected = |beta: f64| 1.0 - beta.powf(moment.n_updates as f64);
        let root = corrected(self.beta_2).sqrt();
        let step = AdamStep {
            scale,
            kept,
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            length: lr * root / corrected(self.beta_1),
            epsilon: self.epsilon * root,
        };
        let [weight, moment_1, moment_2] = adam(weight, gradient, [moment_1, moment_2], &step);
        (weight, vec![moment_1, moment_2])
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::super::rule::tests::{assert_close, trajectory};
    use super::*;

    fn adam(decay: Decay) -> Rule {
        Rule::Adam(Adam {
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 1e-8,
            decay,
        })
    }

    /// The formula as the paper has it, number by number.
    fn by_the_paper(decay: Decay, lr: f64, weight_decay: f64, gradients: &[f64]) -> Vec<f64> {
        let (mut weight, mut m, mut v) = (2.0, 0.0, 0.0);
        let step = |(t, &gradient): (i32, &f64)| {
            let mut gradient = gradient;
            match decay {
                Decay::InTheGradient => gradient += weight_decay * weight,
                Decay::OfTheWeight => weight -= lr * weight_decay * weight,
            }
            m = 0.9 * m + 0.1 * gradient;
            v = 0.99 * v + 0.01 * gradient * gradient;
            let (m, v): (f64, f64) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.99f64.powi(t)));
            weight -= lr * m / (v.sqrt() + 1e-8);
            weight
        };
        (1..).zip(gradients).map(step).collect()
    }

    #[test]
    fn weights_go_where_the_paper_says() {
        for decay in [Decay::InTheGradient, Decay::OfTheWeight] {
            let found = trajectory(adam(decay), 0.1, 0.5, &[1.0, -3.0, 0.25]);
            assert_close(&found, &by_the_paper(decay, 0.1, 0.5, &[1.0, -3.0, 0.25]));
        }
    }

    #[test]
    fn the_first_step_is_as_long_as_the_learning_rate() {
        let found = trajectory(adam(Decay::OfTheWeight), 0.1, 0.0, &[3.0]);
        assert_close(&found, &[1.9]);
    }
}
