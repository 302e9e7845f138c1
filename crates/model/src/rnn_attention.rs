//! How a recurrent decoder looks at what an encoder has read.

use crate::initialisation::{WeightInitialisers, linear};
use crate::projection::project;
use crate::sharing::{Kept, side_by_side};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// A score that leaves nothing of a weight, and is a number still where a whole row has it.
const HIDDEN: f64 = -1e30;

/// The kinds of attention of a recurrent decoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RnnAttentionKind {
    /// None: the last state of the encoder is all there is. Sutskever et al. 2014 <https://arxiv.org/abs/1409.3215>.
    #[default]
    None,
    /// `vᵀ tanh(W q + U k)`, by the state before a step, which then reads what was seen. Bahdanau et al. 2015
    /// <https://arxiv.org/abs/1409.0473>.
    Additive,
    /// `qᵀ W k`, by the state behind a step. Luong et al. 2015, "general" <https://arxiv.org/abs/1508.04025>.
    Multiplicative,
}

/// Attention of one query at a time over the vectors of an encoder, and what is made of a state and what it saw:
/// `tanh(W [state; seen])`, Luong et al. 2015, equation 5.
#[derive(Module, Debug)]
pub struct RnnAttention<B: Backend> {
    key: Linear<B>,
    /// Additive attention's.
    query: Option<Linear<B>>,
    /// `[d_hidden, 1]`; additive attention's.
    score: Option<Param<Tensor<B, 2>>>,
    combine: Linear<B>,
}

/// What an encoder has read, as attention looks at it: made once a source.
#[derive(Debug, Clone)]
pub(crate) struct RnnMemory<B: Backend> {
    /// `[batch, source_seq, d_hidden]`
    keys: Tensor<B, 3>,
    /// `[batch, source_seq, d_source]`
    values: Tensor<B, 3>,
    /// `[batch, source_seq]`: 0 where there is something, else a number that hides.
    bias: Option<Tensor<B, 2>>,
}

impl<B: Backend> RnnMemory<B> {
    /// Row `i` becomes what row `rows[i]` was; rows of the batch that read the same source go on sharing it.
    ///
    /// - `n_batch`: rows of the batch so far
    pub(crate) fn select(self, n_batch: usize, rows: &[usize]) -> Self {
        let [n_memory, _, _] = self.keys.dims();
        match Kept::of(n_memory, n_batch, rows).indices(&self.keys.device()) {
            Some(rows) => Self {
                keys: self.keys.select(0, rows.clone()),
                values: self.values.select(0, rows.clone()),
                bias: self.bias.map(|bias| bias.select(0, rows)),
            },
            None => self,
        }
    }
}

impl<B: Backend> RnnAttention<B> {
    /// None where there is none.
    pub(crate) fn new(
        kind: RnnAttentionKind,
        [d_hidden, d_source]: [usize; 2],
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Option<Self> {
        let layer = |d_input, bias| linear([d_input, d_hidden], bias, &initialisers.inner, device);
        let is_additive = match kind {
            RnnAttentionKind::None => return None,
            RnnAttentionKind::Additive => true,
            RnnAttentionKind::Multiplicative => false,
        };
        let score = || {
            let fans = (Some(d_hidden), Some(1));
            let shape = [d_hidden, 1];
            initialisers.inner.init_with(shape, fans.0, fans.1, device)
        };
        Some(Self {
            key: layer(d_source, false),
            query: is_additive.then(|| layer(d_hidden, true)),
            score: is_additive.then(score),
            combine: layer(d_hidden + d_source, true),
        })
    }

    /// - `encoded`: `[batch, source_seq, d_source]`
    /// - `padding_mask`: `[batch, source_seq]`
    pub(crate) fn memory(
        &self,
        encoded: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> RnnMemory<B> {
        RnnMemory {
            keys: project(&self.key, encoded.clone()),
            values: encoded,
            bias: padding_mask.map(|mask| mask.float().mul_scalar(HIDDEN)),
        }
    }

    /// What each query sees.
    ///
    /// - `queries`: `[batch, seq, d_hidden]`
    /// - `maps`: where the weights are written down, `[batch, seq, source_seq]`, if they are
    /// - returns `[batch, seq, d_source]`
    pub(crate) fn look(
        &self,
        queries: Tensor<B, 3>,
        memory: &RnnMemory<B>,
        maps: Option<&mut Vec<Tensor<B, 3>>>,
    ) -> Tensor<B, 3> {
        let [rows, row_seq, _] = queries.dims();
        let [batch, source_seq, _] = memory.keys.dims();
        let queries = side_by_side(queries, batch);
        let [_, seq, d_hidden] = queries.dims();
        let scores = match (&self.query, &self.score) {
            (Some(query), Some(score)) => {
                let queries = project(query, queries).unsqueeze_dim::<4>(2);
                let keys = memory.keys.clone().unsqueeze_dim::<4>(1);
                let together = (queries + keys).tanh();
                let together = together.reshape([batch * seq * source_seq, d_hidden]);
                together
                    .matmul(score.val())
                    .reshape([batch, seq, source_seq])
            }
            _ => queries.matmul(memory.keys.clone().swap_dims(1, 2)),
        };
        let scores = match &memory.bias {
            Some(bias) => scores + bias.clone().unsqueeze_dim::<3>(1),
            None => scores,
        };
        let weights = softmax(scores, 2);
        if let Some(maps) = maps {
            maps.push(weights.clone());
        }
        let seen = weights.matmul(memory.values.clone());
        let [_, _, d_source] = seen.dims();
        seen.reshape([rows, row_seq, d_source])
    }

    /// - `hidden`: `[batch, seq, d_hidden]`
    /// - `seen`: `[batch, seq, d_source]`
    /// - returns `[batch, seq, d_hidden]`
    pub(crate) fn combine(&self, hidden: Tensor<B, 3>, seen: Tensor<B, 3>) -> Tensor<B, 3> {
        project(&self.combine, Tensor::cat(vec![hidden, seen], 2)).tanh()
    }
}
