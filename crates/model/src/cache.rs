//! The keys and values of the past, so that one new token costs one new token.

use crate::attention::KeyValue;
use burn::tensor::{Int, Tensor, backend::Backend, s};

/// A pre-allocated store of the keys and values that one attention layer has seen.
///
/// New entries are written in place behind the old ones; the buffers grow by doubling when the first guess of the
/// capacity was too small, so that appending stays cheap whatever the length.
#[derive(Debug, Clone)]
pub struct KeyValueCache<B: Backend> {
    /// `[batch, n_heads, capacity, d_head]` each; absent before the first token, and while it is being written, so that
    /// the backend sees one owner and writes in place.
    buffers: Option<KeyValue<B>>,
    capacity: usize,
    len: usize,
}

impl<B: Backend> KeyValueCache<B> {
    /// An empty cache with room for `capacity` positions.
    pub fn new(capacity: usize) -> Self {
        Self {
            buffers: None,
            capacity: capacity.max(1),
            len: 0,
        }
    }

    /// How many positions it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes the keys and values of new positions and returns those of all positions so far.
    ///
    /// - `new`: `[batch, n_heads, seq, d_head]` each
    /// - returns `[batch, n_heads, len, d_head]` each
    pub fn append(&mut self, new: KeyValue<B>) -> KeyValue<B> {
        let [batch, n_heads, seq, d_head] = new.key.dims();
        let (past, end) = (self.len, self.len + seq);
        let buffers = self.with_room(end, [batch, n_heads, d_head], &new.key.device());
        let slot = s![.., .., past..end, ..];
        let buffers = KeyValue {
            key: buffers.key.slice_assign(slot, new.key),
            value: buffers.value.slice_assign(slot, new.value),
        };
        self.len = end;
        let seen = s![.., .., 0..end, ..];
        let all = KeyValue {
            key: buffers.key.clone().slice(seen),
            value: buffers.value.clone().slice(seen),
        };
        self.buffers = Some(buffers);
        all
    }

    /// Row `i` becomes what row `rows[i]` was.
    pub fn reorder(&mut self, rows: &Tensor<B, 1, Int>) {
        if let Some(buffers) = self.buffers.take() {
            self.buffers = Some(KeyValue {
                key: buffers.key.select(0, rows.clone()),
                value: buffers.value.select(0, rows.clone()),
            });
        }
    }

    /// Takes the buffers out, with room for `end` positions.
    fn with_room(
        &mut self,
        end: usize,
        [batch, n_heads, d_head]: [usize; 3],
        device: &B::Device,
    ) -> KeyValue<B> {
        if let Some(buffers) = self.buffers.take_if(|_| end <= self.capacity) {
            return buffers;
        }
        self.capacity = if self.buffers.is_some() {
            end.max(2 * self.capacity)
        } else {
            end.max(self.capacity)
        };
        let shape = [batch, n_heads, self.capacity, d_head];
        let grow = |old: Option<Tensor<B, 4>>| {
            let empty = Tensor::zeros(shape, device);
            match old {
                Some(old) => {
                    let seen = s![.., .., 0..self.len, ..];
                    empty.slice_assign(seen, old.slice(seen))
                }
                None => empty,
            }
        };
        let (key, value) = match self.buffers.take() {
            Some(old) => (Some(old.key), Some(old.value)),
            None => (None, None),
        };
        KeyValue {
            key: grow(key),
            value: grow(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;

    fn entry(value: f32) -> KeyValue<TestBackend> {
        let tensor = Tensor::full([2, 1, 1, 2], value, &Default::default());
        KeyValue {
            key: tensor.clone(),
            value: tensor,
        }
    }

    #[test]
    fn appended_entries_come_back_in_order_beyond_the_first_capacity() {
        let mut cache = KeyValueCache::new(2);
        let mut last = None;
        for position in 0..5 {
            last = Some(cache.append(entry(position as f32)));
        }
        let keys: Vec<f32> = last
            .expect("five entries")
            .key
            .slice(s![0, 0, .., 0])
            .into_data()
            .iter()
            .collect();
        assert_eq!(keys, [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(cache.len(), 5);
    }

    #[test]
    fn reorder_moves_whole_rows() {
        let device = Default::default();
        let mut cache = KeyValueCache::<TestBackend>::new(4);
        let rows = Tensor::<TestBackend, 4>::from_data([[[[1.0]]], [[[2.0]]]], &device);
        cache.append(KeyValue {
            key: rows.clone(),
            value: rows,
        });
        cache.reorder(&Tensor::from_ints([1, 1], &device));
        let new = Tensor::<TestBackend, 4>::from_data([[[[3.0]]], [[[4.0]]]], &device);
        let all = cache.append(KeyValue {
            key: new.clone(),
            value: new,
        });
        let keys: Vec<f32> = all.key.into_data().iter().collect();
        assert_eq!(keys, [2.0, 3.0, 2.0, 4.0]);
    }
}
