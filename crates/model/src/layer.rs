//! One Transformer layer: self-attention, perhaps cross-attention, a feed-forward network, each in a residual branch.

use crate::attention::{Attention, AttentionSize, KeyValue};
use crate::cache::KeyValueCache;
use crate::feed_forward::FeedForward;
use crate::initialisation::WeightInitialisers;
use crate::mask::Mask;
use crate::stack::StackConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// Where the norm of a residual branch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlacement {
    /// `x + branch(norm(x))`: trains without warm-up. Xiong et al. 2020 <https://arxiv.org/abs/2002.04745>.
    Before,
    /// `norm(x + branch(x))`, as in Vaswani et al. 2017.
    After,
}

/// A layer of an encoder (no cross-attention), of a decoder-only model (the same, under a causal mask), or of a decoder
/// (with cross-attention).
#[derive(Module, Debug)]
pub struct Layer<B: Backend> {
    self_attention: Attention<B>,
    self_attention_norm: LayerNorm<B>,
    cross_attention: Option<Attention<B>>,
    cross_attention_norm: Option<LayerNorm<B>>,
    feed_forward: FeedForward<B>,
    feed_forward_norm: LayerNorm<B>,
    dropout: Dropout,
    #[module(skip)]
    norm: NormPlacement,
}

/// What a layer with cross-attention looks at besides itself.
#[derive(Debug, Clone, Copy)]
pub struct CrossInput<'a, B: Backend> {
    /// The encoder's output as this layer's keys and values.
    pub key_value: &'a KeyValue<B>,
    /// What of it is hidden.
    pub mask: &'a Mask<B>,
}

impl<B: Backend> Layer<B> {
    pub(crate) fn new(
        config: &StackConfig,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let attention = || {
            let size = AttentionSize {
                d_model: config.d_model,
                n_heads: config.n_heads,
                dropout: config.attention_dropout,
            };
            Attention::new(size, initialisers, device)
        };
        let norm = || {
            LayerNormConfig::new(config.d_model)
                .with_epsilon(config.norm_epsilon)
                .init(device)
        };
        Self {
            self_attention: attention(),
            self_attention_norm: norm(),
            cross_attention: config.cross_attention.then(attention),
            cross_attention_norm: config.cross_attention.then(norm),
            feed_forward: FeedForward::new(config, initialisers, device),
            feed_forward_norm: norm(),
            dropout: DropoutConfig::new(config.dropout).init(),
            norm: config.norm,
        }
    }

    /// - `x`: `[batch, seq, d_model]`
    /// - `cache`: the past of `x`, which `x` is appended to; none where `x` is the whole sequence
    /// - returns `[batch, seq, d_model]`
    ///
    /// # Panics
    /// If the layer has cross-attention and `cross` is none.
    pub fn forward(
        &self,
        x: Tensor<B, 3>,
        mask: &Mask<B>,
        cross: Option<CrossInput<'_, B>>,
        cache: Option<&mut KeyValueCache<B>>,
    ) -> Tensor<B, 3> {
        let mut x = self.residual(x, &self.self_attention_norm, |x| {
            let new = self.self_attention.keys_values(x.clone());
            let all = match cache {
                Some(cache) => cache.append(new),
                None => vec![new],
            };
            self.self_attention.attend(x, &all, mask)
        });
        if let (Some(attention), Some(norm)) = (&self.cross_attention, &self.cross_attention_norm) {
            let cross = cross.expect("a layer with cross-attention needs the encoder's output");
            x = self.residual(x, norm, |x| {
                attention.attend(x, std::slice::from_ref(cross.key_value), cross.mask)
            });
        }
        self.residual(x, &self.feed_forward_norm, |x| self.feed_forward.forward(x))
    }

    /// The encoder's output as this layer's keys and values, or none for a layer without cross-attention.
    ///
    /// - `encoded`: `[batch, source_seq, d_model]`
    pub fn cross_keys_values(&self, encoded: Tensor<B, 3>) -> Option<KeyValue<B>> {
        self.cross_attention
            .as_ref()
            .map(|attention| attention.keys_values(encoded))
    }

    fn residual(
        &self,
        x: Tensor<B, 3>,
        norm: &LayerNorm<B>,
        branch: impl FnOnce(Tensor<B, 3>) -> Tensor<B, 3>,
    ) -> Tensor<B, 3> {
        match self.norm {
            NormPlacement::Before => x.clone() + self.dropout.forward(branch(norm.forward(x))),
            NormPlacement::After => norm.forward(x.clone() + self.dropout.forward(branch(x))),
        }
    }
}
