//! Prompts and sources of different lengths become one batch, and start a model.

use crate::decode::{Prompts, decode};
use crate::error::{InferError, known_tokens};
use crate::options::{DecodeOptions, Finish, Hypothesis, Sampling, Strategy, TokenEvent};
use burn::tensor::{Int, Tensor, backend::Backend};
use hearth_batch::{Padded, PairTokens, Stream, derive_seed, pad_left, pad_right};
use hearth_data::TokenId;
use hearth_model::{Conditional, LanguageModel};
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
    // Left padding: the last token of every prompt stands in the last column. Hidden, so any id will do.
    let (tokens, n_hidden) = pad_left(prompts, 0, device);
    let state = model.start(&n_hidden);
    let mut texts = decode(
        model,
        state,
        Prompts { tokens, n_hidden },
        options,
        on_token,
    )?;
    for (row, (prompt, texts)) in prompts.iter().zip(&mut texts).enumerate() {
        if let [text] = texts.as_mut_slice() {
            go_on(model, (row, prompt), text, options, device, on_token)?;
        }
    }
    Ok(texts)
}

/// Lengthens a text that has filled the model's positions, a window at a time.
fn go_on<B: Backend, M: LanguageModel<B>>(
    model: &M,
    (row, prompt): (usize, &[TokenId]),
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
            // Numbers of its own for each window, and for each row as in the first.
            Strategy::Sample(sampling) => Strategy::Sample(Sampling {
                seed: derive_seed(sampling.seed, Stream::Data, window),
                first_stream: sampling.first_stream + row as u64,
                ..sampling.clone()
            }),
        };
        let options = DecodeOptions {
            strategy,
            max_new_tokens: options.max_new_tokens - text.ids.len(),
            eos: options.eos.clone(),
        };
        let all = [prompt, text.ids.as_slice()].concat();
        let (tokens, n_hidden) = pad_left(&[&all[all.len() - n_kept.min(all.len())..]], 0, device);
        let mut tell = |event| match event {
            TokenEvent::Chosen { id, log_prob, .. } => on_token(TokenEvent::Chosen {
                prompt: row,
                id,
                log_prob,
            }),
            event => on_token(event),
        };
        let state = model.start(&n_hidden);
        let more = decode(
            model,
            state,
            Prompts { tokens, n_hidden },
            &options,
            &mut tell,
        )?;
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
    check("source", sources, model.source_vocab())?;
    known_tokens(&[pad], model.source_vocab())?;
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
