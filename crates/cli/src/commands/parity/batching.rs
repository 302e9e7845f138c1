//! Texts behind random prompts: together, alone, and without a cache.

use super::Case;
use crate::Context;
use crate::commands::loaded::{Writer, open};
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use hearth_batch::{Stream, derive_seed};
use hearth_data::TokenId;
use hearth_hub::Model;
use hearth_infer::{DecodeOptions, Hypothesis, InferError, Strategy, generate, translate};
use hearth_model::{Autoregressive, Conditional, LanguageModel};
use std::ops::ControlFlow;
use std::path::Path;

/// How many prompts are written behind at once.
const BATCH: usize = 8;

/// Tokens that are written behind each.
const NEW: usize = 8;

/// The longest prompt.
const LONGEST: usize = 8;

/// Whether a text depends on what else is in the batch, or on what is remembered instead of computed again. None for models
/// that write no text behind tokens.
pub(super) fn case<P: Platform>(
    directory: &Path,
    n_prompts: usize,
    context: &Context<P>,
) -> Result<Option<Case>, CliError> {
    let loaded = open(directory, context)?;
    let writes = matches!(
        loaded.directory.model,
        Model::Gpt(_) | Model::RnnLm(_) | Model::Transformer(_) | Model::RnnSeq2Seq(_)
    );
    if n_prompts == 0 || !writes {
        return Ok(None);
    }
    let device = &context.device;
    let options = DecodeOptions::new(Strategy::Greedy, NEW);
    let go_on = &mut |_| ControlFlow::Continue(());
    let different = match loaded.writer("parity")? {
        Writer::Language(model) => {
            let rows = random_rows(n_prompts, model.vocab());
            let mut write = |rows: &[Vec<TokenId>]| generate(&model, rows, &options, device, go_on);
            let mut predict = |row: &[TokenId], text: &[TokenId]| {
                model.forward(tokens::<Inference<P>>(&[row, text].concat(), device))
            };
            differing(&rows, &mut write, &mut predict)
        }
        Writer::Conditional(model, special) => {
            let rows = random_rows(n_prompts, model.source_size());
            let mut write =
                |rows: &[Vec<TokenId>]| translate(&model, rows, special, &options, device, go_on);
            let mut predict = |row: &[TokenId], text: &[TokenId]| {
                let target = [&[special.start], text].concat();
                model.forward(tokens(row, device), None, tokens(&target, device))
            };
            differing(&rows, &mut write, &mut predict)
        }
    }?;
    Ok(Some(Case::ids("batching", different)))
}

/// Texts behind rows.
type Write<'a> = dyn FnMut(&[Vec<TokenId>]) -> Result<Vec<Vec<Hypothesis>>, InferError> + 'a;

/// Logits behind a row and a text.
type Predict<'a, B> = dyn FnMut(&[TokenId], &[TokenId]) -> Tensor<B, 3> + 'a;

/// How many tokens differ between the three ways.
fn differing<B: Backend>(
    rows: &[Vec<TokenId>],
    write: &mut Write<'_>,
    predict: &mut Predict<'_, B>,
) -> Result<usize, InferError> {
    let mut n_different = 0;
    for batch in rows.chunks(BATCH) {
        let together = write(batch)?;
        for (row, together) in batch.iter().zip(together) {
            let alone = &write(std::slice::from_ref(row))?[0][0].ids;
            let mut uncached = Vec::with_capacity(NEW);
            for _ in 0..NEW {
                let logits = predict(row, &uncached);
                let [_, seq, vocab] = logits.dims();
                let last = logits.slice([0..1, seq - 1..seq, 0..vocab]);
                let values: Vec<f32> = last.into_data().iter::<f32>().collect();
                let mut best = 0;
                for (id, value) in values.iter().enumerate() {
                    if *value > values[best] {
                        best = id;
                    }
                }
                uncached.push(best as TokenId);
            }
            for found in [&together[0].ids, alone] {
                let pairs = found.iter().zip(&uncached);
                n_different += pairs.filter(|(a, b)| a != b).count();
                n_different += NEW - found.len().min(NEW);
            }
        }
    }
    Ok(n_different)
}

/// Prompts of one to [`LONGEST`] tokens.
fn random_rows(n: usize, vocab: usize) -> Vec<Vec<TokenId>> {
    let number = |index: usize| derive_seed(1, Stream::Data, index as u64);
    let row = |i: usize| {
        let len = 1 + number(i * (LONGEST + 1)) as usize % LONGEST;
        let ids = (1..=len).map(|j| number(i * (LONGEST + 1) + j) % vocab as u64);
        ids.map(|id| id as TokenId).collect()
    };
    (0..n).map(row).collect()
}

fn tokens<B: Backend>(ids: &[TokenId], device: &B::Device) -> Tensor<B, 2, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let shape = [1, ids.len()];
    Tensor::from_data(TensorData::new(ids, shape), device)
}
