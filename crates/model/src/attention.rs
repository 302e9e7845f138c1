//! Multi-head scaled dot-product attention, `softmax(q kᵀ / √d_head) v`.
//!
//! Vaswani et al. 2017, §3.2 <https://arxiv.org/abs/1706.03762>. One module serves self-attention, cross-attention,
//! training and decoding: keys and values are made by [`Attention::keys_values`], may rest in a cache, and are looked at
//! by [`Attention::attend`].

use crate::initialisation::{WeightInitialisers, linear};
use crate::key_value::KeyValue;
use crate::mask::Mask;
use crate::precision::cast_to;
use crate::projection::{project, project_all};
use crate::rotary::Rotation;
use crate::stack_config::StackConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::module::attention as fused_attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Tensor, backend::Backend, s};
use hearth_kernels::{attention, join_heads, softmax_weights, split_heads};

/// Up to so many queries of a row are few.
const FEW_QUERIES: usize = 16;

/// What is looked at, and how.
#[derive(Debug)]
pub struct Look<'a, B: Backend> {
    /// One or several parts, whose positions follow one another.
    pub memory: &'a [KeyValue<B>],
    /// What of it is hidden, and what is far.
    pub mask: &'a Mask<B>,
    /// The angles of the positions that look, where they are rotary.
    pub rotation: Option<&'a Rotation<B>>,
    /// Where the weights are written down, `[batch, n_heads, query_seq, key_seq]`, if they are.
    pub maps: Option<&'a mut Vec<Tensor<B, 4>>>,
}

/// Multi-head attention. With fewer heads of keys and values than of queries, each serves a group of these: Ainslie et al.
/// 2023 <https://arxiv.org/abs/2305.13245>.
#[derive(Module, Debug)]
pub struct Attention<B: Backend> {
    query: Linear<B>,
    key: Linear<B>,
    value: Linear<B>,
    output: Linear<B>,
    dropout: Dropout,
    n_heads: usize,
    n_kv_heads: usize,
}

impl<B: Backend> Attention<B> {
    pub(crate) fn new(
        config: &StackConfig,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let (n_heads, n_kv_heads) = (config.n_heads, config.n_kv_heads());
        let (d_model, d_head, biases) = (config.d_model, config.d_head(), config.biases);
        let input = |n_heads: usize, initialiser| {
            let size = [d_model, n_heads * d_head];
            linear(size, biases.attention_input, initialiser, device)
        };
        Self {
            query: input(n_heads, &initialisers.query),
            key: input(n_kv_heads, &initialisers.query),
            value: input(n_kv_heads, &initialisers.inner),
            output: linear(
                [n_heads * d_head, d_model],
                biases.attention_output,
                &initialisers.residual,
                device,
            ),
            dropout: DropoutConfig::new(config.attention_dropout).init(),
            n_heads,
            n_kv_heads,
        }
    }

    /// Projects what may be looked at, in the type of the matrices: as it is compared and read.
    ///
    /// - `x`: `[batch, key_seq, d_model]`
    /// - `rotation`: the angles of these positions, where they are rotary
    pub fn keys_values(&self, x: Tensor<B, 3>, rotation: Option<&Rotation<B>>) -> KeyValue<B> {
        let [key, value] = project_all([&self.key, &self.value], x);
        let split = |x, rotation| {
            let x = apart(x, self.n_kv_heads, rotation);
            cast_to(x, self.key.weight.val().dtype())
        };
        KeyValue {
            key: split(key, rotation),
            value: split(value, None),
        }
    }

    /// Looks at a memory from every position of `x`. A query from which every key is hidden reads zeros.
    ///
    /// - `x`: `[batch, query_seq, d_model]`
    /// - returns `[batch, query_seq, d_model]`
    pub fn attend(&self, x: Tensor<B, 3>, look: Look<'_, B>) -> Tensor<B, 3> {
        let Look {
            memory,
            mask,
            rotation,
            maps,
        } = look;
        let [_, query_seq, _] = x.dims();
        let query = project(&self.query, x);
        let d_head = query.dims()[2] / self.n_heads;
        // Scaled while it lies as it was made: what is seen through a turned view is read number by number.
        let query = query.mul_scalar((d_head as f64).powf(-0.5));
        let query = apart(query, self.n_heads, rotation);
        // Fused kernels know no gradient and keep their weights to themselves; and for few queries they cost more than two
        // small products, which read the cache where it lies.
        let context = match memory {
            [memory]
                if query_seq > FEW_QUERIES && maps.is_none() && !B::ad_enabled(&query.device()) =>
            {
                let (key, value) = (self.repeat(&memory.key), self.repeat(&memory.value));
                let options = AttentionModuleOptions {
                    is_causal: mask.is_causal(),
                    scale: Some(1.0),
                    ..AttentionModuleOptions::default()
                };
                // Never a mask of booleans, which libtorch takes the other way round.
                let bias = (!mask.is_causal()).then(|| mask.bias(query_seq));
                let (outer, inner) = (query.dtype(), key.dtype());
                let (query, bias) = (cast_to(query, inner), bias.flatten());
                let bias = bias.map(|bias| cast_to(bias, inner));
                let context = fused_attention(query, key, value, None, bias, options);
                joined(cast_to(context, outer))
            }
            [memory] if maps.is_none() => {
                let at_once = self.attend_at_once(&query, memory, mask);
                let memory = std::slice::from_ref(memory);
                at_once.unwrap_or_else(|| self.weigh(query, memory, mask, None))
            }
            _ => self.weigh(query, memory, mask, maps),
        };
        project(&self.output, context)
    }

