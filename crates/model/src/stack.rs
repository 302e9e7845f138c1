//! A stack of layers: the encoder, the decoder and the decoder-only body of every Transformer here.

use crate::activation::Activation;
use crate::attention::KeyValue;
use crate::cache::KeyValueCache;
use crate::error::{ConfigError, at_least_one, rate};
use crate::initialisation::{Initialisation, WeightInitialisers};
use crate::layer::{CrossInput, Layer, NormPlacement, Sight};
use crate::mask::Mask;
use crate::norm::{Norm, NormKind};
use crate::rotary::{RotaryConfig, Rotation};
use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// What a stack is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackConfig {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads of a layer.
    pub n_heads: usize,
    /// Heads of keys and values, each of which serves a group of heads of queries; `n_heads` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_kv_heads: Option<usize>,
    /// Width of a head; `d_model / n_heads` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_head: Option<usize>,
    /// Layers.
    pub n_layers: usize,
    /// Hidden width of the feed-forward networks.
    pub d_ff: usize,
    /// Non-linearity of the feed-forward networks.
    pub activation: Activation,
    /// Whether the feed-forward networks have a gate.
    #[serde(default)]
    pub gated: bool,
    /// Which projections have a bias.
    #[serde(default)]
    pub biases: Biases,
    /// Positions that attention itself sees.
    #[serde(default)]
    pub positions: RelativePositions,
    /// How many positions a query sees, itself included; all if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// What norms take out.
    #[serde(default)]
    pub norm_kind: NormKind,
    /// Where the norm of a residual branch stands.
    pub norm: NormPlacement,
    /// One more norm after the last layer.
    pub final_norm: bool,
    /// Added to the variance under a norm's root.
    pub norm_epsilon: f64,
    /// Whether each layer looks at an encoder's output.
    pub cross_attention: bool,
    /// Dropout on each branch's result.
    pub dropout: f64,
    /// Dropout on attention weights.
    pub attention_dropout: f64,
    /// Dropout on the hidden values of feed-forward networks.
    pub activation_dropout: f64,
}

/// Which projections have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Biases {
    /// Those of queries, keys and values.
    pub attention_input: bool,
    /// That behind attention.
    pub attention_output: bool,
    /// Those of the feed-forward networks.
    pub feed_forward: bool,
}

impl Biases {
    /// All of them, as GPT-2 and BERT have.
    pub const ALL: Self = Self {
        attention_input: true,
        attention_output: true,
        feed_forward: true,
    };

    /// None, as LLaMA has.
    pub const NONE: Self = Self {
        attention_input: false,
        attention_output: false,
        feed_forward: false,
    };
}

impl Default for Biases {
    fn default() -> Self {
        Self::ALL
    }
}

/// Positions that are no part of the stem: attention sees how far apart a query and a key stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelativePositions {
    /// None: the stem's are all there are.
    #[default]
    None,
    /// Queries and keys are turned.
    Rotary(RotaryConfig),
    /// Scores fall with the distance: [`Mask::alibi`].
    Alibi,
}

/// The three numbers that everything else of a stack has a default for.
#[derive(Debug, Clone, Copy)]
pub struct StackSize {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads of a layer.
    pub n_heads: usize,
    /// Layers.
    pub n_layers: usize,
}

impl StackConfig {
    /// GPT-2's choices: norm before each branch and after the last layer, tanh GELU, `d_ff` of four widths, no dropout.
    pub fn pre_norm(size: StackSize) -> Self {
        Self {
            d_model: size.d_model,
            n_heads: size.n_heads,
            n_kv_heads: None,
            d_head: None,
            n_layers: size.n_layers,
            d_ff: 4 * size.d_model,
            activation: Activation::GeluTanh,
            gated: false,
            biases: Biases::ALL,
            positions: RelativePositions::None,
            window: None,
            norm_kind: NormKind::Layer,
            norm: NormPlacement::Before,
            final_norm: true,
            norm_epsilon: 1e-5,
            cross_attention: false,
            dropout: 0.0,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
        }
    }

    /// The choices of Vaswani et al. 2017: norm after each branch, ReLU, `d_ff` of four widths; no dropout.
    pub fn post_norm(size: StackSize) -> Self {
        Self {
            activation: Activation::Relu,
            norm: NormPlacement::After,
            final_norm: false,
            ..Self::pre_norm(size)
        }
    }

    /// LLaMA's choices: norm by length before each branch and after the last layer, SwiGLU, rotary positions, no bias;
    /// `d_ff` of 8/3 widths, rounded up to a multiple of 32; no dropout. Touvron et al. 2023, §2.2
    /// <https://arxiv.org/abs/2302.13971>.
    pub fn llama(size: StackSize) -> Self {
        Self {
            d_ff: (8 * size.d_model).div_ceil(3).next_multiple_of(32),
            activation: Activation::Silu,
            gated: true,
            biases: Biases::NONE,
            positions: RelativePositions::Rotary(RotaryConfig::default()),
            norm_kind: NormKind::Rms,
            ..Self::pre_norm(size)
        }
    }

