//! When a model listens to what, as a picture.

use crate::transcription::Heard;
use anyhow::Context;
use hearth::batch::pad_frames;
use hearth::burn::tensor::backend::Backend;
use hearth::burn::tensor::{Int, Tensor};
use hearth::data::Utterance;
use hearth::hub::ModelDirectory;
use hearth::infer::token_labels;
use hearth::model::{CrossAttention, SpeechToText};
use hearth::train::{HeatMap, Shading};

/// Where in the recording the last layer listens as it writes each token, the mean of its heads.
pub(crate) fn attention<B: Backend>(
    model: &SpeechToText<B>,
    directory: &ModelDirectory<B>,
    heard: &Heard,
    utterance: &Utterance,
    device: &B::Device,
) -> anyhow::Result<HeatMap> {
    let start = directory.special.decoder_start.context("a start token")?;
    // Each token is chosen behind those before it.
    let n_before = heard.ids.len().saturating_sub(1);
    let before = std::iter::once(start).chain(heard.ids[..n_before].iter().copied());
    let before: Vec<i64> = before.map(i64::from).collect();
    let before = Tensor::<B, 1, Int>::from_data(before.as_slice(), device).unsqueeze();
    let frames = pad_frames(&[&utterance.frames], device).frames;
    let layers = model.cross_attention(frames, None, before);
    let map = layers.last().context("a layer")?.clone().mean_dim(1);
    let [_, _, _, n_vectors] = map.dims();
    // A vector stands for four frames of 10 ms.
    let seconds = (0..n_vectors).map(|i| format!("{:.2} s", 0.04 * i as f64));
    Ok(HeatMap {
        title: format!("said: {}, heard: {}", heard.said, heard.heard),
        notes: vec!["each row: when the model listens as it writes that token".to_owned()],
        rows: token_labels(directory.tokenizer.as_ref(), &heard.ids)?,
        columns: seconds.collect(),
        weights: map.into_data().iter::<f32>().collect(),
        shading: Shading::Linear,
    })
}