    /// The same by a kernel that knows gradients, where there is one and the weights are left as they are.
    ///
    /// - `query`: `[batch, n_heads, query_seq, d_head]`, scaled
    /// - returns `[batch, query_seq, n_heads * d_head]`
    fn attend_at_once(
        &self,
        query: &Tensor<B, 4>,
        memory: &KeyValue<B>,
        mask: &Mask<B>,
    ) -> Option<Tensor<B, 3>> {
        let [_, _, query_seq, _] = query.dims();
        let is_plain = self.n_kv_heads == self.n_heads
            && self.dropout.prob == 0.0
            && (mask.is_none() || mask.is_causal());
        if !is_plain || query_seq <= FEW_QUERIES {
            return None;
        }
        let (outer, inner) = (query.dtype(), memory.key.dtype());
        let query = cast_to(query.clone(), inner);
        let context = attention(&query, &memory.key, &memory.value, mask.is_causal())?;
        Some(joined(cast_to(context, outer)))
    }

    /// The equation as it stands, with dropout on the weights.
    ///
    /// - `query`: `[batch, n_heads, query_seq, d_head]`, scaled
    /// - returns `[batch, query_seq, n_heads * d_head]`
    fn weigh(
        &self,
        query: Tensor<B, 4>,
        memory: &[KeyValue<B>],
        mask: &Mask<B>,
        maps: Option<&mut Vec<Tensor<B, 4>>>,
    ) -> Tensor<B, 3> {
        let [_, _, query_seq, d_head] = query.dims();
        let (outer, inner) = (query.dtype(), memory[0].key.dtype());
        let query = cast_to(self.grouped(query), inner);
        let scores = memory
            .iter()
            .map(|part| query.clone().matmul(part.key.clone().swap_dims(2, 3)));
        let scores = self.ungrouped(cast_to(concatenate(scores), outer), query_seq);
        let (weights, total) = softmax_weights(mask.apply(scores), mask.hidden());
        if let Some(maps) = maps {
            maps.push(match &total {
                Some(total) => weights.clone() / total.clone(),
                None => weights.clone(),
            });
        }
        let weights = self.grouped(self.dropout.forward(weights));
        let weights = cast_to(weights, inner);
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
        let context = joined(cast_to(self.ungrouped(context, query_seq), outer));
        let Some(total) = total else {
            return context;
        };
        // Divided after the product: a context is narrower than the weights.
        let shape = context.dims();
        let rows = |x: Tensor<B, 3>, width: usize| x.reshape([-1, width as i32]);
        (rows(context, d_head) / rows(joined(total), 1)).reshape(shape)
    }

    /// The queries of a group as so many queries of the one head that serves them: no key and no value is repeated.
    ///
    /// - `x`: `[batch, n_heads, query_seq, width]`
    /// - returns `[batch, n_kv_heads, n_heads / n_kv_heads * query_seq, width]`
    fn grouped(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, n_heads, query_seq, width] = x.dims();
        match self.n_kv_heads {
            n if n == n_heads => x,
            n => x.reshape([batch, n, n_heads / n * query_seq, width]),
        }
    }

    /// The inverse of [`grouped`](Self::grouped).
    fn ungrouped(&self, x: Tensor<B, 4>, query_seq: usize) -> Tensor<B, 4> {
        let [batch, n, _, width] = x.dims();
        match self.n_heads {
            n_heads if n_heads == n => x,
            n_heads => x.reshape([batch, n_heads, query_seq, width]),
        }
    }

    /// Keys or values with a copy for each head of queries, as fused kernels want them.
    ///
    /// - `x`: `[batch, n_kv_heads, seq, d_head]`
    /// - returns `[batch, n_heads, seq, d_head]`
    fn repeat(&self, x: &Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, n, seq, d_head] = x.dims();
        match self.n_heads / n {
            1 => x.clone(),
            group => {
                let x = x.clone().unsqueeze_dim::<5>(2);
                x.expand([batch, n, group, seq, d_head])
                    .reshape([batch, self.n_heads, seq, d_head])
            }
        }
    }
}

