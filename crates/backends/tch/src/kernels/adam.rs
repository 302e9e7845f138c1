//! An update by Adam.

use burn_tch::TchTensor;
use hearth_kernels::AdamStep;
use tch::Tensor;

/// In nine operations where it lies. A small one takes a GPU less time than it takes to ask for it, and a model has hundreds of
/// parameters.
pub(super) fn adam(of: [TchTensor; 4], step: &AdamStep) -> [TchTensor; 3] {
    let [mut weight, mut gradient, mut mean, mut mean_of_squares] = of.map(own);
    if step.scale != 1.0 {
        let _ = gradient.g_mul_scalar_(step.scale);
    }
    let _ = mean.lerp_(&gradient, 1.0 - step.beta_1);
    let _ = mean_of_squares.lerp_(&gradient.square_(), 1.0 - step.beta_2);
    if step.kept != 1.0 {
        let _ = weight.g_mul_scalar_(step.kept);
    }
    if step.length != 0.0 {
        let mut spread = mean_of_squares.sqrt();
        let _ = spread.g_add_scalar_(step.epsilon);
        let _ = spread.g_mul_scalar_(-1.0 / step.length);
        let _ = weight.addcdiv_(&mean, &spread);
    }
    [weight, mean, mean_of_squares].map(TchTensor::new)
}

/// What nobody else holds, or a copy.
fn own(x: TchTensor) -> Tensor {
    match x.can_mut() {
        true => x.tensor,
        false => x.tensor.copy(),
    }
}
