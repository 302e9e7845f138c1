//! RMSProp.

use super::rule::{Moment, Updated, take, with_penalty};
use burn::tensor::{Tensor, backend::Backend};
use hearth_model::kernels::running_mean;

/// Gradients over the root of the running mean of their squares.
///
/// ```text
/// g ← g + λ w
/// v ← ρ v + (1 - ρ) g²
/// w ← w - lr · g / (√v + ε)
/// ```
///
/// Tieleman and Hinton 2012, lecture 6.5 of "Neural networks for machine learning"
/// <https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf>, as `torch.optim.RMSprop` has it: `ε` stands
/// behind the root.
#[derive(Debug, Clone, Copy)]
pub(super) struct RmsProp {
    pub(super) rho: f64,
    pub(super) epsilon: f64,
}

impl RmsProp {
    pub(super) const SLOTS: &[&str] = &["square_mean"];

    pub(super) fn update<B: Backend, const D: usize>(
        self,
        weight: Tensor<B, D>,
        gradient: Tensor<B, D>,
        slots: Vec<Tensor<B, D>>,
        moment: Moment,
    ) -> Updated<B, D> {
        let [square_mean] = take(slots);
        let gradient = with_penalty(gradient, &weight, moment.weight_decay);
        let square_mean = running_mean(square_mean, gradient.clone().square(), self.rho);
        let spread = square_mean.clone().sqrt().add_scalar(self.epsilon);
        let step = gradient.mul_scalar(moment.lr) / spread;
        (weight - step, vec![square_mean])
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::super::rule::tests::{assert_close, trajectory};
    use super::*;

    #[test]
    fn weights_go_where_the_hand_says() {
        let rule = Rule::RmsProp(RmsProp {
            rho: 0.75,
            epsilon: 0.5,
        });
        // Means of squares 1, then 0.75 + 4; roots 1 and 2.179449.
        let found = trajectory(rule, 0.1, 0.0, &[2.0, 4.0]);
        let first = 2.0 - 0.2 / 1.5;
        assert_close(&found, &[first, first - 0.4 / (4.75f64.sqrt() + 0.5)]);
        // The gradient is 1 + 0.5 * 2, so the mean of squares is 1.
        assert_close(&trajectory(rule, 0.1, 0.5, &[1.0]), &[first]);
    }
}
