//! Connectionist temporal classification: a text's likelihood when nobody says where in the sound each token is.
//!
//! Graves et al. 2006 <https://www.cs.toronto.edu/~graves/icml_2006.pdf>. At each frame a model names a token or the
//! *blank*. A path of names becomes a text when repeated names are merged and blanks dropped; a text's likelihood is the sum
//! over its paths.

use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};

/// The logarithm of a probability of zero: finite, so that differences of two of them are numbers.
pub(crate) const IMPOSSIBLE: f32 = -1e30;

/// The negative log-likelihood of each row's text, in nats, by the forward algorithm in logarithms (§4.1). Gradients are the
/// backend's.
///
/// A text that no path of so few frames becomes costs nothing and has no gradient (PyTorch's `zero_infinity`).
///
/// - `logits`: `[batch, n_frames, vocab]`
/// - `n_frames`: how many frames of each row are not padding; at least 1
/// - `targets`: each row's text, without blanks
/// - returns `[batch]`
///
/// # Panics
/// If there are not as many lengths and targets as rows, or a length is none of a row.
pub fn ctc_loss<B: Backend>(
    logits: Tensor<B, 3>,
    n_frames: &[usize],
    targets: &[Vec<u32>],
    blank: u32,
) -> Tensor<B, 1> {
    let ([batch, seq, _], device) = (logits.dims(), logits.device());
    assert_eq!([n_frames.len(), targets.len()], [batch, batch]);
    assert!(
        n_frames.iter().all(|n| (1..=seq).contains(n)),
        "{n_frames:?} frames in rows of {seq}"
    );
    let states = States::new(targets, blank);
    let n_states = states.n_states;
    let matrix = |values: Vec<f32>| {
        Tensor::<B, 2>::from_data(TensorData::new(values, [batch, n_states]), &device)
    };
    let names = TensorData::new(states.names(), [batch, 1, n_states]);
    let names = Tensor::<B, 3, Int>::from_data(names, &device).expand([batch, seq, n_states]);
    // [batch, seq, n_states]: what each state emits at each frame.
    let emissions = log_softmax(logits).gather(2, names);
    let emitted = |frame: usize| emissions.clone().narrow(1, frame, 1).squeeze_dim::<2>(1);

    let skips = matrix(states.where_allowed(|row, state| row.may_skip_to(state)));
    let before = Tensor::<B, 2>::full([batch, 2], IMPOSSIBLE, &device);
    let mut alpha = emitted(0) + matrix(states.where_allowed(|_, state| state < 2));
    for frame in 1..seq {
        if n_frames.iter().all(|&n| frame >= n) {
            break;
        }
        let from = Tensor::cat(vec![before.clone(), alpha.clone()], 1);
        let [two_back, one_back] = [0, 1].map(|start| from.clone().narrow(1, start, n_states));
        let ways = [alpha.clone(), one_back, two_back + skips.clone()];
        let next = emitted(frame) + log_sum(ways);
        // A row that has ended stays as it was.
        alpha = if n_frames.iter().any(|&n| frame >= n) {
            let ended: Vec<bool> = n_frames.iter().map(|&n| frame >= n).collect();
            let ended = TensorData::new(ended, [batch, 1]);
            let ended = Tensor::<B, 2, Bool>::from_data(ended, &device);
            next.mask_where(ended.expand([batch, n_states]), alpha)
        } else {
            next
        };
    }
    // Behind the last token, or behind the blank that follows it.
    let ends = alpha + matrix(states.where_allowed(|row, state| state + 2 >= row.n_states()));
    let highest = ends.clone().detach().max_dim(1);
    let total = (ends - highest.clone()).exp().sum_dim(1).log() + highest;
    let too_short = n_frames.iter().zip(&states.rows);
    let too_short: Vec<bool> = too_short.map(|(&n, row)| n < row.n_needed()).collect();
    let too_short = Tensor::from_data(TensorData::new(too_short, [batch]), &device);
    total.neg().squeeze_dim::<1>(1).mask_fill(too_short, 0.0)
}

/// The states of the forward algorithm: a text's tokens with a blank before, between and behind them.
struct States<'a> {
    rows: Vec<Row<'a>>,
    /// Of the longest row.
    n_states: usize,
}

struct Row<'a> {
    text: &'a [u32],
    blank: u32,
}

impl<'a> States<'a> {
    fn new(targets: &'a [Vec<u32>], blank: u32) -> Self {
        let rows: Vec<_> = targets.iter().map(|text| Row { text, blank }).collect();
        let n_states = rows.iter().map(Row::n_states).max().unwrap_or(1);
        Self { rows, n_states }
    }

