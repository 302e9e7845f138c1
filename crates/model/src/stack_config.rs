//! What a stack of layers is made from.

use crate::activation::Activation;
use crate::cache::BLOCK;
use crate::error::{ConfigError, at_least_one, rate};
use crate::layer::NormPlacement;
use crate::norm::{Norm, NormKind};
use crate::rotary::RotaryConfig;
use burn::tensor::backend::Backend;
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
    /// What the residual stream is multiplied by before a branch is added to it, where norms stand behind: above 1, DeepNorm,
    /// with which a thousand layers learn. Wang et al. 2022 <https://arxiv.org/abs/2203.00555>.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub residual_scale: f64,
    /// How often a layer is left out in training. Fan et al. 2019 <https://arxiv.org/abs/1909.11556>.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub layer_drop: f64,
    /// Whether each layer looks at an encoder's output.
    pub cross_attention: bool,
    /// Dropout on each branch's result.
    pub dropout: f64,
    /// Dropout on attention weights.
    pub attention_dropout: f64,
    /// Dropout on the hidden values of feed-forward networks.
    pub activation_dropout: f64,
}

fn one() -> f64 {
    1.0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands it over by reference"
)]
fn is_one(number: &f64) -> bool {
    *number == 1.0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands it over by reference"
)]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
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
    /// Scores fall with the distance: the bias of ALiBi (Press et al., 2022), one slope a head.
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
            residual_scale: 1.0,
            layer_drop: 0.0,
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

    /// The same with DeepNorm, as the only stack of a model: `α = (2 n_layers)^¼`. Wang et al. 2022, Table 1.
    #[must_use]
    pub fn deep_norm(self) -> Self {
        let alpha = (2.0 * self.n_layers as f64).powf(0.25);
        self.scaled(alpha)
    }

    /// An encoder and a decoder with DeepNorm, of N and M layers: `α = 0.81 (N⁴ M)^(1/16)` and `α = (3 M)^¼`.
    #[must_use]
    pub fn deep_norm_pair(encoder: Self, decoder: Self) -> (Self, Self) {
        let (n, m) = (encoder.n_layers as f64, decoder.n_layers as f64);
        let alpha = 0.81 * (n.powi(4) * m).powf(1.0 / 16.0);
        (encoder.scaled(alpha), decoder.scaled((3.0 * m).powf(0.25)))
    }

    fn scaled(self, residual_scale: f64) -> Self {
        Self {
            norm: NormPlacement::After,
            final_norm: false,
            residual_scale,
            ..self
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

    /// How many positions a layer's cache holds at most of a text of `n_positions`: under a window, those before the next
    /// token that it sees, and a block of recent ones.
    pub fn n_cached(&self, n_positions: usize) -> usize {
        let held = |window: usize| window.saturating_sub(1).saturating_add(BLOCK);
        self.window
            .map_or(n_positions, |window| n_positions.min(held(window)))
    }

    pub(crate) fn new_norm<B: Backend>(&self, device: &B::Device) -> Norm<B> {
        Norm::new(self.norm_kind, self.d_model, self.norm_epsilon, device)
    }

    /// Whether a stack can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("n_layers", self.n_layers)?;
        self.validate_layer()
    }

    /// Whether a layer can be made from these numbers.
    pub(crate) fn validate_layer(&self) -> Result<(), ConfigError> {
        at_least_one("d_model", self.d_model)?;
        at_least_one("n_heads", self.n_heads)?;
        at_least_one("d_ff", self.d_ff)?;
        rate("dropout", self.dropout)?;
        rate("attention_dropout", self.attention_dropout)?;
        rate("activation_dropout", self.activation_dropout)?;
        rate("layer_drop", self.layer_drop)?;
        let (scale, behind) = (self.residual_scale, self.norm == NormPlacement::After);
        if !(scale > 0.0 && scale.is_finite() && (behind || scale == 1.0)) {
            let expected = if behind {
                "a number above 0"
            } else {
                "1, for norms stand before"
            };
            return Err(ConfigError::ResidualScale { scale, expected });
        }
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
}
