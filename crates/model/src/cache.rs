//! The keys and values of the past, so that one new token costs one new token.

use crate::key_value::KeyValue;
use burn::tensor::{Int, Tensor, backend::Backend, s};

/// Positions that tokens are collected in, a few at a time, before they join the rest.
pub(crate) const BLOCK: usize = 64;

/// So many tokens at once are a few.
const FEW: usize = 16;

/// What one attention layer can still see of the past, in two parts: *settled* keys and values, which are never written again, and a
/// pre-allocated *recent* block that tokens are written into as they come, one or a few at a time.
///
/// Not every backend writes into a slice in place: burn-flex copies the whole tensor. So the tensor that is written is
/// small, and joins the settled part when it is full: a token costs a copy of a block, and of the past only once in
/// `BLOCK` tokens. Settled keys lie in memory as the product with a query reads them, one row a channel.
///
/// Under a window, what no later query can see is dropped when the parts are joined: however many tokens there were and in
/// whatever pieces they came, no more than `window - 1 + BLOCK` positions are held
/// ([`StackConfig::n_cached`](crate::StackConfig::n_cached)).
#[derive(Debug, Clone)]
pub struct KeyValueCache<B: Backend> {
    settled: Option<KeyValue<B>>,
    /// `[batch, n_kv_heads, BLOCK, d_head]` each, of which `n_recent` positions are written.
    recent: Option<KeyValue<B>>,
    n_settled: usize,
    n_recent: usize,
    n_seen: usize,
    window: Option<usize>,
}

impl<B: Backend> KeyValueCache<B> {
    /// An empty cache.
    ///
    /// - `window`: how many positions a query sees, itself included; all if none
    pub fn new(window: Option<usize>) -> Self {
        Self {
            settled: None,
            recent: None,
            n_settled: 0,
            n_recent: 0,
            n_seen: 0,
            window,
        }
    }

    /// How many positions it has been given, those that are dropped included.
    pub fn n_seen(&self) -> usize {
        self.n_seen
    }

    /// How many positions [`append`](Self::append) will return when it is given `seq` new ones.
    pub fn n_keys(&self, seq: usize) -> usize {
        let n_past = if seq <= FEW && !self.has_room(seq) {
            self.n_visible()
        } else {
            self.len()
        };
        n_past + seq
    }

    /// Whether new positions fit into the recent block.
    fn has_room(&self, seq: usize) -> bool {
        self.n_recent + seq <= BLOCK
    }

    /// How many of the positions here the next query can see.
    fn n_visible(&self) -> usize {
        self.window
            .map_or(self.len(), |window| self.len().min(window - 1))
    }

    /// How many positions it holds.
    pub fn len(&self) -> usize {
        self.n_settled + self.n_recent
    }

    /// Whether it holds nothing yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes up the keys and values of new positions and returns those of all positions that they may see, in order, in
    /// one or two parts.
    ///
    /// - `new`: `[batch, n_kv_heads, seq, d_head]` each
    pub fn append(&mut self, new: KeyValue<B>) -> Vec<KeyValue<B>> {
        let [_, _, seq, _] = new.key.dims();
        if seq <= FEW {
            if !self.has_room(seq) {
                self.settle(None);
                self.drop_unseen();
            }
            self.write(new);
        } else {
            self.settle(Some(new));
        }
        self.n_seen += seq;
        let recent = self.written();
        let all = self.settled.iter().cloned().chain(recent).collect();
        if seq > FEW {
            self.drop_unseen();
        }
        all
    }

    /// Drops from the settled part what the next query cannot see, when nothing stands behind it.
    fn drop_unseen(&mut self) {
        let n_kept = self.n_visible();
        if n_kept == self.n_settled {
            return;
        }
        let range = s![.., .., self.n_settled - n_kept..self.n_settled, ..];
        // A copy, so that the whole is let go of.
        self.settled = self.settled.take().filter(|_| n_kept > 0).map(|all| {
            KeyValue::join(vec![KeyValue {
                key: all.key.slice(range),
                value: all.value.slice(range),
            }])
        });
        self.n_settled = n_kept;
    }

    /// Row `i` becomes what row `rows[i]` was.
    pub fn reorder(&mut self, rows: &Tensor<B, 1, Int>) {
        self.settled = self
            .settled
            .take()
            .map(|part| part.select_settled_rows(rows));
        self.recent = self.recent.take().map(|part| part.select_rows(rows));
    }