    fn each<T>(&self, value: impl Fn(&Row<'_>, usize) -> T) -> Vec<T> {
        let rows = self.rows.iter();
        let states = |row| (0..self.n_states).map(move |state| (row, state));
        rows.flat_map(states)
            .map(|(row, state)| value(row, state))
            .collect()
    }

    fn names(&self) -> Vec<i64> {
        self.each(|row, state| i64::from(row.name(state)))
    }

    /// 0 where something is allowed to a state of a row, [`IMPOSSIBLE`] elsewhere.
    fn where_allowed(&self, allowed: impl Fn(&Row<'_>, usize) -> bool) -> Vec<f32> {
        self.each(|row, state| {
            let within = state < row.n_states() && allowed(row, state);
            if within { 0.0 } else { IMPOSSIBLE }
        })
    }
}

impl Row<'_> {
    fn n_states(&self) -> usize {
        2 * self.text.len() + 1
    }

    fn name(&self, state: usize) -> u32 {
        match state % 2 {
            0 => self.blank,
            _ => self.text.get(state / 2).copied().unwrap_or(self.blank),
        }
    }

    /// Whether the blank before a token may be left out: not between two of one name.
    fn may_skip_to(&self, state: usize) -> bool {
        state % 2 == 1 && state >= 3 && self.name(state) != self.name(state - 2)
    }

    /// The frames of the shortest path: a blank stands between two of one name.
    fn n_needed(&self) -> usize {
        let repeats = self.text.windows(2).filter(|pair| pair[0] == pair[1]);
        self.text.len() + repeats.count()
    }
}

/// `log Σ exp`, entry by entry; the highest only guards the exponentials, and no gradient flows through it.
fn log_sum<B: Backend>(terms: [Tensor<B, 2>; 3]) -> Tensor<B, 2> {
    let [a, b, c] = terms.clone().map(Tensor::detach);
    let highest = a.max_pair(b).max_pair(c);
    let [a, b, c] = terms.map(|term| (term - highest.clone()).exp());
    (a + b + c).log() + highest
}

/// - `logits`: `[batch, seq, vocab]`
pub(crate) fn log_softmax<B: Backend>(logits: Tensor<B, 3>) -> Tensor<B, 3> {
    let logits = logits.clone() - logits.detach().max_dim(2);
    let total = logits.clone().exp().sum_dim(2).log();
    logits - total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;
    use burn::backend::Autodiff;
    use burn::tensor::{Tolerance, s};

    const SHAPE: [usize; 3] = [3, 6, 4];

    fn logits<B: Backend>() -> Tensor<B, 3> {
        let n = SHAPE.iter().product::<usize>() as i32;
        let values: Vec<f32> = (0..n).map(|i| 2.0 * (1.7 * i as f32 + 0.3).sin()).collect();
        Tensor::from_data(TensorData::new(values, SHAPE), &Default::default())
    }

    fn targets() -> Vec<Vec<u32>> {
        vec![vec![1, 2], vec![2, 2, 3], vec![3]]
    }

    /// `torch.nn.functional.ctc_loss(…, blank=0, reduction="none")` in double precision.
    #[test]
    fn losses_and_gradients_are_those_of_pytorch() {
        let logits = logits::<Autodiff<TestBackend>>().require_grad();
        let loss = ctc_loss(logits.clone(), &[6, 5, 1], &targets(), 0);
        let expected = [3.963_199_7f32, 8.574_21, 3.805_881_7];
        let tolerance = Tolerance::absolute(1e-5);
        let found = loss.clone().into_data();
        found.assert_approx_eq::<f32>(&TensorData::from(expected), tolerance);

        let gradients = loss.sum().backward();
        let gradients = logits.grad(&gradients).expect("a gradient");
        let expected = [
            [0.013_564_63f32, 0.018_746_98, -0.620_998_3, 0.588_686_77],
            [-0.652_355_85, 0.034_939_66, 0.352_251_66, 0.265_164_5],
            [-0.313_443_1, 0.081_901_61, 0.143_066_37, 0.088_475_11],
            [0.002_906_738, 0.247_292_7, -0.211_864_75, -0.038_334_67],
            [-0.015_356_596, 0.589_613_7, 0.360_807_24, -0.935_064_3],
            [0.0, 0.0, 0.0, 0.0],
        ];
        let found = gradients.slice(s![1..2, .., ..]).squeeze_dim::<2>(0);
        let found = found.into_data();
        found.assert_approx_eq::<f32>(&TensorData::from(expected), tolerance);
    }

    #[test]
    fn an_empty_text_is_a_path_of_blanks() {
        let loss = ctc_loss(logits::<TestBackend>(), &[6; 3], &vec![vec![]; 3], 0);
        let first: f32 = loss.into_data().iter().next().expect("a loss");
        assert!((first - 5.7927).abs() < 1e-4, "{first}");
    }

    #[test]
    fn a_text_that_no_path_becomes_costs_nothing() {
        let logits = logits::<Autodiff<TestBackend>>().require_grad();
        // Two of one name need a blank between them.
        let texts = vec![vec![2, 2]; 3];
        let loss = ctc_loss(logits.clone(), &[2; 3], &texts, 0);
        let gradients = loss.clone().sum().backward();
        let gradient = logits.grad(&gradients).expect("a gradient");
        assert_eq!(loss.abs().sum().into_scalar(), 0.0);
        assert_eq!(gradient.abs().sum().into_scalar(), 0.0);
        let enough = ctc_loss(logits, &[3; 3], &texts, 0);
        assert!(enough.min().into_scalar() > 0.0);
    }

    #[test]
    fn all_texts_together_have_probability_one() {
        // Of two frames over blank, 1 and 2: every text of at most two tokens.
        let logits = logits::<TestBackend>().slice(s![..1, ..2, ..3]);
        let texts: [&[u32]; 5] = [&[], &[1], &[2], &[1, 2], &[2, 1]];
        let total: f32 = texts
            .iter()
            .map(|text| ctc_loss(logits.clone(), &[2], &[text.to_vec()], 0))
            .map(|loss| (-loss.into_scalar()).exp())
            .sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }
}
