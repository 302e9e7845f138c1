//! A stack of layers: the encoder, the decoder and the decoder-only body of every Transformer here.

use crate::activation::Activation;
use crate::attention::KeyValue;
use crate::cache::KeyValueCache;
use crate::error::{ConfigError, at_least_one, rate};
use crate::initialisation::{Initialisation, WeightInitialisers};
use crate::layer::{CrossInput, Layer, NormPlacement};
use crate::mask::Mask;
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
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
    /// Layers.
    pub n_layers: usize,
    /// Hidden width of the feed-forward networks.
    pub d_ff: usize,
    /// Non-linearity of the feed-forward networks.
    pub activation: Activation,
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
            n_layers: size.n_layers,
            d_ff: 4 * size.d_model,
            activation: Activation::GeluTanh,
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

    /// Whether a stack can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("d_model", self.d_model)?;
        at_least_one("n_heads", self.n_heads)?;
        at_least_one("n_layers", self.n_layers)?;
        at_least_one("d_ff", self.d_ff)?;
        rate("dropout", self.dropout)?;
        rate("attention_dropout", self.attention_dropout)?;
        rate("activation_dropout", self.activation_dropout)?;
        if !self.d_model.is_multiple_of(self.n_heads) {
            return Err(ConfigError::HeadsDoNotDivide {
                d_model: self.d_model,
                n_heads: self.n_heads,
            });
        }
        Ok(())
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
        let final_norm = LayerNormConfig::new(self.d_model).with_epsilon(self.norm_epsilon);
        Stack {
            layers: (0..self.n_layers)
                .map(|_| Layer::new(self, initialisers, device))
                .collect(),
            final_norm: self.final_norm.then(|| final_norm.init(device)),
            d_model: self.d_model,
        }
    }
}

/// Layers in order, and perhaps one more norm.
#[derive(Module, Debug)]
pub struct Stack<B: Backend> {
    layers: Vec<Layer<B>>,
    final_norm: Option<LayerNorm<B>>,
    d_model: usize,
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
        self.caches.first().map_or(0, KeyValueCache::len)
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

    /// The mask for `seq` new positions: they see the past and each other causally, and no left padding.
    fn mask(&self, seq: usize, device: &B::Device) -> Mask<B> {
        let key_seq = self.n_past() + seq;
        let causal = Mask::causal(seq, key_seq, device);
        if self.n_hidden.iter().all(|&n| n == 0) {
            return causal;
        }
        let batch = self.n_hidden.len();
        let hidden: Vec<i64> = self.n_hidden.iter().map(|&n| n as i64).collect();
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
        self.run(x, mask, memory, None)
    }

    /// New positions behind the past that `state` holds.
    ///
    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn step(&self, x: Tensor<B, 3>, state: &mut StackState<B>) -> Tensor<B, 3> {
        let [_, seq, _] = x.dims();
        let mask = state.mask(seq, &x.device());
        self.run(x, &mask, state.memory.as_ref(), Some(&mut state.caches))
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
                .map(|_| KeyValueCache::default())
                .collect(),
            memory: memory.map(Memory::settle),
            n_hidden: n_hidden.to_vec(),
        }
    }

    fn run(
        &self,
        mut x: Tensor<B, 3>,
        mask: &Mask<B>,
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
            x = layer.forward(x, mask, cross, caches.as_mut().and_then(Iterator::next));
        }
        match &self.final_norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
