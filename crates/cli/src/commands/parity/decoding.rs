//! The texts that a reference decoded, decoded here.

use super::Case;
use crate::Context;
use crate::commands::forward::Inputs;
use crate::commands::loaded::{Loaded, Writer, open};
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use hearth_data::TokenId;
use hearth_hub::Model;
use hearth_infer::{BeamSearch, DecodeOptions, Strategy, generate, transcribe, translate};
use std::ops::ControlFlow;
use std::path::Path;

/// Greedy decoding and a search with four beams, where the reference has them.
pub(super) fn cases<P: Platform>(
    directory: &Path,
    context: &Context<P>,
) -> Result<Vec<Case>, CliError> {
    let path = directory.join("reference.safetensors");
    let inputs = Inputs::read(&path)?;
    let strategies = [
        ("greedy ids", "greedy", Strategy::Greedy),
        ("beam ids", "beam4", Strategy::Beam(BeamSearch::new(4))),
    ];
    let mut cases = Vec::new();
    for (case, tensor, strategy) in strategies {
        if inputs.has(tensor) {
            let loaded = open(directory, context)?;
            let expected = inputs.rows(tensor)?;
            let (n_different, scores) = differing(&loaded, &inputs, &expected, strategy, context)?;
            cases.push(Case::ids(case, n_different));
            let expected_scores = format!("{tensor}_score");
            if inputs.has(&expected_scores) {
                let expected = inputs.get(&expected_scores, 1)?.iter::<f64>();
                let differences = expected.zip(scores).map(|(a, b)| (a - b).abs());
                let largest = differences.fold(0.0, |a, b| if a >= b { a } else { b });
                cases.push(Case::absolute("beam scores", largest));
            }
        }
    }
    Ok(cases)
}

/// How many places of all texts differ from the reference's, a missing or additional token counting as one; and the
/// scores of the texts.
fn differing<P: Platform>(
    loaded: &Loaded<Inference<P>>,
    inputs: &Inputs<'_>,
    expected: &[Vec<i64>],
    strategy: Strategy,
    context: &Context<P>,
) -> Result<(usize, Vec<f64>), CliError> {
    // Prompts were continued to one length, end tokens or not.
    let options = |n_before: usize, ignore_end: bool| DecodeOptions {
        eos: loaded.end_tokens(ignore_end),
        ..DecodeOptions::new(
            strategy,
            expected.iter().map(Vec::len).max().unwrap_or(0) - n_before,
        )
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    let device = &context.device;
    let (n_before, pad, found) = if let Model::SpeechToText(model) = &loaded.directory.model {
        let start = loaded.speech_start()?;
        let frames = inputs.frames(model, device)?;
        let [batch, n_frames, _] = frames.dims();
        let mask = inputs.padding_mask("attention_mask", [batch, n_frames], device)?;
        // The token that the decoder starts from.
        let n_before = 1;
        let options = options(n_before, false);
        let found = transcribe(model, frames, mask, start, &options, go_on)?;
        (n_before, loaded.directory.special.pad.map(i64::from), found)
    } else {
        match loaded.writer("parity")? {
            Writer::Language(model) => {
                let prompts = ids(inputs.rows("prompt")?);
                let n_before = prompts.first().map_or(0, Vec::len);
                let options = options(n_before, true);
                let found = generate(&model, &prompts, &options, device, go_on)?;
                (n_before, None, found)
            }
            Writer::Conditional(model, special) => {
                let sources = visible_sources(inputs)?;
                // The token that the decoder starts from.
                let options = options(1, false);
                let found = translate(&model, &sources, special, &options, device, go_on)?;
                (1, Some(i64::from(special.pad)), found)
            }
        }
    };
    let rows = found.iter().zip(expected);
    let different = rows.map(|(texts, expected)| {
        let found = texts.first().map_or(&[][..], |text| &text.ids);
        let mut expected = &expected[n_before.min(expected.len())..];
        // A text that ended early is filled up.
        while let (Some(pad), Some((last, rest))) = (pad, expected.split_last()) {
            if *last != pad {
                break;
            }
            expected = rest;
        }
        let unequal = found
            .iter()
            .zip(expected)
            .filter(|(found, expected)| i64::from(**found) != **expected)
            .count();
        unequal + found.len().abs_diff(expected.len())
    });
    let n_different = different.sum::<usize>() + found.len().abs_diff(expected.len());
    let scores = found
        .iter()
        .filter_map(|texts| texts.first().map(|text| text.score));
    Ok((n_different, scores.collect()))
}

/// The sources without what is hidden of them.
fn visible_sources(inputs: &Inputs<'_>) -> Result<Vec<Vec<TokenId>>, CliError> {
    let visible = inputs.rows("attention_mask")?;
    let sources = inputs.rows("input_ids")?.into_iter().zip(visible);
    let sources = sources.map(|(ids, visible)| {
        let shown = ids.into_iter().zip(visible);
        let shown = shown.filter(|(_, visible)| *visible != 0);
        shown.map(|(id, _)| id).collect()
    });
    Ok(ids(sources.collect()))
}

fn ids(rows: Vec<Vec<i64>>) -> Vec<Vec<TokenId>> {
    let row = |row: Vec<i64>| {
        row.into_iter()
            .filter_map(|id| TokenId::try_from(id).ok())
            .collect()
    };
    rows.into_iter().map(row).collect()
}
