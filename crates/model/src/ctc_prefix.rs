//! Connectionist temporal classification as a model that writes token by token.
//!
//! How likely is it that the text of a recording begins with a given prefix (Graves et al. 2006, §3.2
//! <https://www.cs.toronto.edu/~graves/icml_2006.pdf>)? The ratio of two such likelihoods is the probability of a token behind
//! a prefix, so that every search can follow them, alone or beside a decoder's.

use crate::autoregressive::DecodingState;
use crate::ctc::{IMPOSSIBLE, log_softmax};
use crate::sharing::Kept;
use burn::tensor::{Bool, Int, Tensor, activation, backend::Backend, s};

/// The least part of a prefix's likelihood that is told from nothing: its logarithm is a number in single precision. What no
/// path can reach is given as much, 85 nats below the prefix.
const LEAST: f32 = 1e-37;

/// What stands for something else than what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CtcTokens {
    /// Stands for nothing said.
    pub blank: u32,
    /// Ends a text; no frame says it.
    pub end: u32,
}

/// What was heard, and for each row the likelihoods of the prefix that was written.
///
/// They are kept apart by what a path ends with (§4.1): behind each frame, and before the first, so that `n_frames + 1`
/// columns are `[batch, n_frames + 1]`.
#[derive(Debug, Clone)]
pub(crate) struct CtcPrefix<B: Backend> {
    /// `[n_sources, n_frames, vocab]`, each row for as many neighbouring rows of the batch; where one is padding, a blank is
    /// certain.
    log_probs: Tensor<B, 3>,
    /// Their exponentials.
    probs: Tensor<B, 3>,
    tokens: CtcTokens,
    /// Of the paths that end with a blank.
    behind_blank: Tensor<B, 2>,
    /// Of the paths that end with the prefix's last token.
    behind_token: Tensor<B, 2>,
    /// `[batch, 1]`; the blank while there is none.
    last: Tensor<B, 2, Int>,
    n_past: usize,
}

impl<B: Backend> CtcPrefix<B> {
    /// The empty prefix.
    ///
    /// - `logits`: `[batch, n_frames, vocab]`
    /// - `padding_mask`: `[batch, n_frames]`
    pub(crate) fn new(
        logits: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        tokens: CtcTokens,
    ) -> Self {
        let [blank, end] = [tokens.blank, tokens.end].map(|id| id as usize);
        let ([batch, n_frames, vocab], device) = (logits.dims(), logits.device());
        let unsaid = s![.., .., end..end + 1];
        let mut log_probs = log_softmax(logits.slice_fill(unsaid, IMPOSSIBLE));
        if let Some(mask) = padding_mask {
            let mask: Tensor<B, 3, Bool> = mask.unsqueeze_dim(2);
            let certain = Tensor::<B, 3>::full([1, 1, vocab], IMPOSSIBLE, &device)
                .slice_fill(s![.., .., blank..blank + 1], 0.0);
            let shape = [batch, n_frames, vocab];
            log_probs = log_probs.mask_where(mask.expand(shape), certain.expand(shape));
        }
        let blanks = log_probs.clone().slice(s![.., .., blank..blank + 1]);
        let blanks = blanks.squeeze_dim::<2>(2).cumsum(1);
        let certain = Tensor::zeros([batch, 1], &device);
        Self {
            probs: log_probs.clone().exp(),
            log_probs,
            tokens,
            behind_blank: Tensor::cat(vec![certain, blanks], 1),
            behind_token: Tensor::full([batch, n_frames + 1], IMPOSSIBLE, &device),
            last: Tensor::full([batch, 1], blank as i64, &device),
            n_past: 0,
        }
    }

    /// The log-probability of each token behind the prefix. That of the blank, which nobody writes, is finite and out of
    /// anybody's reach.
    ///
    /// - returns `[batch, vocab]`
    pub(crate) fn predict(&self) -> Tensor<B, 2> {
        let blank = self.tokens.blank as usize;
        // Behind a prefix that no path becomes all are alike; the blank must stay out of reach there too.
        activation::log_softmax(self.likelihoods(), 1)
            .clamp_min(IMPOSSIBLE)
            .slice_fill(s![.., blank..blank + 1], IMPOSSIBLE)
    }

