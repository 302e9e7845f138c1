//! Where a model looks as it translates, as a picture.

use crate::translation::{Translated, pair_tokens};
use hearth::burn::tensor::backend::Backend;
use hearth::hub::ModelDirectory;
use hearth::infer::{AttentionChoice, cross_attention, token_labels};
use hearth::model::{CrossAttention, Transformer};
use hearth::train::{HeatMap, Shading};

/// Where in the source the last layer looks as it writes each token, the mean of its heads.
pub(crate) fn attention<B: Backend>(
    model: &Transformer<B>,
    directory: &ModelDirectory<B>,
    Translated { ids, .. }: &Translated,
    device: &B::Device,
) -> anyhow::Result<HeatMap> {
    let layer = model.cross_attention_size().n_layers - 1;
    let choice = AttentionChoice { layer, head: None };
    let (source, target) = ids;
    let special = pair_tokens(directory)?;
    let map = cross_attention(model, source, target, special, choice, device)?;
    Ok(HeatMap {
        title: "cross-attention".to_owned(),
        notes: vec!["each row: where the model looks as it writes that token".to_owned()],
        rows: token_labels(directory.tokenizer.as_ref(), target)?,
        columns: token_labels(directory.tokenizer.as_ref(), source)?,
        weights: map.weights,
        shading: Shading::Linear,
    })
}
