//! What an update by a gradient takes: its norm, and Adam.

use super::{InMemoryBackend, SHAPE};
use crate::installed::ways;
use crate::{AdamStep, InMemoryWithLinear, adam, install, sum_of_squares};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;

#[test]
fn an_update_is_the_same_to_the_last_bit() {
    fn updated<B: Backend>(of: &[TensorData; 4]) -> [TensorData; 3] {
        let step = AdamStep {
            scale: 0.37,
            kept: 0.9997,
            beta_1: 0.9,
            beta_2: 0.99,
            length: 2.3e-3,
            epsilon: 1e-8,
        };
        let device = B::Device::default();
        let [weight, gradient, mean, mean_of_squares] =
            of.clone().map(|x| Tensor::<B, 2>::from_data(x, &device));
        // What others hold stays as it is; a gradient may be a turned view.
        let held = [weight.clone(), mean.clone()];
        let turned = gradient.transpose().into_data();
        let gradient = Tensor::<B, 2>::from_data(turned, &device).transpose();
        let updated = adam(weight, gradient, [mean, mean_of_squares], &step);
        assert_eq!(
            held.map(Tensor::into_data),
            [&of[0], &of[2]].map(Clone::clone)
        );
        updated.map(Tensor::into_data)
    }
    fn check<I: InMemoryBackend>() {
        install::<InMemoryWithLinear<I::Reader>>();
        let of = [1.0, 0.01, 0.005, 1e-4].map(|spread| {
            let distribution = Distribution::Uniform(0.0, spread);
            Tensor::<I, 2>::random([301, 257], distribution, &Default::default()).into_data()
        });
        let x = Tensor::<I, 1>::zeros([1], &Default::default());
        assert!(ways(&x).is_some_and(|ways| ways.adam.is_some()));
        // Where gradients are wanted, updates have no kernel.
        assert_eq!(updated::<I>(&of), updated::<Autodiff<I>>(&of));
    }
    check::<Flex>();
    check::<NdArray>();
}

#[test]
fn squares_are_added_up() {
    fn check<I: InMemoryBackend>() {
        install::<InMemoryWithLinear<I::Reader>>();
        let device = I::Device::default();
        let x = Tensor::<I, 4>::random(SHAPE, Distribution::Normal(0.3, 2.0), &device);
        assert!(ways(&x).is_some_and(|ways| ways.sum_of_squares.is_some()));
        let data = x.clone().into_data();
        let expected: f64 = data.iter::<f64>().map(|x| x * x).sum();
        // The numbers in their own order, those that somebody else has too, and a turned view.
        for x in [x.clone(), x.swap_dims(1, 3)] {
            let held = x.clone();
            let (same, sum) = sum_of_squares(x);
            assert_eq!(same.into_data(), held.into_data());
            let sum = f64::from(sum.into_data().to_vec::<f32>().expect("a number")[0]);
            assert!(
                (sum / expected - 1.0).abs() < 1e-6,
                "{sum}, expected {expected}"
            );
        }
        let (_, sum) = sum_of_squares(Tensor::<I, 1>::zeros([3], &device));
        assert_eq!(sum.into_data(), TensorData::from([0f32]));
    }
    check::<Flex>();
    check::<NdArray>();
}
