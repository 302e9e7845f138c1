//! What a device does at best, as its own products show: what other figures are shares of.

use burn::tensor::{Distribution, ElementConversion, Tensor, backend::Backend};
use std::time::Instant;

/// Of so many tries the best counts.
const TRIES: usize = 5;

/// Bytes a second at which numbers are read: a row times a matrix, several at once, of far more numbers than a processor's
/// caches hold.
pub(super) fn bytes_per_s<B: Backend>(device: &B::Device) -> f64 {
    let (batch, d_input, d_output) = (4, 2048, 4096);
    let n_bytes = batch * d_input * d_output * size_of::<f32>();
    let rows = random::<B>([batch, 1, d_input], device);
    let matrices = random::<B>([batch, d_input, d_output], device);
    best(n_bytes, || rows.clone().matmul(matrices.clone()))
}

/// Floating-point operations a second: a product of two square matrices.
pub(super) fn flops_per_s<B: Backend>(device: &B::Device) -> f64 {
    let size = 1024;
    let matrix = random::<B>([1, size, size], device);
    best(2 * size.pow(3), || matrix.clone().matmul(matrix.clone()))
}

fn random<B: Backend>(shape: [usize; 3], device: &B::Device) -> Tensor<B, 3> {
    Tensor::random(shape, Distribution::Default, device)
}

fn best<B: Backend>(n_units: usize, product: impl Fn() -> Tensor<B, 3>) -> f64 {
    let seconds = (0..TRIES).map(|_| {
        let began = Instant::now();
        // A number that is asked for waits for all that it is made of.
        let _: f32 = product().sum().into_scalar().elem();
        began.elapsed().as_secs_f64()
    });
    n_units as f64 / seconds.fold(f64::INFINITY, f64::min)
}
