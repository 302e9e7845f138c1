//! The likelihood of given text: `log p(x) = Σ log p(x_t | x_<t)`.

use crate::error::{InferError, known_tokens, option};
use crate::logits::to_floats;
use crate::prompts::{TokenSource, not_longer, source_batch};
use burn::tensor::{Tensor, backend::Backend, s};
use hearth_batch::{PairTokens, pad_right};
use hearth_data::TokenId;
use hearth_model::{Autoregressive, LanguageModel, next_token_loss};
use std::ops::AddAssign;

/// The likelihood of one text, token by token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScores {
    /// The natural logarithm of each predicted token's probability.
    pub log_probs: Vec<f32>,
}

impl TokenScores {
    /// The sum.
    pub fn total(&self) -> Score {
        Score {
            nll: -self.log_probs.iter().map(|&x| f64::from(x)).sum::<f64>(),
            n_tokens: self.log_probs.len(),
        }
    }
}

/// A negative log-likelihood as a sum and the number of tokens it is over; sums of parts are right whatever their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    /// In nats.
    pub nll: f64,
    /// How many tokens were predicted.
    pub n_tokens: usize,
}

impl Score {
    /// `exp(nll / n_tokens)`; NaN of no tokens.
    pub fn perplexity(&self) -> f64 {
        (self.nll / self.n_tokens as f64).exp()
    }

    /// How many bits an ideal compressor would spend on each byte of the text; comparable between tokenizers.
    ///
    /// - `n_bytes`: how long the text of the predicted tokens is
    pub fn bits_per_byte(&self, n_bytes: usize) -> f64 {
        self.nll / std::f64::consts::LN_2 / n_bytes as f64
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.nll += other.nll;
        self.n_tokens += other.n_tokens;
    }
}

/// How a text that is longer than the model's positions is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreWindow {
    /// How many tokens the model reads at once; at most its positions.
    pub context: usize,
    /// How far a window stands behind the one before. Each token is predicted once, behind more than `context - stride`
    /// others where the text has them: a small stride costs more and is nearer to the model's best.
    pub stride: usize,
}

/// Scores one text. Every token but the first is predicted exactly once.
///
/// - `batch`: how many windows are evaluated at once
pub fn score_text<B: Backend, M: LanguageModel<B>>(
    model: &M,
    ids: &[TokenId],
    window: ScoreWindow,
    batch: usize,
    device: &B::Device,
) -> Result<TokenScores, InferError> {
    score_text_observed(model, ids, window, batch, device, &mut |_| {})
}

/// As [`score_text`], for a text so long that someone waits.
///
/// - `on_batch`: hears how many tokens are scored so far
pub fn score_text_observed<B: Backend, M: LanguageModel<B>>(
    model: &M,
    ids: &[TokenId],
    window: ScoreWindow,
    batch: usize,
    device: &B::Device,
    on_batch: &mut dyn FnMut(usize),
) -> Result<TokenScores, InferError> {
    let ScoreWindow { context, stride } = window;
    option(
        (1..=model.max_positions()).contains(&context),
        "context",
        context as f64,
        "at least 1 and at most the model's positions",
    )?;
    option(
        (1..=context).contains(&stride),
        "stride",
        stride as f64,
        "at least 1 and at most the context",
    )?;
    option(batch > 0, "batch", batch as f64, "at least 1")?;
    known_tokens(ids, model.vocab())?;
    let windows = windows(ids, window);
    let mut log_probs = Vec::with_capacity(ids.len().saturating_sub(1));
    for rows in windows.chunks(batch) {
        let state = model.start(&vec![0; rows.len()]);
        log_probs.extend(
            score_rows(model, state, rows, device)?
                .into_iter()
                .flatten(),
        );
        on_batch(log_probs.len());
    }
    Ok(TokenScores { log_probs })
}

/// Windows of one length that predict every token but the first once. The last window stands at the end of the text, and
/// so sees more of it than it need.
fn windows(ids: &[TokenId], window: ScoreWindow) -> Vec<Row> {
    let n_targets = ids.len().saturating_sub(1);
    let context = window.context.min(n_targets);
    let (mut rows, mut n_done) = (Vec::new(), 0);
    while n_done < n_targets {
        let end = match n_done {
            0 => context,
            _ => (n_done + window.stride).min(n_targets),
        };
        let begin = end - context;
        rows.push(Row {
            sequence: 0,
            begin,
            input: ids[begin..end].to_vec(),
            target: ids[begin + 1..=end].to_vec(),
            n_skip: n_done - begin,
        });
        n_done = end;
    }
    rows
}

