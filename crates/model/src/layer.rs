//! One Transformer layer: self-attention, perhaps cross-attention, a feed-forward network, each in a residual branch.

use crate::attention::{Attention, Look};
use crate::attention_map::AttentionMaps;
use crate::cache::KeyValueCache;
use crate::feed_forward::FeedForward;
use crate::initialisation::WeightInitialisers;
use crate::key_value::KeyValue;
use crate::mask::Mask;
use crate::norm::Norm;
use crate::rotary::Rotation;
use crate::sharing::side_by_side;
use crate::stack_config::StackConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
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
    self_attention_norm: Norm<B>,
    cross_attention: Option<Attention<B>>,
    cross_attention_norm: Option<Norm<B>>,
    feed_forward: FeedForward<B>,
    feed_forward_norm: Norm<B>,
    dropout: Dropout,
    #[module(skip)]
    norm: NormPlacement,
    residual_scale: f64,
}

/// What self-attention needs to know of positions, made once a forward pass and shared by the layers.
#[derive(Debug, Clone)]
pub struct Sight<B: Backend> {
    /// What is hidden from each position, and what is far.
    pub mask: Mask<B>,
    /// The angles of the positions, where they are rotary.
    pub rotation: Option<Rotation<B>>,
}

/// What a layer with cross-attention looks at besides itself.
#[derive(Debug, Clone, Copy)]
pub struct CrossInput<'a, B: Backend> {
    /// The encoder's output as this layer's keys and values.
    pub key_value: &'a KeyValue<B>,
    /// What of it is hidden.
    pub mask: &'a Mask<B>,
}

/// What a layer is given besides vectors.
#[derive(Debug)]
pub struct LayerContext<'a, B: Backend> {
    /// How the positions see the past and one another.
    pub sight: &'a Sight<B>,
    /// The encoder's output, for a layer with cross-attention.
    pub cross: Option<CrossInput<'a, B>>,
    /// The past, which the vectors are appended to; none where they are the whole sequence.
    pub cache: Option<&'a mut KeyValueCache<B>>,
    /// Where the weights of attention are written down, if they are.
    pub maps: Option<&'a mut AttentionMaps<B>>,
}

impl<B: Backend> Layer<B> {
    pub(crate) fn new(
        config: &StackConfig,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let attention = || Attention::new(config, initialisers, device);
        let norm = || config.new_norm(device);
        Self {
            self_attention: attention(),
            self_attention_norm: norm(),
            cross_attention: config.cross_attention.then(attention),
            cross_attention_norm: config.cross_attention.then(norm),
            feed_forward: FeedForward::new(config, initialisers, device),
            feed_forward_norm: norm(),
            dropout: DropoutConfig::new(config.dropout).init(),
            norm: config.norm,
            residual_scale: config.residual_scale,
        }
    }

    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    ///
    /// # Panics
    /// If the layer has cross-attention and `context.cross` is none.
    pub fn forward(&self, x: Tensor<B, 3>, context: LayerContext<'_, B>) -> Tensor<B, 3> {
        let LayerContext {
            sight,
            cross,
            cache,
            mut maps,
        } = context;
        let mut x = self.residual(x, &self.self_attention_norm, |x| {
            let rotation = sight.rotation.as_ref();
            let new = self.self_attention.keys_values(x.clone(), rotation);
            let all = match cache {
                Some(cache) => cache.append(new),
                None => vec![new],
            };
            let look = Look {
                memory: &all,
                mask: &sight.mask,
                rotation,
                maps: maps.as_deref_mut().map(|maps| &mut maps.self_attention),
            };
            self.self_attention.attend(x, look)
        });
        if let (Some(attention), Some(norm)) = (&self.cross_attention, &self.cross_attention_norm) {
            let cross = cross.expect("a layer with cross-attention needs the encoder's output");
            x = self.residual(x, norm, |x| {
                let look = Look {
                    memory: std::slice::from_ref(cross.key_value),
                    mask: cross.mask,
                    rotation: None,
                    maps: maps.map(|maps| &mut maps.cross_attention),
                };
                // Nothing here depends on the order of queries: rows that share a source ask it together.
                let shape = x.dims();
                let x = side_by_side(x, cross.key_value.n_rows());
                attention.attend(x, look).reshape(shape)
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
            .map(|attention| attention.keys_values(encoded, None))
    }

    fn residual(
        &self,
        x: Tensor<B, 3>,
        norm: &Norm<B>,
        branch: impl FnOnce(Tensor<B, 3>) -> Tensor<B, 3>,
    ) -> Tensor<B, 3> {
        match self.norm {
            NormPlacement::Before => x.clone() + self.dropout.forward(branch(norm.forward(x))),
            NormPlacement::After => {
                let stream = match self.residual_scale {
                    1.0 => x.clone(),
                    scale => x.clone().mul_scalar(scale),
                };
                norm.forward(stream + self.dropout.forward(branch(x)))
            }
        }
    }
}
