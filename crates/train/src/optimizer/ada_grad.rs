//! AdaGrad.

use super::rule::{Moment, Updated, take, with_penalty};
use burn::tensor::{Tensor, backend::Backend};

/// Gradients over the root of the sum of their squares: the more a weight has moved, the less it moves.
///
/// ```text
/// g ← g + λ w
/// s ← s + g²
/// w ← w - lr · g / (√s + ε)
/// ```
///
/// Duchi, Hazan and Singer 2011, figure 1 <https://jmlr.org/papers/v12/duchi11a.html>, its diagonal form.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdaGrad {
    pub(super) epsilon: f64,
}

impl AdaGrad {
    pub(super) const SLOTS: &[&str] = &["square_sum"];

    pub(super) fn update<B: Backend, const D: usize>(
        self,
        weight: Tensor<B, D>,
        gradient: Tensor<B, D>,
        slots: Vec<Tensor<B, D>>,
        moment: Moment,
    ) -> Updated<B, D> {
        let [square_sum] = take(slots);
        let gradient = with_penalty(gradient, &weight, moment.weight_decay);
        let square_sum = square_sum + gradient.clone().square();
        let spread = square_sum.clone().sqrt().add_scalar(self.epsilon);
        let step = gradient.mul_scalar(moment.lr) / spread;
        (weight - step, vec![square_sum])
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::super::rule::tests::{assert_close, trajectory};
    use super::*;

    #[test]
    fn weights_go_where_the_hand_says() {
        let rule = Rule::AdaGrad(AdaGrad { epsilon: 1.0 });
        // Roots of the sums of squares: 3, then 5.
        let first = 2.0 - 0.3 / 4.0;
        let found = trajectory(rule, 0.1, 0.0, &[3.0, 4.0]);
        assert_close(&found, &[first, first - 0.4 / 6.0]);
        // The gradient is 2 + 0.5 * 2.
        assert_close(&trajectory(rule, 0.1, 0.5, &[2.0]), &[first]);
    }
}