    /// The logarithm of how likely each longer prefix is; of the end, how likely the prefix is as the whole text.
    ///
    /// - returns `[batch, vocab]`
    fn likelihoods(&self) -> Tensor<B, 2> {
        let [n_sources, n_frames, vocab] = self.log_probs.dims();
        let [batch, _] = self.last.dims();
        let device = self.log_probs.device();
        let before = |columns: &Tensor<B, 2>| columns.clone().slice(s![.., ..n_frames]);
        let any = log_add(before(&self.behind_blank), before(&self.behind_token));
        let highest = any.clone().max_dim(1);
        let any = (any - highest.clone()).exp();
        let any = any.reshape([n_sources, batch / n_sources, n_frames]);
        let longer = any.matmul(self.probs.clone()).reshape([batch, vocab]);
        let longer = longer.clamp_min(LEAST).log() + highest;

        // The last token once more: only a blank tells it from the one before.
        let again = before(&self.behind_blank) + self.emitted(self.last.clone());
        let ids = Tensor::<B, 1, Int>::arange(0..vocab as i64, &device).unsqueeze_dim::<2>(0);
        let is_last = ids.equal(self.last.clone());
        let again = log_sum(again, 1).expand(longer.dims());
        let longer = longer.mask_where(is_last, again);

        let behind = |columns: &Tensor<B, 2>| columns.clone().slice(s![.., n_frames..]);
        let ended = log_add(behind(&self.behind_blank), behind(&self.behind_token));
        let [blank, end] = [self.tokens.blank, self.tokens.end].map(|id| id as usize);
        longer
            .slice_fill(s![.., blank..blank + 1], IMPOSSIBLE)
            .slice_assign(s![.., end..end + 1], ended)
    }

    /// Makes each row's prefix longer by a token.
    ///
    /// - `tokens`: `[batch, 1]`; the very first ones are start tokens, which no one says
    pub(crate) fn push(&mut self, tokens: Tensor<B, 2, Int>) {
        self.n_past += 1;
        if self.n_past == 1 {
            return;
        }
        let [_, n_frames, _] = self.log_probs.dims();
        let ([batch, _], device) = (tokens.dims(), tokens.device());
        let before = |columns: &Tensor<B, 2>| columns.clone().slice(s![.., ..n_frames]);
        let is_last = tokens.clone().equal(self.last.clone());
        let from_token = before(&self.behind_token);
        let from_token = from_token.mask_fill(is_last.expand([batch, n_frames]), IMPOSSIBLE);
        let enters = log_add(before(&self.behind_blank), from_token);
        let never = || Tensor::<B, 2>::full([batch, 1], IMPOSSIBLE, &device);

        let token = carried(enters, self.emitted(tokens.clone()));
        self.behind_token = Tensor::cat(vec![never(), token], 1);
        let blanks = Tensor::full([batch, 1], i64::from(self.tokens.blank), &device);
        let blank = carried(before(&self.behind_token), self.emitted(blanks));
        self.behind_blank = Tensor::cat(vec![never(), blank], 1);
        self.last = tokens;
    }

    /// How likely each frame is to be a row's token.
    ///
    /// - `tokens`: `[batch, 1]`
    /// - returns `[batch, n_frames]`
    fn emitted(&self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 2> {
        let [n_sources, n_frames, _] = self.log_probs.dims();
        let [batch, _] = tokens.dims();
        let tokens = tokens.reshape([n_sources, 1, batch / n_sources]);
        let tokens = tokens.expand([n_sources, n_frames, batch / n_sources]);
        let emitted = self.log_probs.clone().gather(2, tokens);
        emitted.swap_dims(1, 2).reshape([batch, n_frames])
    }
}

impl<B: Backend> DecodingState for CtcPrefix<B> {
    fn n_past(&self) -> usize {
        self.n_past
    }

