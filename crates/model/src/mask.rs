//! Which keys a query may look at.

use burn::tensor::{Bool, Int, Tensor, backend::Backend};

/// The keys that are hidden from each query, built once a forward pass and shared by its layers.
///
/// `true` means *hidden*, as everywhere in Burn.
#[derive(Debug, Clone)]
pub struct Mask<B: Backend> {
    /// `[batch or 1, 1, query_seq, key_seq]`; none where every query sees every key.
    hidden: Option<Tensor<B, 4, Bool>>,
}

impl<B: Backend> Mask<B> {
    /// Every query sees every key.
    pub fn none() -> Self {
        Self { hidden: None }
    }

    /// The last `query_seq` of `key_seq` positions look back: query `i` sees the keys up to its own position.
    pub fn causal(query_seq: usize, key_seq: usize, device: &B::Device) -> Self {
        if query_seq <= 1 {
            return Self::none();
        }
        let n_past = key_seq as i64 - query_seq as i64;
        let queries =
            Tensor::<B, 1, Int>::arange(n_past..key_seq as i64, device).reshape([query_seq, 1]);
        let keys = Tensor::<B, 1, Int>::arange(0..key_seq as i64, device).reshape([1, key_seq]);
        let hidden = keys
            .expand([query_seq, key_seq])
            .greater(queries.expand([query_seq, key_seq]));
        Self {
            hidden: Some(hidden.reshape([1, 1, query_seq, key_seq])),
        }
    }

    /// Hides padded keys from every query.
    ///
    /// - `padding_mask`: `[batch, key_seq]`
    pub fn padding(padding_mask: Option<Tensor<B, 2, Bool>>) -> Self {
        let hidden = padding_mask.map(|mask| {
            let [batch, key_seq] = mask.dims();
            mask.reshape([batch, 1, 1, key_seq])
        });
        Self { hidden }
    }

    /// Hides what either of the two hides.
    pub fn or(self, other: Self) -> Self {
        let hidden = match (self.hidden, other.hidden) {
            (Some(one), Some(two)) => {
                let [one_batch, _, one_query, key_seq] = one.dims();
                let [two_batch, _, two_query, _] = two.dims();
                let shape = [
                    one_batch.max(two_batch),
                    1,
                    one_query.max(two_query),
                    key_seq,
                ];
                Some(one.expand(shape).bool_or(two.expand(shape)))
            }
            (one, two) => one.or(two),
        };
        Self { hidden }
    }

    /// The mask for a fused attention kernel: `[batch or 1, 1, query_seq, key_seq]`.
    pub(crate) fn hidden(&self, query_seq: usize) -> Option<Tensor<B, 4, Bool>> {
        self.hidden.clone().map(|mask| {
            let [batch, _, _, key_seq] = mask.dims();
            mask.expand([batch, 1, query_seq, key_seq])
        })
    }

    /// Adds `-inf` to the hidden scores. Minus infinity, because its exponential is exactly zero and cheap: a large
    /// finite number would leak in one case and underflow slowly in the other.
    ///
    /// - `scores`: `[batch, n_heads, query_seq, key_seq]`
    pub(crate) fn apply(&self, scores: Tensor<B, 4>) -> Tensor<B, 4> {
        match &self.hidden {
            Some(hidden) => {
                let shape = scores.dims();
                scores.mask_fill(hidden.clone().expand(shape), f32::NEG_INFINITY)
            }
            None => scores,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;

    fn rows(mask: &Mask<TestBackend>, query_seq: usize) -> Vec<bool> {
        let hidden = mask.hidden(query_seq).expect("a mask");
        hidden.into_data().iter::<bool>().collect()
    }

    #[test]
    fn causal_hides_the_future_only() {
        let mask = Mask::<TestBackend>::causal(2, 3, &Default::default());
        assert_eq!(rows(&mask, 2), [false, false, true, false, false, false]);
    }

    #[test]
    fn one_query_at_the_end_needs_no_causal_mask() {
        assert!(
            Mask::<TestBackend>::causal(1, 9, &Default::default())
                .hidden
                .is_none()
        );
    }

    #[test]
    fn or_hides_what_either_hides() {
        let device = Default::default();
        let padding = Tensor::from_data([[true, false, false]], &device);
        let mask = Mask::<TestBackend>::causal(2, 3, &device).or(Mask::padding(Some(padding)));
        assert_eq!(rows(&mask, 2), [true, false, true, true, false, false]);
    }
}
