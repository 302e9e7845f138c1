//! Layer norm.

use crate::float::{dot, sum};
use crate::host::{numbers, rows_a_piece, tensor, work};
use crate::installed::{float, kernels, primitive};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorMetadata};
use pulp::NullaryFnOnce;

/// `(x - mean) / √(variance + ε) · γ + β` over the last axis. Ba et al. 2016 <https://arxiv.org/abs/1607.06450>.
///
/// - `x`: `[…, width]`
/// - `gamma`, `beta`: `[width]`
/// - returns `[…, width]`
pub fn layer_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    epsilon: f64,
) -> Tensor<B, D> {
    let kernels = kernels(&x).filter(|_| gamma.dtype() == x.dtype());
    let (x, gamma, beta) = (primitive(x), primitive(gamma), primitive(beta));
    float(match kernels {
        Some(kernels) => (kernels.layer_norm)(x, gamma, beta, epsilon),
        None => B::layer_norm(x, gamma, Some(beta), epsilon),
    })
}

/// Of a backend without gradients.
pub(crate) fn plain<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    forward::<B>(x, gamma, beta, epsilon).0
}

/// Of a backend with gradients.
pub(crate) fn tracked<B: Backend, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    gamma: FloatTensor<Autodiff<B, C>>,
    beta: FloatTensor<Autodiff<B, C>>,
    epsilon: f64,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [x.node.clone(), gamma.node.clone(), beta.node.clone()];
    let prepared = Backward::<B, 3>::prepare::<C>(LayerNorm, nodes);
    let (y, kept) = forward::<B>(x.primitive, gamma.primitive, beta.primitive, epsilon);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(kept, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

/// What the gradients need.
#[derive(Debug, Clone)]
struct Kept {
    /// Rows without their mean and of length one, before scale and shift.
    normal: Vec<f32>,
    /// What each row was multiplied by for it.
    factors: Vec<f32>,
    gamma: Vec<f32>,
}

fn forward<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> (FloatTensor<B>, Kept) {
    let (device, shape) = (B::float_device(&x), x.shape().to_vec());
    let (mut normal, gamma) = (numbers::<B>(x), numbers::<B>(gamma));
    let (beta, width) = (numbers::<B>(beta), gamma.len().max(1));
    let mut y = vec![0.0; normal.len()];
    let mut factors = vec![0.0; normal.len() / width];
    let n_rows = rows_a_piece(width);
    let pieces = normal
        .chunks_mut(n_rows * width)
        .zip(y.chunks_mut(n_rows * width));
    let pieces = pieces.zip(factors.chunks_mut(n_rows));
    let pieces = pieces.map(|((x, y), factors)| Rows {
        x,
        y,
        factors,
        gamma: &gamma,
        beta: &beta,
        epsilon: epsilon as f32,
    });
    work(pieces.collect());
    let kept = Kept {
        normal,
        factors,
        gamma,
    };
    (tensor::<B>(y, shape, &device), kept)
}

struct Rows<'a> {
    /// Becomes normal.
    x: &'a mut [f32],
    y: &'a mut [f32],
    factors: &'a mut [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
}

impl NullaryFnOnce for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let width = self.gamma.len();
        let rows = self.x.chunks_mut(width).zip(self.y.chunks_mut(width));
        for ((x, y), factor) in rows.zip(self.factors) {
            let mean = sum(x, |x| x) / width as f32;
            for x in x.iter_mut() {
                *x -= mean;
            }
            let variance = sum(x, |x| x * x) / width as f32;
            *factor = 1.0 / (variance + self.epsilon).sqrt();
            let channels = self.gamma.iter().zip(self.beta);
            for ((x, y), (gamma, beta)) in x.iter_mut().zip(y).zip(channels) {
                *x *= *factor;
                *y = *x * gamma + beta;
            }
        }
    }
}

/// Layer norm in the graph of what is to be differentiated.
#[derive(Debug)]
struct LayerNorm;

impl<B: Backend> Backward<B, 3> for LayerNorm {
    type State = Kept;

    fn backward(
        self,
        ops: Ops<Kept, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (device, shape) = (B::float_device(&gradient), gradient.shape().to_vec());
        let kept = ops.state;
        let width = kept.gamma.len();
        let mut by_x = numbers::<B>(gradient);
        let n_rows = rows_a_piece(width);
        let n_pieces = kept.factors.len().div_ceil(n_rows);
        // Of each piece those by γ and by β, to be added up in their order, however many threads there are.
        let mut by_channel = vec![0.0; n_pieces * 2 * width];
        let pieces = by_x
            .chunks_mut(n_rows * width)
            .zip(kept.normal.chunks(n_rows * width));
        let pieces = pieces
            .zip(kept.factors.chunks(n_rows))
            .zip(by_channel.chunks_mut(2 * width));
        let pieces = pieces.map(|(((gradient, normal), factors), by_channel)| Slopes {
            gradient,
            normal,
            factors,
            gamma: &kept.gamma,
            by_channel,
        });
        work(pieces.collect());
        let [x, gamma, beta] = ops.parents;
        if let Some(x) = x {
            gradients.register::<B>(x.id, tensor::<B>(by_x, shape, &device));
        }
        for (parent, first) in [(gamma, 0), (beta, width)] {
            let Some(parent) = parent else { continue };
            let mut sums = vec![0.0; width];
            for piece in by_channel.chunks(2 * width) {
                for (sum, number) in sums.iter_mut().zip(&piece[first..]) {
                    *sum += number;
                }
            }
            gradients.register::<B>(parent.id, tensor::<B>(sums, [width], &device));
        }
    }
}

struct Slopes<'a> {
    /// By what came out; becomes that by what went in.
    gradient: &'a mut [f32],
    normal: &'a [f32],
    factors: &'a [f32],
    gamma: &'a [f32],
    /// By `γ`, then by `β`; zero at first.
    by_channel: &'a mut [f32],
}

impl NullaryFnOnce for Slopes<'_> {
    type Output = ();

    /// With `h = g γ`: `(h - mean(h) - n mean(h n)) · factor`, where `n` is normal.
    #[inline(always)]
    fn call(self) {
        let width = self.gamma.len();
        let (by_gamma, by_beta) = self.by_channel.split_at_mut(width);
        let rows = self
            .gradient
            .chunks_mut(width)
            .zip(self.normal.chunks(width));
        for ((gradient, normal), factor) in rows.zip(self.factors) {
            let channels = by_gamma.iter_mut().zip(by_beta.iter_mut()).zip(self.gamma);
            for ((g, n), ((by_gamma, by_beta), gamma)) in
                gradient.iter_mut().zip(normal).zip(channels)
            {
                *by_gamma += *g * n;
                *by_beta += *g;
                *g *= gamma;
            }
            let mean = sum(gradient, |h| h) / width as f32;
            let along = dot(gradient, normal) / width as f32;
            for (g, n) in gradient.iter_mut().zip(normal) {
                *g = (*g - mean - n * along) * factor;
            }
        }
    }
}
