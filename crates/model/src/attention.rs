//! Multi-head scaled dot-product attention, `softmax(q kᵀ / √d_head) v`.
//!
//! Vaswani et al. 2017, §3.2 <https://arxiv.org/abs/1706.03762>. One module serves self-attention, cross-attention,
//! training and decoding: keys and values are made by [`Attention::keys_values`], may rest in a cache, and are looked at
//! by [`Attention::attend`].

use crate::initialisation::{WeightInitialisers, linear};
use crate::mask::Mask;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::module::attention as fused_attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Int, Tensor, backend::Backend, s};

/// Keys and values of one attention layer, split into heads: `[batch, n_heads, seq, d_head]` each.
#[derive(Debug, Clone)]
pub struct KeyValue<B: Backend> {
    /// What queries are compared with.
    pub key: Tensor<B, 4>,
    /// What is read where a query matches.
    pub value: Tensor<B, 4>,
}

impl<B: Backend> KeyValue<B> {
    /// How many positions there are.
    pub fn seq(&self) -> usize {
        let [_, _, seq, _] = self.key.dims();
        seq
    }

    /// Row `i` becomes what row `rows[i]` was.
    pub(crate) fn select_rows(self, rows: &Tensor<B, 1, Int>) -> Self {
        Self {
            key: self
                .key
                .swap_dims(2, 3)
                .select(0, rows.clone())
                .swap_dims(2, 3),
            value: self.value.select(0, rows.clone()),
        }
    }

    /// Puts parts one behind the other, laid out for being read many times: values one row a position, keys one row a
    /// channel, so that no backend has to turn them for each query.
    pub(crate) fn join(parts: Vec<Self>) -> Self {
        let seq: usize = parts.iter().map(Self::seq).sum();
        let [batch, n_heads, _, d_head] = parts[0].key.dims();
        let device = parts[0].key.device();
        let mut keys = Tensor::zeros([batch, n_heads, d_head, seq], &device);
        let mut values = Tensor::zeros([batch, n_heads, seq, d_head], &device);
        let mut start = 0;
        for part in parts {
            let end = start + part.seq();
            keys = keys.slice_assign(s![.., .., .., start..end], part.key.swap_dims(2, 3));
            values = values.slice_assign(s![.., .., start..end, ..], part.value);
            start = end;
        }
        Self {
            key: keys.swap_dims(2, 3),
            value: values,
        }
    }
}

/// Multi-head attention with biases on all four projections.
#[derive(Module, Debug)]
pub struct Attention<B: Backend> {
    query: Linear<B>,
    key: Linear<B>,
    value: Linear<B>,
    output: Linear<B>,
    dropout: Dropout,
    n_heads: usize,
}

impl<B: Backend> Attention<B> {
    /// # Panics
    /// If `d_model` is not divisible by `n_heads`.
    pub(crate) fn new(
        size: AttentionSize,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let AttentionSize {
            d_model,
            n_heads,
            dropout,
        } = size;
        assert!(
            n_heads > 0 && d_model % n_heads == 0,
            "d_model {d_model} is not divisible by n_heads {n_heads}"
        );
        let square = [d_model, d_model];
        Self {
            query: linear(square, &initialisers.inner, device),
            key: linear(square, &initialisers.inner, device),
            value: linear(square, &initialisers.inner, device),
            output: linear(square, &initialisers.residual, device),
            dropout: DropoutConfig::new(dropout).init(),
            n_heads,
        }
    }

    /// Projects what may be looked at.
    ///
    /// - `x`: `[batch, key_seq, d_model]`
    pub fn keys_values(&self, x: Tensor<B, 3>) -> KeyValue<B> {
        KeyValue {
            key: self.split_heads(project(&self.key, x.clone())),
            value: self.split_heads(project(&self.value, x)),
        }
    }

    /// Looks at `memory` from every position of `x`. A query from which every key is hidden reads zeros.
    ///
    /// - `x`: `[batch, query_seq, d_model]`
    /// - `memory`: one or several parts, whose positions follow one another
    /// - returns `[batch, query_seq, d_model]`
    pub fn attend(&self, x: Tensor<B, 3>, memory: &[KeyValue<B>], mask: &Mask<B>) -> Tensor<B, 3> {
        let [batch, query_seq, d_model] = x.dims();
        let query = self.split_heads(project(&self.query, x));
        // Fused kernels know no gradient; and for a single query they cost more than two small products, which read the
        // cache where it lies.
        let context = match memory {
            [memory] if query_seq > 1 && !B::ad_enabled(&query.device()) => {
                let (key, value) = (memory.key.clone(), memory.value.clone());
                let options = AttentionModuleOptions {
                    is_causal: mask.is_causal(),
                    ..AttentionModuleOptions::default()
                };
                // Never a mask of booleans, which libtorch takes the other way round.
                let bias = (!mask.is_causal()).then(|| mask.bias(query_seq));
                fused_attention(query, key, value, None, bias.flatten(), options)
            }
            _ => self.weigh(query, memory, mask),
        };
        // [batch, n_heads, query_seq, d_head] -> [batch, query_seq, d_model]
        let context = context.swap_dims(1, 2).reshape([batch, query_seq, d_model]);
        project(&self.output, context)
    }