/// `[batch, seq, n_heads * d_head]` -> `[batch, n_heads, seq, d_head]`, turned on the way.
fn apart<B: Backend>(
    x: Tensor<B, 3>,
    n_heads: usize,
    rotation: Option<&Rotation<B>>,
) -> Tensor<B, 4> {
    let [batch, seq, width] = x.dims();
    let d_head = width / n_heads;
    match rotation {
        Some(rotation) => rotation.split(x, n_heads),
        None if seq == 1 => x.reshape([batch, n_heads, 1, d_head]),
        None => split_heads(x, n_heads),
    }
}

/// `[batch, n_heads, seq, width]` -> `[batch, seq, n_heads * width]`; a single position lies so already.
fn joined<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 3> {
    let [batch, n_heads, seq, width] = x.dims();
    match seq {
        1 => x.reshape([batch, 1, n_heads * width]),
        _ => join_heads(x),
    }
}

/// Along the last axis; a single part is left alone.
fn concatenate<B: Backend>(parts: impl Iterator<Item = Tensor<B, 4>>) -> Tensor<B, 4> {
    let mut parts: Vec<_> = parts.collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initialisation, StackSize, TestBackend, materialise};
    use burn::tensor::{Distribution, Tolerance};

    fn attention<B: Backend>(n_kv_heads: usize, device: &B::Device) -> Attention<B> {
        let size = StackSize {
            d_model: 8,
            n_heads: 4,
            n_layers: 1,
        };
        let config = StackConfig {
            n_kv_heads: Some(n_kv_heads),
            ..StackConfig::pre_norm(size)
        };
        let initialisers = Initialisation::Xavier.initialisers(8, 1);
        materialise(Attention::new(&config, &initialisers, device))
    }

    /// What is read and with which weights: those of the fused kernel, or those of the equation where they are recorded.
    fn look(
        attention: &Attention<TestBackend>,
        x: &Tensor<TestBackend, 3>,
        memory: &[KeyValue<TestBackend>],
        mask: &Mask<TestBackend>,
        maps: Option<&mut Vec<Tensor<TestBackend, 4>>>,
    ) -> Tensor<TestBackend, 3> {
        let look = Look {
            memory,
            mask,
            rotation: None,
            maps,
        };
        attention.attend(x.clone(), look)
    }

    fn assert_near<const D: usize>(a: Tensor<TestBackend, D>, b: &Tensor<TestBackend, D>) {
        a.into_data()
            .assert_approx_eq::<f32>(&b.to_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn the_fused_kernel_and_the_equation_agree_under_a_mask() {
        const N: usize = FEW_QUERIES + 3;
        for n_kv_heads in [4, 2, 1] {
            let device = Default::default();
            let attention = attention::<TestBackend>(n_kv_heads, &device);
            let x = Tensor::random([2, N, 8], Distribution::Default, &device);
            let mut hidden = [[false; N]; 2];
            hidden[0][0] = true;
            let padding = Tensor::from_data(hidden, &device);
            let mask = Mask::causal(N, N, &device).or(Mask::padding(Some(padding)));
            let memory = [attention.keys_values(x.clone(), None)];
            let fused = look(&attention, &x, &memory, &mask, None);

            let mut maps = Vec::new();
            let plain = look(&attention, &x, &memory, &mask, Some(&mut maps));
            assert_near(plain, &fused);
            // What was recorded is what the values were weighed by.
            let context = maps[0].clone().matmul(attention.repeat(&memory[0].value));
            let context = context.swap_dims(1, 2).reshape([2, N, 8]);
            assert_near(project(&attention.output, context), &fused);

            // In two parts as in one.
            let part = |range: std::ops::Range<usize>| KeyValue {
                key: memory[0].key.clone().slice(s![.., .., range.clone()]),
                value: memory[0].value.clone().slice(s![.., .., range]),
            };
            let parts = [part(0..2), part(2..N)];
            assert_near(look(&attention, &x, &parts, &mask, Some(&mut maps)), &fused);
            assert_near(maps.remove(1), &maps[0]);
        }
    }
}