    /// Heads of keys and values.
    pub fn n_kv_heads(&self) -> usize {
        self.n_kv_heads.unwrap_or(self.n_heads)
    }

    /// Width of a head.
    pub fn d_head(&self) -> usize {
        self.d_head
            .unwrap_or_else(|| self.d_model / self.n_heads.max(1))
    }

    pub(crate) fn new_norm<B: Backend>(&self, device: &B::Device) -> Norm<B> {
        Norm::new(self.norm_kind, self.d_model, self.norm_epsilon, device)
    }

    /// Whether a stack can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("d_model", self.d_model)?;
        at_least_one("n_heads", self.n_heads)?;
        at_least_one("n_layers", self.n_layers)?;
        at_least_one("d_ff", self.d_ff)?;
        rate("dropout", self.dropout)?;
        rate("attention_dropout", self.attention_dropout)?;
        rate("activation_dropout", self.activation_dropout)?;
        let (n_heads, n_kv_heads, d_head) = (self.n_heads, self.n_kv_heads(), self.d_head());
        if self.d_head.is_none() && !self.d_model.is_multiple_of(n_heads) {
            return Err(ConfigError::HeadsDoNotDivide {
                d_model: self.d_model,
                n_heads,
            });
        }
        at_least_one("n_kv_heads", n_kv_heads)?;
        at_least_one("d_head", d_head)?;
        at_least_one("window", self.window.unwrap_or(1))?;
        if !n_heads.is_multiple_of(n_kv_heads) {
            return Err(ConfigError::Groups {
                n_heads,
                n_kv_heads,
            });
        }
        match self.positions {
            RelativePositions::Rotary(rotary) => rotary.validate(d_head),
            RelativePositions::None | RelativePositions::Alibi => Ok(()),
        }
    }

    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, initialisation: Initialisation, device: &B::Device) -> Stack<B> {
        let initialisers = initialisation.initialisers(self.d_model, self.n_layers);
        self.init_with(&initialisers, device)
    }

    fn init_with<B: Backend>(
        &self,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Stack<B> {
        Stack {
            layers: (0..self.n_layers)
                .map(|_| Layer::new(self, initialisers, device))
                .collect(),
            final_norm: self.final_norm.then(|| self.new_norm(device)),
            d_model: self.d_model,
            d_head: self.d_head(),
            n_heads: self.n_heads,
            positions: self.positions,
            window: self.window,
        }
    }
}

/// Layers in order, and perhaps one more norm.
#[derive(Module, Debug)]
pub struct Stack<B: Backend> {
    layers: Vec<Layer<B>>,
    final_norm: Option<Norm<B>>,
    d_model: usize,
    d_head: usize,
    n_heads: usize,
    #[module(skip)]
    positions: RelativePositions,
    window: Option<usize>,
}

/// An encoder's output as the keys and values of each layer of a decoder: made once a source, read at every step.
#[derive(Debug, Clone)]
pub struct Memory<B: Backend> {
    layers: Vec<KeyValue<B>>,
    mask: Mask<B>,
    /// `[batch, source_seq]`
    padding_mask: Option<Tensor<B, 2, Bool>>,
}

impl<B: Backend> Memory<B> {
    /// Laid out for being read at every step.
    fn settle(mut self) -> Self {
        self.layers = self
            .layers
            .into_iter()
            .map(|layer| KeyValue::join(vec![layer]))
            .collect();
        self
    }

    fn reorder(&mut self, rows: &Tensor<B, 1, Int>) {
        for layer in &mut self.layers {
            *layer = layer.clone().select_rows(rows);
        }
        self.padding_mask = self.padding_mask.take().map(|mask| select_rows(mask, rows));
        self.mask = Mask::padding(self.padding_mask.clone());
    }
}

/// Rows of a boolean matrix. Burn selects numbers only.
fn select_rows<B: Backend>(
    mask: Tensor<B, 2, Bool>,
    rows: &Tensor<B, 1, Int>,
) -> Tensor<B, 2, Bool> {
    mask.int().select(0, rows.clone()).equal_elem(1)
}

/// Everything a stack remembers between two steps: the past of each layer, and the encoder's output if there is one.
#[derive(Debug, Clone)]
pub struct StackState<B: Backend> {
    caches: Vec<KeyValueCache<B>>,
    memory: Option<Memory<B>>,
    /// Columns of left padding of each row.
    n_hidden: Vec<usize>,
}

impl<B: Backend> StackState<B> {
    /// How many positions have been fed, left padding included.
    pub fn n_past(&self) -> usize {
        self.caches.first().map_or(0, KeyValueCache::n_seen)
    }

    /// Columns of left padding of each row.
    pub fn n_hidden(&self) -> &[usize] {
        &self.n_hidden
    }

    /// Row `i` becomes what row `rows[i]` was; the batch becomes `rows.len()` rows.
    pub fn reorder(&mut self, rows: &[usize], device: &B::Device) {
        let ids: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let ids = Tensor::<B, 1, Int>::from_data(ids.as_slice(), device);
        for cache in &mut self.caches {
            cache.reorder(&ids);
        }
        if let Some(memory) = &mut self.memory {
            memory.reorder(&ids);
        }
        self.n_hidden = rows.iter().map(|&row| self.n_hidden[row]).collect();
    }