    /// The equation as it stands, with dropout on the weights.
    fn weigh(&self, query: Tensor<B, 4>, memory: &[KeyValue<B>], mask: &Mask<B>) -> Tensor<B, 4> {
        let [_, _, _, d_head] = query.dims();
        let query = query.mul_scalar((d_head as f64).powf(-0.5));
        let scores = memory
            .iter()
            .map(|part| query.clone().matmul(part.key.clone().swap_dims(2, 3)));
        let (weights, total) = exponentials(mask.apply(concatenate(scores)));
        let weights = self.dropout.forward(weights);
        let mut start = 0;
        let contexts = memory.iter().map(|part| {
            let end = start + part.seq();
            let weights = match memory {
                [_] => weights.clone(),
                _ => weights.clone().slice(s![.., .., .., start..end]),
            };
            start = end;
            weights.matmul(part.value.clone())
        });
        let context = contexts
            .reduce(Tensor::add)
            .expect("there is a memory to look at");
        // Divided after the product: a context is narrower than the weights.
        context / total
    }

    /// `[batch, seq, d_model]` -> `[batch, n_heads, seq, d_head]`
    fn split_heads(&self, x: Tensor<B, 3>) -> Tensor<B, 4> {
        let [batch, seq, d_model] = x.dims();
        x.reshape([batch, seq, self.n_heads, d_model / self.n_heads])
            .swap_dims(1, 2)
    }
}

/// The sizes an attention layer is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionSize {
    pub d_model: usize,
    pub n_heads: usize,
    pub dropout: f64,
}

/// A linear layer over flattened rows: one matrix product, and one for the gradient of the weight, where a batched
/// product would make a gradient for every row of the batch and add them up.
///
/// - `x`: `[batch, seq, d_input]`
/// - returns `[batch, seq, d_output]`
pub(crate) fn project<B: Backend>(layer: &Linear<B>, x: Tensor<B, 3>) -> Tensor<B, 3> {
    let [batch, seq, d_input] = x.dims();
    let rows = layer.forward(x.reshape([batch * seq, d_input]));
    let [_, d_output] = rows.dims();
    rows.reshape([batch, seq, d_output])
}

/// Along the last axis; a single part is left alone.
fn concatenate<B: Backend>(parts: impl Iterator<Item = Tensor<B, 4>>) -> Tensor<B, 4> {
    let mut parts: Vec<_> = parts.collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 3),
    }
}

/// The numerators of a softmax over the last axis, and their sums. A row of nothing but `-inf` has zeros over more than
/// zero, not NaN.
///
/// - `scores`: `[batch, n_heads, query_seq, key_seq]`
/// - returns the same shape, and `[batch, n_heads, query_seq, 1]`
fn exponentials<B: Backend>(scores: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
    let highest = scores.clone().detach().max_dim(3).clamp_min(f32::MIN);
    let exponentials = (scores - highest).exp();
    let total = exponentials.clone().sum_dim(3).clamp_min(f32::MIN_POSITIVE);
    (exponentials, total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initialisation, TestBackend, materialise};
    use burn::backend::Autodiff;
    use burn::tensor::{Distribution, Tolerance};

    fn attention<B: Backend>(device: &B::Device) -> Attention<B> {
        let size = AttentionSize {
            d_model: 8,
            n_heads: 2,
            dropout: 0.0,
        };
        materialise(Attention::new(
            size,
            &Initialisation::Xavier.initialisers(8, 1),
            device,
        ))
    }

    #[test]
    fn the_fused_kernel_and_the_equation_agree_under_a_mask() {
        let device = Default::default();
        let attention = attention::<TestBackend>(&device);
        let x = Tensor::random([2, 5, 8], Distribution::Default, &device);
        let padding = Tensor::from_data([[true, false, false, false, false], [false; 5]], &device);
        let mask = Mask::causal(5, 5, &device).or(Mask::padding(Some(padding)));
        let memory = attention.keys_values(x.clone());
        let memory = [memory];
        let fused = attention.attend(x.clone(), &memory, &mask);
        let query = attention.split_heads(project(&attention.query, x));
        let plain = attention.weigh(query, &memory, &mask);
        let plain = project(&attention.output, plain.swap_dims(1, 2).reshape([2, 5, 8]));
        fused
            .into_data()
            .assert_approx_eq::<f32>(&plain.into_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn a_query_that_sees_nothing_reads_zeros_and_has_a_finite_gradient() {
        let device = Default::default();
        let scores =
            Tensor::<Autodiff<TestBackend>, 4>::full([1, 1, 2, 3], f32::NEG_INFINITY, &device)
                .require_grad();
        let (weights, total) = exponentials(scores.clone());
        let weights = weights / total;
        assert_eq!(weights.clone().into_data().iter::<f32>().sum::<f32>(), 0.0);
        let gradient = scores.grad(&weights.sum().backward()).expect("a gradient");
        assert!(gradient.into_data().iter::<f32>().all(f32::is_finite));
    }

    #[test]
    #[should_panic(expected = "d_model 10 is not divisible by n_heads 4")]
    fn heads_that_do_not_divide_the_width_are_refused() {
        let size = AttentionSize {
            d_model: 10,
            n_heads: 4,
            dropout: 0.0,
        };
        Attention::<TestBackend>::new(
            size,
            &Initialisation::Gpt2.initialisers(10, 1),
            &Default::default(),
        );
    }
}
