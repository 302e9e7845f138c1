//! Prompts of different lengths become one batch: the only file that knows how each architecture starts.

use crate::decode::{Prompts, decode};
use crate::error::{InferError, known_tokens};
use crate::options::{DecodeOptions, Hypothesis, TokenEvent};
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;
use hearth_model::{Autoregressive, Gpt, Transformer};
use std::ops::ControlFlow;

/// Continues each prompt; prompts may differ in length.
///
/// - `on_token`: see [`decode`]
/// - returns the hypotheses of each prompt, best first
pub fn generate<B: Backend>(
    gpt: &Gpt<B>,
    prompts: &[Vec<TokenId>],
    options: &DecodeOptions,
    device: &B::Device,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<Vec<Vec<Hypothesis>>, InferError> {
    check("prompt", prompts, gpt.vocab())?;
    let Some(longest) = prompts.iter().map(Vec::len).max() else {
        return Ok(Vec::new());
    };
    // Left padding: the last token of every prompt stands in the last column. Hidden, so any id will do.
    let n_hidden: Vec<usize> = prompts.iter().map(|ids| longest - ids.len()).collect();
    let padded = prompts.iter().zip(&n_hidden).flat_map(|(ids, &n_hidden)| {
        std::iter::repeat_n(0, n_hidden).chain(ids.iter().map(|&id| i64::from(id)))
    });
    let tokens = matrix(padded.collect(), [prompts.len(), longest], device);
    let capacity = longest.saturating_add(options.max_new_tokens);
    let state = gpt.start(&n_hidden, capacity);
    decode(gpt, state, Prompts { tokens, n_hidden }, options, on_token)
}

/// Translates each source; sources may differ in length. Targets begin behind the token `start`, which is not returned.
///
/// - `pad`: the id that fills short sources up; hidden from the model
/// - `on_token`: see [`decode`]
/// - returns the hypotheses of each source, best first
pub fn translate<B: Backend>(
    model: &Transformer<B>,
    sources: &[Vec<TokenId>],
    special: SpecialTokens,
    options: &DecodeOptions,
    device: &B::Device,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<Vec<Vec<Hypothesis>>, InferError> {
    known_tokens(&[special.start], model.vocab())?;
    let sources: Vec<&[TokenId]> = sources.iter().map(Vec::as_slice).collect();
    let Some((source, padding_mask)) = source_batch(model, &sources, special.pad, device)? else {
        return Ok(Vec::new());
    };
    let state = model.start(source, padding_mask, options.max_new_tokens);
    let start = vec![i64::from(special.start); sources.len()];
    let tokens = matrix(start, [sources.len(), 1], device);
    decode(model, state, Prompts::new(tokens), options, on_token)
}

/// The two tokens that a translation model is fed besides its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// What every target begins with (Hugging Face: `decoder_start_token_id`).
    pub start: TokenId,
    /// What fills short sources up.
    pub pad: TokenId,
}

/// Sources as one batch, padded on the right, and what of it is hidden; none if there are no sources.
#[expect(
    clippy::type_complexity,
    reason = "two tensors and the ways to have none"
)]
pub(crate) fn source_batch<B: Backend>(
    model: &Transformer<B>,
    sources: &[&[TokenId]],
    pad: TokenId,
    device: &B::Device,
) -> Result<Option<(Tensor<B, 2, Int>, Option<Tensor<B, 2, Bool>>)>, InferError> {
    check("source", sources, model.vocab())?;
    known_tokens(&[pad], model.vocab())?;
    not_longer("source", sources, model.max_positions())?;
    let Some(longest) = sources.iter().map(|ids| ids.len()).max() else {
        return Ok(None);
    };
    let shape = [sources.len(), longest];
    let tokens = matrix(pad_right(sources, longest, pad), shape, device);
    if sources.iter().all(|ids| ids.len() == longest) {
        return Ok(Some((tokens, None)));
    }
    let hidden: Vec<bool> = sources
        .iter()
        .flat_map(|ids| (0..longest).map(|column| column >= ids.len()))
        .collect();
    let hidden = Tensor::from_data(TensorData::new(hidden, shape), device);
    Ok(Some((tokens, Some(hidden))))
}

/// Rows of `seq` ids each.
pub(crate) fn pad_right(rows: &[impl AsRef<[TokenId]>], seq: usize, pad: TokenId) -> Vec<i64> {
    rows.iter()
        .flat_map(|row| {
            let ids = row.as_ref();
            let padding = std::iter::repeat_n(pad, seq - ids.len());
            ids.iter().copied().chain(padding).map(i64::from)
        })
        .collect()
}

/// - returns `[rows, columns]`
pub(crate) fn matrix<B: Backend>(
    ids: Vec<i64>,
    shape: [usize; 2],
    device: &B::Device,
) -> Tensor<B, 2, Int> {
    Tensor::from_data(TensorData::new(ids, shape), device)
}

/// Refuses sequences that are too long to be read.
pub(crate) fn not_longer(
    what: &'static str,
    rows: &[impl AsRef<[TokenId]>],
    max_positions: usize,
) -> Result<(), InferError> {
    for (row, ids) in rows.iter().enumerate() {
        let found = ids.as_ref().len();
        if found > max_positions {
            return Err(InferError::TooLong {
                what,
                row,
                found,
                max_positions,
            });
        }
    }
    Ok(())
}

/// Refuses empty sequences and unknown tokens.
fn check(
    what: &'static str,
    rows: &[impl AsRef<[TokenId]>],
    vocab: usize,
) -> Result<(), InferError> {
    for (row, ids) in rows.iter().enumerate() {
        if ids.as_ref().is_empty() {
            return Err(InferError::Empty { what, row });
        }
        known_tokens(ids.as_ref(), vocab)?;
    }
    Ok(())
}