/// Scores each target, given its source: forced decoding. An end token counts if the target has one.
///
/// - `pairs`: sources and targets; lengths may differ. They are evaluated as one batch.
/// - returns the scores of each target, one a token
pub fn score_pairs<B: Backend, M: TokenSource<B>>(
    model: &M,
    pairs: &[(Vec<TokenId>, Vec<TokenId>)],
    special: PairTokens,
    device: &B::Device,
) -> Result<Vec<TokenScores>, InferError> {
    let targets: Vec<&[TokenId]> = pairs.iter().map(|(_, target)| target.as_slice()).collect();
    not_longer("target", &targets, model.max_positions())?;
    known_tokens(&[special.start], model.vocab())?;
    for target in &targets {
        known_tokens(target, model.vocab())?;
    }
    let sources: Vec<&[TokenId]> = pairs.iter().map(|(source, _)| source.as_slice()).collect();
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let source = source_batch(model, &sources, special.pad, device)?;
    let rows: Vec<Row> = targets
        .iter()
        .enumerate()
        .map(|(sequence, target)| Row {
            sequence,
            begin: 0,
            input: std::iter::once(special.start)
                .chain(target.iter().copied())
                .take(target.len())
                .collect(),
            target: target.to_vec(),
            n_skip: 0,
        })
        .collect();
    let state = model.start(source.tokens, source.padding_mask);
    let scores = score_rows(model, state, &rows, device)?;
    Ok(scores
        .into_iter()
        .map(|log_probs| TokenScores { log_probs })
        .collect())
}

/// What a model is fed and what it should predict behind each of it; without its first `n_skip` predictions.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// Which sequence it is of, and where it begins there.
    sequence: usize,
    begin: usize,
    input: Vec<TokenId>,
    target: Vec<TokenId>,
    n_skip: usize,
}

/// Logits that are held at once at most: 128 MiB, of which the loss makes a few copies.
const MAX_LOGITS: usize = 1 << 25;

/// The log-probabilities of each row's targets, padded on the right, where causality hides it.
fn score_rows<B: Backend, M: Autoregressive<B>>(
    model: &M,
    mut state: M::State,
    rows: &[Row],
    device: &B::Device,
) -> Result<Vec<Vec<f32>>, InferError> {
    let mut log_probs = vec![Vec::new(); rows.len()];
    let seq = rows.iter().map(|row| row.input.len()).max().unwrap_or(0);
    if seq == 0 {
        return Ok(log_probs);
    }
    let inputs: Vec<&[TokenId]> = rows.iter().map(|row| row.input.as_slice()).collect();
    let targets: Vec<&[TokenId]> = rows.iter().map(|row| row.target.as_slice()).collect();
    let inputs = pad_right::<B, _>(&inputs, 0, device).tokens;
    let targets = pad_right::<B, _>(&targets, 0, device).tokens;
    let hidden = model.decode(inputs, &mut state);

    // The head is the widest part by far: it runs over a few columns at a time, and over none that all rows skip.
    let n_columns = (MAX_LOGITS / (rows.len() * model.vocab())).max(1);
    let n_skip = rows.iter().map(|row| row.n_skip).min().unwrap_or(0);
    for begin in (n_skip..seq).step_by(n_columns) {
        let end = (begin + n_columns).min(seq);
        let logits = model.logits(hidden.clone().slice(s![.., begin..end, ..]));
        let losses = next_token_loss(logits, targets.clone().slice(s![.., begin..end]), 0.0);
        collect(losses, begin, rows, &mut log_probs)?;
    }
    Ok(log_probs)
}

/// Reads the losses of some columns.
///
/// - `losses`: `[rows, columns]`
fn collect<B: Backend>(
    losses: Tensor<B, 2>,
    begin: usize,
    rows: &[Row],
    log_probs: &mut [Vec<f32>],
) -> Result<(), InferError> {
    let [_, n_columns] = losses.dims();
    let losses = to_floats(losses);
    for ((row, losses), log_probs) in rows.iter().zip(losses.chunks(n_columns)).zip(log_probs) {
        for (column, loss) in (begin..row.target.len()).zip(losses) {
            if column < row.n_skip {
                continue;
            }
            // Infinity is an honest answer: a token that the model forbids.
            if loss.is_nan() {
                return Err(InferError::NonFinite {
                    row: row.sequence,
                    n_tokens: row.begin + column + 1,
                });
            }
            log_probs.push(-loss);
        }
    }
    Ok(())
}
