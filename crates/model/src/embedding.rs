//! The stem of a text model: tokens and positions become vectors; and its mirror, vectors become logits.

use crate::error::{ConfigError, at_least_one, rate};
use crate::initialisation::WeightInitialisers;
use crate::positions::{self, PositionEncoding, Positions};
use crate::precision::widen;
use crate::projection::project_transposed;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig as Table};
use burn::tensor::module::embedding;
use burn::tensor::{Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// Sizes and kinds of a [`TokenEmbedding`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// Number of tokens.
    pub vocab: usize,
    /// Width of a vector.
    pub d_model: usize,
    /// The longest sequence.
    pub max_positions: usize,
    /// Learned or computed positions.
    pub positions: PositionEncoding,
    /// Multiply token vectors by `√d_model` before positions are added, as Vaswani et al. 2017, §3.4.
    pub scale: bool,
    /// Dropout on the sum.
    pub dropout: f64,
}

impl EmbeddingConfig {
    /// Whether a stem can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("vocab", self.vocab)?;
        at_least_one("d_model", self.d_model)?;
        rate("dropout", self.dropout)?;
        positions::validate(self.positions, self.max_positions, self.d_model)
    }

    pub(crate) fn init<B: Backend>(
        &self,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> TokenEmbedding<B> {
        TokenEmbedding {
            tokens: Table::new(self.vocab, self.d_model)
                .with_initializer(initialisers.embedding.clone())
                .init(device),
            positions: Positions::new(
                self.positions,
                [self.max_positions, self.d_model],
                initialisers,
                device,
            ),
            max_positions: self.max_positions,
            dropout: DropoutConfig::new(self.dropout).init(),
            scale: if self.scale {
                (self.d_model as f64).sqrt()
            } else {
                1.0
            },
        }
    }
}

/// Token vectors plus position vectors.
#[derive(Module, Debug)]
pub struct TokenEmbedding<B: Backend> {
    tokens: Embedding<B>,
    positions: Option<Positions<B>>,
    max_positions: usize,
    dropout: Dropout,
    scale: f64,
}

impl<B: Backend> TokenEmbedding<B> {
    /// The vectors of tokens that stand behind `n_past` others.
    ///
    /// - `tokens`: `[batch, seq]`
    /// - `n_hidden`: columns of left padding of each row, see [`Positions::forward`]
    /// - returns `[batch, seq, d_model]`
    pub fn forward(
        &self,
        tokens: Tensor<B, 2, Int>,
        n_past: usize,
        n_hidden: &[usize],
    ) -> Tensor<B, 3> {
        let [_, seq] = tokens.dims();
        let vectors = look_up(self.tokens.weight.val(), tokens);
        let vectors = if self.scale == 1.0 {
            vectors
        } else {
            vectors.mul_scalar(self.scale)
        };
        let vectors = match &self.positions {
            Some(positions) => vectors + positions.forward(n_past, seq, n_hidden),
            None => vectors,
        };
        self.dropout.forward(vectors)
    }

    /// How many positions there are.
    pub fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// How many tokens there are.
    pub fn vocab(&self) -> usize {
        let [vocab, _] = self.tokens.weight.dims();
        vocab
    }
}

/// The rows of a table, in single precision. Where they have gradients, the table has that precision first: many of them are added up
/// in one row.
///
/// - `table`: `[n, d_model]`
/// - `ids`: `[batch, seq]`
/// - returns `[batch, seq, d_model]`
fn look_up<B: Backend>(table: Tensor<B, 2>, ids: Tensor<B, 2, Int>) -> Tensor<B, 3> {
    match B::ad_enabled(&table.device()) {
        true => embedding(widen(table), ids),
        false => widen(embedding(table, ids)),
    }
}

/// From vectors to logits, `hidden · tokensᵀ + bias`: tied to the embedding (Press and Wolf 2017
/// <https://arxiv.org/abs/1608.05859>), or with a matrix of its own.
#[derive(Module, Debug)]
pub struct Head<B: Backend> {
    /// `[vocab, d_model]`; none where the token embedding serves.
    weight: Option<Param<Tensor<B, 2>>>,
    /// `[vocab]`
    bias: Option<Param<Tensor<B, 1>>>,
}

impl<B: Backend> Head<B> {
    pub(crate) fn new(
        [vocab, d_model]: [usize; 2],
        tied: bool,
        bias: bool,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        Self {
            weight: (!tied).then(|| {
                initialisers
                    .inner
                    .init_with([vocab, d_model], Some(d_model), Some(vocab), device)
            }),
            bias: bias.then(|| Initializer::Zeros.init([vocab], device)),
        }
    }

    /// - `hidden`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, vocab]`
    pub fn forward(&self, hidden: Tensor<B, 3>, stem: &TokenEmbedding<B>) -> Tensor<B, 3> {
        let weight = self.weight.as_ref().unwrap_or(&stem.tokens.weight).val();
        let logits = project_transposed(weight, hidden);
        match &self.bias {
            Some(bias) => logits + bias.val().unsqueeze::<3>(),
            None => logits,
        }
    }
}
