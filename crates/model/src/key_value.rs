//! What attention looks at.

use burn::tensor::{Int, Tensor, backend::Backend, s};

/// Keys and values of one attention layer, split into heads: `[batch, n_kv_heads, seq, d_head]` each.
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

    /// How many rows there are.
    pub(crate) fn n_rows(&self) -> usize {
        let [rows, _, _, _] = self.key.dims();
        rows
    }

    /// Row `i` becomes what row `rows[i]` was. For keys and values as they are made.
    pub(crate) fn select_rows(self, rows: &Tensor<B, 1, Int>) -> Self {
        Self {
            key: self.key.select(0, rows.clone()),
            value: self.value.select(0, rows.clone()),
        }
    }

    /// The same for keys and values as [`join`](Self::join) lays them out, which they stay.
    pub(crate) fn select_settled_rows(self, rows: &Tensor<B, 1, Int>) -> Self {
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
        let [batch, n_kv_heads, _, d_head] = parts[0].key.dims();
        let (device, dtype) = (parts[0].key.device(), parts[0].key.dtype());
        let mut keys = Tensor::zeros([batch, n_kv_heads, d_head, seq], (&device, dtype));
        let mut values = Tensor::zeros([batch, n_kv_heads, seq, d_head], (&device, dtype));
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
