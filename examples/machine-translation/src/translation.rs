//! Translating in batches with a model that was loaded.

use anyhow::Context;
use hearth::burn::tensor::backend::Backend;
use hearth::data::{Pair, TokenId};
use hearth::hub::ModelDirectory;
use hearth::infer::{BeamSearch, DecodeOptions, PairTokens, Strategy, translate};
use hearth::model::{Autoregressive, Transformer};
use std::ops::ControlFlow;

/// A pair, and the translation of its source.
pub(crate) struct Translated {
    pub(crate) pair: Pair,
    pub(crate) written: String,
    /// Source and translation as tokens.
    pub(crate) ids: (Vec<TokenId>, Vec<TokenId>),
}

/// What a translation begins behind, and what fills a batch up.
pub(crate) fn pair_tokens<B: Backend>(directory: &ModelDirectory<B>) -> anyhow::Result<PairTokens> {
    Ok(PairTokens {
        start: directory.special.decoder_start.context("a start token")?,
        pad: directory.special.pad.context("a padding token")?,
    })
}

/// Translates the sources by a beam search, but for those that are longer than the model reads.
pub(crate) fn translate_batch<B: Backend>(
    model: &Transformer<B>,
    directory: &ModelDirectory<B>,
    pairs: &[Pair],
    device: &B::Device,
) -> anyhow::Result<Vec<Translated>> {
    let tokenizer = directory.tokenizer.as_ref().context("a tokenizer")?;
    let options = DecodeOptions {
        eos: directory.special.eos.clone(),
        ..DecodeOptions::new(Strategy::Beam(BeamSearch::new(4)), model.max_positions())
    };
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let all = pairs.iter().zip(tokenizer.encode_all(&sources)?);
    let fitting = all.filter(|(_, ids)| ids.len() <= model.max_positions());
    let (pairs, sources): (Vec<_>, Vec<_>) = fitting.unzip();
    let mut go_on = |_| ControlFlow::Continue(());
    let special = pair_tokens(directory)?;
    let texts = translate(model, &sources, special, &options, device, &mut go_on)?;
    let rows = pairs.into_iter().zip(sources).zip(texts);
    rows.map(|((pair, source), texts)| {
        let ids = texts.into_iter().next().context("one translation")?.ids;
        Ok(Translated {
            pair: pair.clone(),
            written: tokenizer.decode(&ids)?,
            ids: (source, ids),
        })
    })
    .collect()
}