    /// How many keys `seq` new positions will find.
    fn n_keys(&self, seq: usize) -> usize {
        self.caches.first().map_or(seq, |cache| cache.n_keys(seq))
    }

    /// The mask for `seq` new positions: they see the past and each other causally, and no left padding.
    fn mask(&self, seq: usize, device: &B::Device) -> Mask<B> {
        let key_seq = self.n_keys(seq);
        // Columns of the past that the caches have dropped.
        let first = (self.n_past() + seq - key_seq) as i64;
        let causal = Mask::causal(seq, key_seq, device);
        let hidden: Vec<i64> = self.n_hidden.iter().map(|&n| n as i64 - first).collect();
        if hidden.iter().all(|&n| n <= 0) {
            return causal;
        }
        let batch = hidden.len();
        let first_visible =
            Tensor::<B, 1, Int>::from_data(hidden.as_slice(), device).reshape([batch, 1]);
        let columns = Tensor::<B, 1, Int>::arange(0..key_seq as i64, device).reshape([1, key_seq]);
        let padding_mask = columns
            .expand([batch, key_seq])
            .lower(first_visible.expand([batch, key_seq]));
        causal.or(Mask::padding(Some(padding_mask)))
    }
}

impl<B: Backend> Stack<B> {
    /// Width of the vectors.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// All positions at once.
    ///
    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn forward(
        &self,
        x: Tensor<B, 3>,
        mask: &Mask<B>,
        memory: Option<&Memory<B>>,
    ) -> Tensor<B, 3> {
        let ([_, seq, _], device) = (x.dims(), x.device());
        let mask = mask.clone().or(self.nearness(seq, seq, &device));
        let rotation = self.rotation((0, seq), &[0], &device);
        self.run(x, Sight { mask, rotation }, memory, None)
    }

    /// New positions behind the past that `state` holds.
    ///
    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn step(&self, x: Tensor<B, 3>, state: &mut StackState<B>) -> Tensor<B, 3> {
        let ([_, seq, _], device) = (x.dims(), x.device());
        let mask = state.mask(seq, &device);
        let mask = mask.or(self.nearness(seq, state.n_keys(seq), &device));
        let rotation = self.rotation((state.n_past(), seq), &state.n_hidden, &device);
        let sight = Sight { mask, rotation };
        self.run(x, sight, state.memory.as_ref(), Some(&mut state.caches))
    }

    /// What the distance alone does to the last `query_seq` of `key_seq` positions.
    fn nearness(&self, query_seq: usize, key_seq: usize, device: &B::Device) -> Mask<B> {
        let window = match self.window {
            Some(window) => Mask::window(query_seq, key_seq, window, device),
            None => Mask::none(),
        };
        match self.positions {
            RelativePositions::Alibi => {
                window.or(Mask::alibi(self.n_heads, query_seq, key_seq, device))
            }
            RelativePositions::None | RelativePositions::Rotary(_) => window,
        }
    }

    /// The angles of the `seq` positions after `n_past`, where positions are rotary.
    fn rotation(
        &self,
        (n_past, seq): (usize, usize),
        n_hidden: &[usize],
        device: &B::Device,
    ) -> Option<Rotation<B>> {
        match self.positions {
            RelativePositions::Rotary(rotary) => {
                Some(rotary.rotation(self.d_head, (n_past, seq), n_hidden, device))
            }
            RelativePositions::None | RelativePositions::Alibi => None,
        }
    }

    /// What the layers look at in an encoder's output.
    ///
    /// - `encoded`: `[batch, source_seq, d_model]`
    /// - `padding_mask`: `[batch, source_seq]`
    pub fn memory(
        &self,
        encoded: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Memory<B> {
        Memory {
            layers: self
                .layers
                .iter()
                .filter_map(|layer| layer.cross_keys_values(encoded.clone()))
                .collect(),
            mask: Mask::padding(padding_mask.clone()),
            padding_mask,
        }
    }

    /// The state before the first token.
    ///
    /// - `n_hidden`: columns of left padding of each row of the batch
    pub fn start(&self, n_hidden: &[usize], memory: Option<Memory<B>>) -> StackState<B> {
        StackState {
            caches: self
                .layers
                .iter()
                .map(|_| KeyValueCache::new(self.window))
                .collect(),
            memory: memory.map(Memory::settle),
            n_hidden: n_hidden.to_vec(),
        }
    }

    fn run(
        &self,
        mut x: Tensor<B, 3>,
        sight: Sight<B>,
        memory: Option<&Memory<B>>,
        caches: Option<&mut Vec<KeyValueCache<B>>>,
    ) -> Tensor<B, 3> {
        let mut caches = caches.map(|caches| caches.iter_mut());
        for (i, layer) in self.layers.iter().enumerate() {
            let cross = memory.and_then(|memory| {
                memory.layers.get(i).map(|key_value| CrossInput {
                    key_value,
                    mask: &memory.mask,
                })
            });
            let cache = caches.as_mut().and_then(Iterator::next);
            x = layer.forward(x, &sight, cross, cache);
        }
        match &self.final_norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
