//! Prompts and sources of different lengths become one batch, and start a model.

use crate::decode::{PromptText, Prompts, decode};
use crate::error::{InferError, known_tokens};
use crate::options::{DecodeOptions, Finish, Hypothesis, Sampling, Strategy, TokenEvent};
use crate::rules::Rules;
use burn::tensor::{Int, Tensor, backend::Backend};
use hearth_batch::{Padded, PairTokens, Stream, derive_seed, pad_left, pad_right};
use hearth_data::TokenId;
use hearth_model::{Conditional, LanguageModel};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// A model whose source is made of tokens.
pub trait TokenSource<B: Backend>: Conditional<B, Source = Tensor<B, 2, Int>> {}

impl<B: Backend, M: Conditional<B, Source = Tensor<B, 2, Int>>> TokenSource<B> for M {}

/// Continues each prompt; prompts may differ in length.
///
/// A text may grow beyond the model's positions: it then goes on from its last half context, read anew, as often as
/// needed (a beam search ends there, with [`Finish::Context`]).
///
/// - `on_token`: see [`decode`]
/// - returns the hypotheses of each prompt, best first
pub fn generate<B: Backend, M: LanguageModel<B>>(
    model: &M,
    prompts: &[Vec<TokenId>],
    options: &DecodeOptions,
    device: &B::Device,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<Vec<Vec<Hypothesis>>, InferError> {
    check("prompt", prompts, model.vocab())?;
    if prompts.is_empty() {
        return Ok(Vec::new());
    }
    // Equal prompts are read once. Left padding: the last token of every prompt stands in the last column; it is hidden, so
    // any id will do.
    let (distinct, rows) = distinct(prompts);
    let (tokens, n_hidden) = pad_left(&distinct, 0, device);
    let state = model.start(&n_hidden);
    let texts = rows.into_iter().enumerate();
    let texts = texts.map(|(number, row)| PromptText { row, number });
    let prompts_read = Prompts {
        tokens,
        n_hidden,
        texts: texts.collect(),
    };
    let mut texts = decode(model, state, prompts_read, options, on_token)?;
    for (number, (prompt, texts)) in prompts.iter().zip(&mut texts).enumerate() {
        if let [text] = texts.as_mut_slice() {
            go_on(model, (number, prompt), text, options, device, on_token)?;
        }
    }
    Ok(texts)
}

/// Each of the rows once, and where each is found there.
fn distinct(rows: &[Vec<TokenId>]) -> (Vec<&[TokenId]>, Vec<usize>) {
    let (mut distinct, mut places) = (Vec::new(), HashMap::new());
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(row.as_slice()).or_insert_with(|| {
            distinct.push(row.as_slice());
            distinct.len() - 1
        });
        found.push(place);
    }
    (distinct, found)
}

/// Lengthens a text that has filled the model's positions, a window at a time. Rules and stop strings see the window.
fn go_on<B: Backend, M: LanguageModel<B>>(
    model: &M,
    (number, prompt): (usize, &[TokenId]),
    text: &mut Hypothesis,
    options: &DecodeOptions,
    device: &B::Device,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<(), InferError> {
    let n_kept = model.max_positions() / 2;
    let mut window = 0;
    while text.finish == Finish::Context && n_kept > 0 {
        window += 1;
        let strategy = match &options.strategy {
            Strategy::Beam(_) => return Ok(()),
            Strategy::Greedy => Strategy::Greedy,
            // Numbers of its own for each window.
            Strategy::Sample(sampling) => Strategy::Sample(Sampling {
                seed: derive_seed(sampling.seed, Stream::Data, window),
                ..sampling.clone()
            }),
        };
        let n_done = text.ids.len();
        let rules = Rules {
            min_new_tokens: options.rules.min_new_tokens.saturating_sub(n_done),
            prefix: options
                .rules
                .prefix
                .get(n_done..)
                .unwrap_or_default()
                .to_vec(),
            ..options.rules.clone()
        };
        let options = DecodeOptions {
            strategy,
            rules,
            max_new_tokens: options.max_new_tokens - n_done,
            ..options.clone()
        };
        let all = [prompt, text.ids.as_slice()].concat();
        let (tokens, n_hidden) = pad_left(&[&all[all.len() - n_kept.min(all.len())..]], 0, device);
        let state = model.start(&n_hidden);
        let prompts = Prompts {
            tokens,
            n_hidden,
            texts: vec![PromptText { row: 0, number }],
        };
        let more = decode(model, state, prompts, &options, on_token)?;
        let Some(more) = more.into_iter().flatten().next() else {
            return Ok(());
        };
        text.ids.extend(more.ids);
        text.log_probs.extend(more.log_probs);
        text.score += more.score;
        text.finish = more.finish;
    }
    Ok(())
}

/// Translates each source; sources may differ in length. Targets begin behind the token `start`, which is not returned.
///
/// - `pad`: the id that fills short sources up; hidden from the model
/// - `on_token`: see [`decode`]
/// - returns the hypotheses of each source, best first
pub fn translate<B: Backend, M: TokenSource<B>>(
    model: &M,
    sources: &[Vec<TokenId>],
    special: PairTokens,
    options: &DecodeOptions,
    device: &B::Device,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<Vec<Vec<Hypothesis>>, InferError> {
    known_tokens(&[special.start], model.vocab())?;
    let sources: Vec<&[TokenId]> = sources.iter().map(Vec::as_slice).collect();
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let source = source_batch(model, &sources, special.pad, device)?;
    let state = model.start(source.tokens, source.padding_mask);
    let tokens = Tensor::full([sources.len(), 1], i64::from(special.start), device);
    decode(model, state, Prompts::new(tokens), options, on_token)
}

/// Sources as one batch, padded on the right.
pub(crate) fn source_batch<B: Backend, M: TokenSource<B>>(
    model: &M,
    sources: &[&[TokenId]],
    pad: TokenId,
    device: &B::Device,
) -> Result<Padded<B>, InferError> {
    check("source", sources, model.source_size())?;
    known_tokens(&[pad], model.source_size())?;
    not_longer("source", sources, model.max_source_positions())?;
    Ok(pad_right(sources, pad, device))
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
pub(crate) fn check(
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
