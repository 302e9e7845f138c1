//! What an encoder has read, as a decoder looks at it.

use crate::key_value::KeyValue;
use crate::mask::Mask;
use crate::sharing::Kept;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};

/// An encoder's output as the keys and values of each layer of a decoder: made once a source, read at every step.
#[derive(Debug, Clone)]
pub struct Memory<B: Backend> {
    layers: Vec<KeyValue<B>>,
    mask: Mask<B>,
    /// `[batch, source_seq]`
    padding_mask: Option<Tensor<B, 2, Bool>>,
}

impl<B: Backend> Memory<B> {
    /// - `layers`: what each layer of the decoder looks at, `[batch, n_kv_heads, source_seq, d_head]` each
    /// - `padding_mask`: `[batch, source_seq]`
    pub(crate) fn new(layers: Vec<KeyValue<B>>, padding_mask: Option<Tensor<B, 2, Bool>>) -> Self {
        Self {
            layers,
            mask: Mask::padding(padding_mask.clone()),
            padding_mask,
        }
    }

    pub(crate) fn layer(&self, i: usize) -> Option<&KeyValue<B>> {
        self.layers.get(i)
    }

    pub(crate) fn mask(&self) -> &Mask<B> {
        &self.mask
    }

    /// Laid out for being read at every step.
    pub(crate) fn settle(mut self) -> Self {
        self.layers = self
            .layers
            .into_iter()
            .map(|layer| KeyValue::join(vec![layer]))
            .collect();
        self
    }

    /// Rows of the batch that read the same source go on sharing it.
    ///
    /// - `n_batch`: rows of the batch so far
    pub(crate) fn reorder(&mut self, n_batch: usize, rows: &[usize], device: &B::Device) {
        let n_memory = self.layers.first().map_or(0, KeyValue::n_rows);
        let kept = Kept::of(n_memory, n_batch, rows);
        let Some(rows) = kept.indices(device) else {
            return;
        };
        for layer in &mut self.layers {
            *layer = layer.clone().select_settled_rows(&rows);
        }
        self.padding_mask = self
            .padding_mask
            .take()
            .map(|mask| select_rows(mask, &rows));
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
