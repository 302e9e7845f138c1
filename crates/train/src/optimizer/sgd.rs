//! Stochastic gradient descent.

use super::rule::{Moment, Updated, take, with_penalty};
use burn::tensor::{Tensor, backend::Backend};

/// Gradient descent, perhaps with momentum.
///
/// ```text
/// g ← g + λ w
/// u ← μ u + g
/// w ← w - lr · u,   or, as Nesterov has it,   w ← w - lr · (g + μ u)
/// ```
///
/// Polyak 1964; Sutskever et al. 2013 <https://proceedings.mlr.press/v28/sutskever13.html>. As in `torch.optim.SGD`, the
/// learning rate stays out of the velocity, and nothing is dampened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sgd {
    /// 0 for none.
    pub(super) momentum: f64,
    pub(super) nesterov: bool,
}

impl Sgd {
    pub(super) fn slots(self) -> &'static [&'static str] {
        if self.momentum == 0.0 {
            &[]
        } else {
            &["velocity"]
        }
    }

    pub(super) fn update<B: Backend, const D: usize>(
        self,
        weight: Tensor<B, D>,
        gradient: Tensor<B, D>,
        slots: Vec<Tensor<B, D>>,
        moment: Moment,
    ) -> Updated<B, D> {
        let gradient = with_penalty(gradient, &weight, moment.weight_decay);
        if self.momentum == 0.0 {
            return (weight - gradient.mul_scalar(moment.lr), slots);
        }
        let [velocity] = take(slots);
        let (ahead, velocity) = if self.nesterov {
            let velocity = velocity.mul_scalar(self.momentum) + gradient.clone();
            (
                gradient + velocity.clone().mul_scalar(self.momentum),
                velocity,
            )
        } else {
            let velocity = velocity.mul_scalar(self.momentum) + gradient;
            (velocity.clone(), velocity)
        };
        (weight - ahead.mul_scalar(moment.lr), vec![velocity])
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::super::rule::tests::{assert_close, trajectory};
    use super::*;

    #[test]
    fn weights_go_where_the_hand_says() {
        let run = |momentum, nesterov, decay| {
            let rule = Rule::Sgd(Sgd { momentum, nesterov });
            trajectory(rule, 0.1, decay, &[1.0, 2.0])
        };
        assert_close(&run(0.0, false, 0.0), &[1.9, 1.7]);
        // Velocities 1, then 0.5 + 2.
        assert_close(&run(0.5, false, 0.0), &[1.9, 1.65]);
        // Steps 1 + 0.5, then 2 + 0.5 * 2.5.
        assert_close(&run(0.5, true, 0.0), &[1.85, 1.525]);
        // Gradients 1 + 0.5 * 2, then 2 + 0.5 * 1.8.
        assert_close(&run(0.0, false, 0.5), &[1.8, 1.51]);
    }
}