    fn reorder(&mut self, rows: &[usize]) {
        let device = self.last.device();
        let ([n_sources, ..], [batch, _]) = (self.log_probs.dims(), self.last.dims());
        if let Some(kept) = Kept::of(n_sources, batch, rows).indices(&device) {
            self.log_probs = self.log_probs.clone().select(0, kept.clone());
            self.probs = self.probs.clone().select(0, kept);
        }
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let rows = Tensor::<B, 1, Int>::from_data(rows.as_slice(), &device);
        self.behind_blank = self.behind_blank.clone().select(0, rows.clone());
        self.behind_token = self.behind_token.clone().select(0, rows.clone());
        self.last = self.last.clone().select(0, rows);
    }
}

/// Of paths that come to a name at some frame and stay with it, those that are there behind each frame, all in logarithms:
/// `out[t] = Σ_{s ≤ t} enters[s] · emitted[s] · … · emitted[t]`.
///
/// Sums over all pairs of frames at once, in place of one frame behind the other: so many numbers at a time for each row. Sums
/// of logarithms cancel out one another, to 0.01 nats over 1,000 frames.
fn carried<B: Backend>(enters: Tensor<B, 2>, emitted: Tensor<B, 2>) -> Tensor<B, 2> {
    let ([batch, n_frames], device) = (enters.dims(), enters.device());
    let through = emitted.clone().cumsum(1);
    let from = enters - through.clone() + emitted;
    let later = Tensor::<B, 2, Bool>::tril_mask([n_frames, n_frames], 0, &device);
    let shape = [batch, n_frames, n_frames];
    let pairs = from.unsqueeze_dim::<3>(1).expand(shape);
    let pairs = pairs.mask_fill(later.unsqueeze_dim::<3>(0).expand(shape), IMPOSSIBLE);
    (log_sum(pairs, 2).squeeze_dim(2) + through).clamp_min(IMPOSSIBLE)
}

/// `log Σ exp` along a dimension, which stays as one of size 1.
fn log_sum<B: Backend, const D: usize>(terms: Tensor<B, D>, dim: usize) -> Tensor<B, D> {
    let highest = terms.clone().max_dim(dim);
    (terms - highest.clone()).exp().sum_dim(dim).log() + highest
}

fn log_add<B: Backend>(a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
    let highest = a.clone().max_pair(b.clone());
    ((a - highest.clone()).exp() + (b - highest.clone()).exp()).log() + highest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TestBackend, ctc_loss};
    use burn::tensor::{TensorData, Tolerance};

    const END: usize = 3;
    const TOKENS: CtcTokens = CtcTokens { blank: 0, end: 3 };

    fn logits() -> Tensor<TestBackend, 3> {
        waves([2, 5, 4], 2.0)
    }

    /// Nobody says the end.
    fn waves(shape: [usize; 3], height: f32) -> Tensor<TestBackend, 3> {
        let n = shape.iter().product::<usize>() as i32;
        let wave = |i| height * (1.7 * i as f32 + 0.3).sin();
        let values = TensorData::new((0..n).map(wave).collect(), shape);
        Tensor::<_, 3>::from_data(values, &Default::default())
            .slice_fill(s![.., .., END..], IMPOSSIBLE)
    }

    fn heard(lengths: [usize; 2]) -> CtcPrefix<TestBackend> {
        let mask: Vec<bool> = lengths
            .iter()
            .flat_map(|&n| (0..5).map(move |t| t >= n))
            .collect();
        let mask = Tensor::from_data(TensorData::new(mask, [2, 5]), &Default::default());
        CtcPrefix::new(logits(), Some(mask), TOKENS)
    }

    fn tokens(ids: &[u32]) -> Tensor<TestBackend, 2, Int> {
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        Tensor::from_data(
            TensorData::new(ids.clone(), [ids.len(), 1]),
            &Default::default(),
        )
    }

    fn after(prefix: &CtcPrefix<TestBackend>, ids: &[u32]) -> CtcPrefix<TestBackend> {
        let mut prefix = prefix.clone();
        prefix.push(tokens(&[1, 1]));
        for &id in ids {
            prefix.push(tokens(&[id, id]));
        }
        prefix
    }

    /// All texts of 1 and 2 with up to `n` tokens.
    fn texts(n: usize) -> Vec<Vec<u32>> {
        let mut texts = vec![vec![]];
        let mut longest = texts.clone();
        for _ in 0..n {
            longest = longest
                .iter()
                .flat_map(|text| [1, 2].map(|id| [text.as_slice(), &[id]].concat()))
                .collect();
            texts.extend(longest.clone());
        }
        texts
    }

    #[test]
    fn a_text_is_as_likely_as_the_forward_algorithm_says() {
        let lengths = [5, 3];
        let prefix = heard(lengths);
        for text in texts(3) {
            let ends = after(&prefix, &text).likelihoods().slice(s![.., END..]);
            let expected = ctc_loss(
                logits(),
                &lengths,
                &[text.clone(), text.clone()],
                TOKENS.blank,
            );
            for (found, expected) in ends
                .into_data()
                .iter::<f32>()
                .zip(expected.into_data().iter::<f32>())
            {
                match expected {
                    // No path of so few frames.
                    0.0 => assert!(found < -1e20, "{text:?}: {found}"),
                    _ => assert!(
                        (found + expected).abs() < 1e-4,
                        "{text:?}: {found} and -{expected}"
                    ),
                }
            }
        }
    }

