//! Which keys a query may look at.

use burn::tensor::{Bool, Int, Tensor, backend::Backend};

/// The keys that are hidden from each query, built once a forward pass and shared by its layers.
///
/// What is hidden gets `-inf` added to its score: the exponential of that is exactly zero and cheap, where a large finite
/// number would leak in one case and underflow slowly in the other; and adding costs one pass forward and none backward.
#[derive(Debug, Clone)]
pub struct Mask<B: Backend> {
    /// `[batch or 1, 1, query_seq or 1, key_seq]`, 0 or `-inf`; none where every query sees every key.
    bias: Option<Tensor<B, 4>>,
    /// Whether query `i` of as many queries as keys sees the keys up to `i`, all of them: kernels know this case.
    is_causal: bool,
}

impl<B: Backend> Mask<B> {
    /// Every query sees every key.
    pub fn none() -> Self {
        Self {
            bias: None,
            is_causal: false,
        }
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
            bias: Some(bias(hidden.reshape([1, 1, query_seq, key_seq]))),
            is_causal: query_seq == key_seq,
        }
    }

    /// Hides padded keys from every query.
    ///
    /// - `padding_mask`: `[batch, key_seq]`, true where a key is hidden
    pub fn padding(padding_mask: Option<Tensor<B, 2, Bool>>) -> Self {
        let hidden = padding_mask.map(|mask| {
            let [batch, key_seq] = mask.dims();
            mask.reshape([batch, 1, 1, key_seq])
        });
        Self {
            bias: hidden.map(bias),
            is_causal: false,
        }
    }

    /// Hides what either of the two hides.
    pub fn or(self, other: Self) -> Self {
        match (self.bias, other.bias) {
            (Some(one), Some(two)) => Self {
                bias: Some(one + two),
                is_causal: false,
            },
            (one, two) => Self {
                is_causal: self.is_causal || other.is_causal,
                bias: one.or(two),
            },
        }
    }

    /// Whether nothing but the future of a whole sequence is hidden.
    pub(crate) fn is_causal(&self) -> bool {
        self.is_causal
    }

    /// What is to be added to scores: `[batch or 1, 1, query_seq, key_seq]`.
    pub(crate) fn bias(&self, query_seq: usize) -> Option<Tensor<B, 4>> {
        self.bias.clone().map(|bias| {
            let [batch, _, _, key_seq] = bias.dims();
            bias.expand([batch, 1, query_seq, key_seq])
        })
    }

    /// - `scores`: `[batch, n_heads, query_seq, key_seq]`
    pub(crate) fn apply(&self, scores: Tensor<B, 4>) -> Tensor<B, 4> {
        match &self.bias {
            Some(bias) => scores + bias.clone(),
            None => scores,
        }
    }
}

/// `-inf` where something is hidden, 0 elsewhere.
fn bias<B: Backend>(hidden: Tensor<B, 4, Bool>) -> Tensor<B, 4> {
    Tensor::zeros(hidden.dims(), &hidden.device()).mask_fill(hidden, f32::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;

    fn rows(mask: &Mask<TestBackend>, query_seq: usize) -> Vec<bool> {
        let bias = mask.bias(query_seq).expect("a mask");
        bias.into_data().iter::<f32>().map(|x| x < 0.0).collect()
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
                .bias
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

    #[test]
    fn only_a_whole_sequence_without_padding_is_nothing_but_causal() {
        let device = Default::default();
        let whole = || Mask::<TestBackend>::causal(3, 3, &device);
        let padding = || Mask::padding(Some(Tensor::from_data([[true, false, false]], &device)));
        assert!(whole().is_causal() && whole().or(Mask::none()).is_causal());
        assert!(!whole().or(padding()).is_causal() && !padding().is_causal());
        assert!(!Mask::<TestBackend>::causal(2, 3, &device).is_causal());
    }
}
