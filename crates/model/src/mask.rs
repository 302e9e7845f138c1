//! Which keys a query may look at.

use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use hearth_kernels::Hidden;

/// The keys that are hidden from each query, built once a forward pass and shared by its layers.
///
/// What is hidden gets `-inf` added to its score: the exponential of that is exactly zero and cheap, where a large finite
/// number would leak in one case and underflow slowly in the other; and adding costs one pass forward and none backward.
#[derive(Debug, Clone)]
pub struct Mask<B: Backend> {
    /// `[batch or 1, n_heads or 1, query_seq or 1, key_seq]`, `-inf` where a key is hidden; none where every query sees
    /// every key alike.
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
        let hidden = distances(query_seq, key_seq, device).lower_elem(0);
        Self {
            bias: Some(bias(hidden)),
            is_causal: query_seq == key_seq,
        }
    }

    /// Each of the last `query_seq` of `key_seq` positions sees those less than `window` away, itself included. Beltagy et
    /// al. 2020 <https://arxiv.org/abs/2004.05150>.
    pub fn window(query_seq: usize, key_seq: usize, window: usize, device: &B::Device) -> Self {
        if key_seq <= window {
            return Self::none();
        }
        let distance = distances(query_seq, key_seq, device).abs();
        Self {
            bias: Some(bias(distance.greater_equal_elem(window as i64))),
            is_causal: false,
        }
    }

    /// Scores fall with the distance, in each head at its own rate: ALiBi, Press et al. 2021
    /// <https://arxiv.org/abs/2108.12409>. For the last `query_seq` of `key_seq` positions.
    pub fn alibi(n_heads: usize, query_seq: usize, key_seq: usize, device: &B::Device) -> Self {
        let slopes: Vec<f32> = slopes(n_heads).into_iter().map(|slope| -slope).collect();
        let slopes = Tensor::<B, 1>::from_floats(slopes.as_slice(), device);
        let distance = distances(query_seq, key_seq, device).abs().float();
        Self {
            bias: Some(distance * slopes.reshape([1, n_heads, 1, 1])),
            is_causal: false,
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

    /// Whether every query sees every key alike.
    pub(crate) fn is_none(&self) -> bool {
        self.bias.is_none()
    }

    /// What is hidden at most.
    pub(crate) fn hidden(&self) -> Hidden {
        match (&self.bias, self.is_causal) {
            (None, _) => Hidden::Nothing,
            (Some(_), true) => Hidden::Keys,
            (Some(_), false) => Hidden::Rows,
        }
    }

    /// Whether nothing but the future of a whole sequence is hidden.
    pub(crate) fn is_causal(&self) -> bool {
        self.is_causal
    }

    /// What is to be added to scores: `[batch or 1, n_heads or 1, query_seq, key_seq]`.
    pub(crate) fn bias(&self, query_seq: usize) -> Option<Tensor<B, 4>> {
        self.bias.clone().map(|bias| {
            let [batch, n_heads, _, key_seq] = bias.dims();
            bias.expand([batch, n_heads, query_seq, key_seq])
        })
    }

    /// - `scores`: `[batch, n_heads, query_seq, key_seq]`
    pub(crate) fn apply(&self, scores: Tensor<B, 4>) -> Tensor<B, 4> {
        let Some(bias) = self.bias.clone() else {
            return scores;
        };
        let ([batch, n_heads, query_seq, key_seq], shape) = (bias.dims(), scores.dims());
        if batch > 1 || (n_heads > 1 && query_seq != shape[2]) {
            return scores + bias;
        }
        // The same for all texts, and perhaps for all heads and queries: one long row for them all, which is added fast.
        let n = n_heads * query_seq * key_seq;
        let rows = scores.reshape([shape.iter().product::<usize>() / n, n]);
        (rows + bias.reshape([1, n])).reshape(shape)
    }
}

/// How far each of the last `query_seq` of `key_seq` positions stands behind each key: `[1, 1, query_seq, key_seq]`.
fn distances<B: Backend>(
    query_seq: usize,
    key_seq: usize,
    device: &B::Device,
) -> Tensor<B, 4, Int> {
    let (n_past, end) = (key_seq as i64 - query_seq as i64, key_seq as i64);
    let queries = Tensor::<B, 1, Int>::arange(n_past..end, device).reshape([1, 1, query_seq, 1]);
    let keys = Tensor::<B, 1, Int>::arange(0..end, device).reshape([1, 1, 1, key_seq]);
    let shape = [1, 1, query_seq, key_seq];
    queries.expand(shape) - keys.expand(shape)
}

/// `2^(-8/n), 2^(-16/n), …` for a number of heads that is a power of two; else those of the next lower power, and then
/// every second of the next higher one.
fn slopes(n_heads: usize) -> Vec<f32> {
    let geometric = |n: usize| (1..=n).map(move |i| (-8.0 * i as f64 / n as f64).exp2() as f32);
    let lower = 1 << n_heads.max(1).ilog2();
    let between = geometric(2 * lower).step_by(2);
    geometric(lower).chain(between).take(n_heads).collect()
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
    fn a_window_hides_what_is_far() {
        let device = Default::default();
        let mask = Mask::<TestBackend>::window(2, 4, 2, &device);
        let expected = [true, false, false, false, true, true, false, false];
        assert_eq!(rows(&mask, 2), expected);
        assert!(Mask::<TestBackend>::window(2, 4, 4, &device).bias.is_none());
    }

    #[test]
    fn slopes_are_those_of_the_paper() {
        assert_eq!(slopes(8)[..3], [0.5, 0.25, 0.125]);
        let of_twelve = slopes(12);
        assert_eq!(of_twelve[..8], slopes(8));
        assert_eq!(of_twelve[8], 0.5f32.sqrt());
        let mask = Mask::<TestBackend>::alibi(8, 1, 3, &Default::default());
        let bias: Vec<f32> = mask.bias(1).expect("a bias").into_data().iter().collect();
        assert_eq!(bias[..6], [-1.0, -0.5, 0.0, -0.5, -0.25, 0.0]);
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