    #[test]
    fn a_prefix_is_as_likely_as_all_texts_that_begin_with_it() {
        // Texts of 1 and 2 in up to five frames are all that there is.
        let prefix = CtcPrefix::new(logits(), None, TOKENS);
        for text in texts(2) {
            let found = after(&prefix, &text).likelihoods().slice(s![.., 1..3]);
            for id in [1, 2] {
                let begin = [text.as_slice(), &[id]].concat();
                let mut total = [0.0; 2];
                for longer in texts(5).iter().filter(|longer| longer.starts_with(&begin)) {
                    let loss = ctc_loss(
                        logits(),
                        &[5; 2],
                        &[longer.clone(), longer.clone()],
                        TOKENS.blank,
                    );
                    for (total, loss) in total.iter_mut().zip(loss.into_data().iter::<f32>()) {
                        // A text that no path becomes costs nothing.
                        *total += if loss == 0.0 { 0.0 } else { (-loss).exp() };
                    }
                }
                let found = found
                    .clone()
                    .slice(s![.., id as usize - 1..id as usize])
                    .exp()
                    .into_data();
                found.assert_approx_eq::<f32>(
                    &TensorData::new(total.to_vec(), [2, 1]),
                    Tolerance::absolute(1e-5),
                );
            }
        }
    }

    #[test]
    fn a_reordered_prefix_goes_on_as_the_rows_it_was_made_of() {
        let mut prefix = heard([5, 3]);
        prefix.push(tokens(&[1, 1]));
        // Two beams each, which read one recording together.
        prefix.reorder(&[0, 0, 1, 1]);
        assert_eq!(prefix.log_probs.dims()[0], 2);
        prefix.push(tokens(&[1, 2, 2, 1]));
        prefix.reorder(&[1, 0, 2, 2]);
        prefix.push(tokens(&[2, 1, 2, 1]));
        assert_eq!(prefix.n_past(), 3);
        assert_rows(
            &prefix,
            &[(0, &[2, 2]), (0, &[1, 1]), (1, &[2, 2]), (1, &[2, 1])],
        );
        // The sources change places, and one is read by two rows apart.
        prefix.reorder(&[2, 0, 3]);
        prefix.push(tokens(&[1, 2, 2]));
        assert_rows(
            &prefix,
            &[(1, &[2, 2, 1]), (0, &[2, 2, 2]), (1, &[2, 1, 2])],
        );
    }

    fn assert_rows(prefix: &CtcPrefix<TestBackend>, rows: &[(usize, &[u32])]) {
        let found = prefix.likelihoods();
        for (row, &(source, text)) in rows.iter().enumerate() {
            let expected = after(&heard([5, 3]), text)
                .likelihoods()
                .slice(s![source..source + 1, ..]);
            let found = found.clone().slice(s![row..row + 1, ..]).into_data();
            found.assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-4));
        }
    }

    #[test]
    fn a_long_recording_is_heard_to_a_hundredth() {
        let (n, logits) = (600, waves([1, 600, 4], 6.0));
        let text: Vec<u32> = (0..60).map(|i| 1 + (i * i) % 2).collect();
        let mut prefix = CtcPrefix::new(logits.clone(), None, TOKENS);
        for id in std::iter::once(&1).chain(&text) {
            prefix.push(tokens(&[*id]));
        }
        let found = prefix.likelihoods().slice(s![.., END..]).into_scalar();
        let expected = ctc_loss(logits, &[n], &[text], TOKENS.blank).into_scalar();
        assert!((found + expected).abs() < 1e-2, "{found} and -{expected}");
    }

    #[test]
    fn behind_what_no_path_becomes_nobody_writes_a_blank() {
        // Three of one name need five frames, of which the second recording has three.
        let prefix = after(&heard([5, 3]), &[1, 1, 1]);
        let found: Vec<f32> = prefix.predict().into_data().iter().collect();
        assert!(
            found.iter().all(|log_prob| log_prob.is_finite()),
            "{found:?}"
        );
        for row in found.chunks(4) {
            assert!(
                row[1..].iter().any(|&other| other > row[0] + 1e20),
                "{row:?}"
            );
        }
    }
}
