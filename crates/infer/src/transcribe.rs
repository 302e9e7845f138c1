//! Speech to text.

use crate::decode::{Prompts, decode};
use crate::error::{InferError, known_tokens};
use crate::options::{DecodeOptions, Hypothesis, TokenEvent};
use burn::tensor::{Bool, Tensor, backend::Backend};
use hearth_data::TokenId;
use hearth_model::Conditional;
use std::ops::ControlFlow;

/// Writes down each recording. Texts begin behind the token `start`, which is not returned. A model that was trained with CTC
/// hears better as a [`SpeechWriter`](hearth_model::SpeechWriter); by itself it writes by its decoder alone.
///
/// The model's convolutions reach a few frames into padding, so that a recording that is padded may be heard a little
/// differently from the same alone: recordings of one length make a batch without padding.
///
/// - `frames`: `[batch, n_frames, n_mels]`
/// - `padding_mask`: `[batch, n_frames]`, where a row is padding, which belongs at its end
/// - `on_token`: see [`decode`]
/// - returns the hypotheses of each recording, best first
pub fn transcribe<B: Backend, M: Conditional<B, Source = Tensor<B, 3>>>(
    model: &M,
    frames: Tensor<B, 3>,
    padding_mask: Option<Tensor<B, 2, Bool>>,
    start: TokenId,
    options: &DecodeOptions,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<Vec<Vec<Hypothesis>>, InferError> {
    known_tokens(&[start], model.vocab())?;
    let ([batch, n_frames, width], device) = (frames.dims(), frames.device());
    if width != model.source_size() {
        return Err(InferError::FrameWidth {
            found: width,
            n_mels: model.source_size(),
        });
    }
    if n_frames > model.max_source_positions() {
        return Err(InferError::TooManyFrames {
            found: n_frames,
            max_frames: model.max_source_positions(),
        });
    }
    if batch == 0 {
        return Ok(Vec::new());
    }
    if n_frames == 0 {
        return Err(InferError::Empty {
            what: "recording",
            row: 0,
        });
    }
    let state = model.start(frames, padding_mask);
    let tokens = Tensor::full([batch, 1], i64::from(start), &device);
    decode(model, state, Prompts::new(tokens), options, on_token)
}