    /// Writes positions into the recent block.
    fn write(&mut self, new: KeyValue<B>) {
        let [batch, n_kv_heads, seq, d_head] = new.key.dims();
        let (device, dtype) = (new.key.device(), new.key.dtype());
        let block = self.recent.take().unwrap_or_else(|| {
            let empty = || Tensor::zeros([batch, n_kv_heads, BLOCK, d_head], (&device, dtype));
            KeyValue {
                key: empty(),
                value: empty(),
            }
        });
        let slot = s![.., .., self.n_recent..self.n_recent + seq, ..];
        self.recent = Some(KeyValue {
            key: block.key.slice_assign(slot, new.key),
            value: block.value.slice_assign(slot, new.value),
        });
        self.n_recent += seq;
    }

    /// The written part of the recent block.
    fn written(&self) -> Option<KeyValue<B>> {
        let range = s![.., .., 0..self.n_recent, ..];
        let recent = self.recent.as_ref().filter(|_| self.n_recent > 0)?;
        Some(KeyValue {
            key: recent.key.clone().slice(range),
            value: recent.value.clone().slice(range),
        })
    }

    /// Joins the settled part, what is written of the recent block, and new positions.
    fn settle(&mut self, new: Option<KeyValue<B>>) {
        let recent = self.written();
        let parts: Vec<KeyValue<B>> = [self.settled.take(), recent, new]
            .into_iter()
            .flatten()
            .collect();
        self.n_settled = parts.iter().map(KeyValue::seq).sum();
        self.n_recent = 0;
        self.settled = Some(KeyValue::join(parts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;

    /// Two rows whose keys are `value` and `value + 100`.
    fn entries(values: &[f32]) -> KeyValue<TestBackend> {
        let device = Default::default();
        let row = |shift: f32| {
            let values: Vec<f32> = values.iter().map(|value| value + shift).collect();
            Tensor::<TestBackend, 1>::from_floats(values.as_slice(), &device).reshape([
                1,
                1,
                values.len(),
                1,
            ])
        };
        let both = Tensor::cat(vec![row(0.0), row(100.0)], 0);
        KeyValue {
            key: both.clone(),
            value: both,
        }
    }

    fn keys(parts: &[KeyValue<TestBackend>], row: usize) -> Vec<f32> {
        let row =
            |part: &KeyValue<TestBackend>| part.key.clone().slice(s![row, .., .., ..]).into_data();
        parts
            .iter()
            .flat_map(|part| row(part).iter::<f32>().collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn entries_come_back_in_order_however_they_come() {
        let mut cache = KeyValueCache::new(None);
        let mut expected: Vec<f32> = Vec::new();
        let mut next = 0u8;
        for seq in [3, 1, 1, 2, 1].into_iter().chain([1; 2 * BLOCK + 1]) {
            let new: Vec<f32> = (next..next + seq).map(f32::from).collect();
            next += seq;
            expected.extend(&new);
            let parts = cache.append(entries(&new));
            assert!(parts.len() <= 2);
            assert_eq!(keys(&parts, 0), expected);
        }
        assert_eq!(cache.len(), expected.len());
    }

    #[test]
    fn under_a_window_only_what_is_seen_is_kept() {
        let window = 5;
        let mut cache = KeyValueCache::new(Some(window));
        let mut expected: Vec<f32> = Vec::new();
        for seq in [9, 1, 1, 2].into_iter().chain([1; 3 * BLOCK]) {
            let next = expected.len();
            let new: Vec<f32> = (next..next + seq).map(|i| i as f32).collect();
            expected.extend(&new);
            let n_keys = cache.n_keys(seq);
            let found = keys(&cache.append(entries(&new)), 0);
            assert_eq!(found.len(), n_keys);
            assert!(found.len() >= expected.len().min(window - 1 + seq));
            assert_eq!(found, expected[expected.len() - found.len()..]);
            assert!(cache.len() <= window - 1 + BLOCK);
            // No view into a longer tensor: what is dropped is gone.
            let settled = cache.settled.as_ref().map_or(0, KeyValue::seq);
            assert_eq!(settled, cache.n_settled);
        }
        assert_eq!(cache.n_seen(), expected.len());
    }

    #[test]
    fn reorder_moves_whole_rows_of_both_parts() {
        let mut cache = KeyValueCache::new(None);
        cache.append(entries(&[1.0, 2.0]));
        cache.append(entries(&[3.0]));
        cache.reorder(&Tensor::from_ints([1, 1], &Default::default()));
        let parts = cache.append(entries(&[4.0]));
        assert_eq!(keys(&parts, 0), [101.0, 102.0, 103.0, 4.0]);
        assert_eq!(keys(&parts, 1), [101.0, 102.0, 103.0, 104.0]);
    }
}
