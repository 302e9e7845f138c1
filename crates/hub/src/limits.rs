//! What a file may claim before any of it is believed.

use std::path::Path;

use hearth_model::{RnnSeq2SeqConfig, SpeechToTextConfig, VitConfig};

use crate::config::ModelConfig;
use crate::error::HubError;

/// The largest `config.json` that is read.
pub(crate) const CONFIG_BYTES: u64 = 16 << 20;

/// The largest header of a safetensors file that is read: what the format's own library allows.
pub(crate) const HEADER_BYTES: u64 = 100_000_000;

/// The largest index of shards that is read: the largest in the wild have some 10 MB.
pub(crate) const INDEX_BYTES: u64 = 64 << 20;

/// The most entries, and the most tensors, of a GGUF file.
pub(crate) const GGUF_ENTRIES: u64 = 1 << 16;

/// The longest name of either, in bytes.
pub(crate) const GGUF_NAME: u64 = 1 << 10;

/// The most texts of a list in a GGUF file: a vocabulary or its merges. Others are skipped at once, these one by one.
pub(crate) const GGUF_TEXTS: u64 = 1 << 24;

/// The most layers of a stack.
const LAYERS: usize = 4096;

/// The largest width, vocabulary or length, so that no product of two overflows.
const SIZE: usize = i32::MAX as usize;

/// The most numbers a pixel.
const CHANNELS: usize = 1 << 10;

/// The longest side of an image, in pixels.
const SIDE: usize = 1 << 15;

/// The widest kernel, in frames.
const KERNEL: usize = 1 << 16;

/// The largest table of sinusoids, in numbers.
const TABLE: u64 = 1 << 28;

/// A table of sinusoids of this size is always allowed, beside however few weights: 32768 positions, 512 wide.
const SMALL_TABLE: u64 = 1 << 24;

/// Refuses numbers that no model has.
pub(crate) fn check(config: &ModelConfig, path: &Path) -> Result<(), HubError> {
    let at_most = |what: String, found: usize, limit: usize| {
        if found > limit {
            return Err(too_large(path, what, found as u64, limit as u64));
        }
        Ok(())
    };
    if let Some(embedding) = config.embedding() {
        at_most("the vocabulary".into(), embedding.vocab, SIZE)?;
        at_most("d_model".into(), embedding.d_model, SIZE)?;
        at_most(
            "the number of positions".into(),
            embedding.max_positions,
            SIZE,
        )?;
    }
    if let ModelConfig::SpeechToText(SpeechToTextConfig { frames, .. }) = config {
        at_most("the number of mels".into(), frames.n_mels, SIZE)?;
        at_most("the convolutions' width".into(), frames.d_hidden, SIZE)?;
        at_most("the frames' d_model".into(), frames.d_model, SIZE / 2)?;
        let positions = frames.max_positions;
        at_most("the number of source positions".into(), positions, SIZE)?;
        let widest = frames.kernels.iter().copied().max().unwrap_or(1);
        at_most("the width of a kernel".into(), widest, KERNEL)?;
    }
    if let ModelConfig::Bert(bert) = config {
        at_most("the number of segments".into(), bert.n_segments, SIZE)?;
    }
    if let ModelConfig::Vit(VitConfig { patches, .. }) = config {
        let image = patches.image;
        at_most("the number of channels".into(), image.n_channels, CHANNELS)?;
        at_most("the image's height".into(), image.height, SIDE)?;
        at_most("the image's width".into(), image.width, SIDE)?;
        at_most("the patches' d_model".into(), patches.d_model, SIZE)?;
    }
    if let Some(n_classes) = config.n_classes() {
        at_most("the number of classes".into(), n_classes, SIZE)?;
    }
    if let ModelConfig::RnnSeq2Seq(RnnSeq2SeqConfig { source, .. }) = config {
        at_most("the source's vocabulary".into(), source.vocab, SIZE)?;
        at_most("the source's d_model".into(), source.d_model, SIZE)?;
        let positions = source.max_positions;
        at_most("the number of source positions".into(), positions, SIZE)?;
    }
    for (name, rnn) in config.rnns() {
        at_most(format!("{name}.d_input"), rnn.d_input, SIZE)?;
        at_most(format!("{name}.d_hidden"), rnn.d_hidden, SIZE)?;
        at_most(format!("{name}.n_layers"), rnn.n_layers, LAYERS)?;
    }
    for (name, stack) in config.stacks() {
        at_most(format!("the {name}'s d_model"), stack.d_model, SIZE)?;
        at_most(format!("the {name}'s d_ff"), stack.d_ff, SIZE)?;
        at_most(
            format!("the {name}'s window"),
            stack.window.unwrap_or(1),
            SIZE,
        )?;
        let heads = format!("the width of the {name}'s heads together");
        at_most(heads, stack.n_heads.saturating_mul(stack.d_head()), SIZE)?;
        at_most(
            format!("the {name}'s number of layers"),
            stack.n_layers,
            LAYERS,
        )?;
    }
    Ok(())
}

/// Refuses a config whose layers, each of several tensors, outnumber the tensors beside it.
pub(crate) fn check_layers(
    config: &ModelConfig,
    n_tensors: usize,
    path: &Path,
) -> Result<(), HubError> {
    let stacked = config.stacks().into_iter().map(|(_, stack)| stack.n_layers);
    let recurrent = config.rnns().into_iter().map(|(_, rnn)| rnn.n_layers);
    let n_layers: usize = stacked.chain(recurrent).sum();
    if n_layers > n_tensors {
        let what = format!("the number of layers, beside {n_tensors} tensors,");
        return Err(too_large(path, what, n_layers as u64, n_tensors as u64));
    }
    Ok(())
}

/// Refuses a table of positions that is out of proportion to the weights beside it: it is the one part of a model that
/// a config makes large all by itself.
pub(crate) fn check_table(
    config: &ModelConfig,
    n_weights: u64,
    path: &Path,
) -> Result<(), HubError> {
    let target = config.embedding();
    let target = target.map(|table| (table.positions, table.max_positions, table.d_model));
    let source = match config {
        ModelConfig::SpeechToText(SpeechToTextConfig { frames, .. }) => {
            Some((frames.positions, frames.max_positions, frames.d_model))
        }
        _ => None,
    };
    for (positions, max_positions, d_model) in target.into_iter().chain(source) {
        if !positions.is_computed() {
            continue;
        }
        let found = (max_positions as u64).saturating_mul(d_model as u64);
        let limit = n_weights.saturating_mul(16).clamp(SMALL_TABLE, TABLE);
        if found > limit {
            let what = "the size (positions times d_model) of the table of sinusoids".into();
            return Err(too_large(path, what, found, limit));
        }
    }
    Ok(())
}

fn too_large(path: &Path, what: String, found: u64, limit: u64) -> HubError {
    HubError::TooLarge {
        path: path.into(),
        what,
        found,
        limit,
    }
}
