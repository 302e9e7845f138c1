//! A reference's own sequences, fed one token at a time: at every length the logits of the one full pass.

use super::Case;
use crate::Context;
use crate::commands::forward::{Inputs, largest_difference};
use crate::commands::loaded::open;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};
use hearth_hub::Model;
use hearth_model::{Autoregressive, Conditional, LanguageModel};
use std::path::Path;

/// None for a model that takes no steps.
pub(super) fn cases<P: Platform>(
    directory: &Path,
    context: &Context<P>,
) -> Result<Option<Case>, CliError> {
    let loaded = open(directory, context)?;
    let path = directory.join("reference.safetensors");
    let inputs = Inputs::read(&path)?;
    let device = &context.device;
    let logits: Tensor<Inference<P>, 3> = match &loaded.directory.model {
        Model::Gpt(gpt) => {
            let limits = (gpt.vocab(), gpt.max_positions());
            let tokens = inputs.tokens("input_ids", limits, device)?;
            let [batch, _] = tokens.dims();
            step_through(gpt, gpt.start(&vec![0; batch]), tokens)
        }
        Model::RnnLm(rnn) => {
            let limits = (rnn.vocab(), rnn.max_positions());
            let tokens = inputs.tokens("input_ids", limits, device)?;
            let [batch, _] = tokens.dims();
            step_through(rnn, rnn.start(&vec![0; batch]), tokens)
        }
        Model::Transformer(model) => {
            let limits = (model.vocab(), model.max_positions());
            let source = inputs.tokens("input_ids", limits, device)?;
            let padding = inputs.padding_mask("attention_mask", source.dims(), device)?;
            let target = inputs.tokens("decoder_input_ids", limits, device)?;
            step_through(model, model.start(source, padding), target)
        }
        Model::SpeechToText(model) => {
            let frames = inputs.frames(model, device)?;
            let [batch, n_frames, _] = frames.dims();
            let padding = inputs.padding_mask("attention_mask", [batch, n_frames], device)?;
            let limits = (model.vocab(), model.max_positions());
            let target = inputs.tokens("decoder_input_ids", limits, device)?;
            step_through(model, model.start(frames, padding), target)
        }
        // A recurrent network has no other way than steps.
        Model::RnnSeq2Seq(_) | Model::EncoderDecoder(_) | Model::Bert(_) | Model::Vit(_) => {
            return Ok(None);
        }
    };
    let difference = largest_difference(inputs.get("logits", 3)?, &logits.into_data());
    let value = difference.map_or(f64::NAN, f64::from);
    Ok(Some(Case::absolute("logits by steps", value)))
}

/// - `tokens`: `[batch, seq]`
/// - returns `[batch, seq, vocab]`
fn step_through<B: Backend, M: Autoregressive<B>>(
    model: &M,
    mut state: M::State,
    tokens: Tensor<B, 2, Int>,
) -> Tensor<B, 3> {
    let [_, seq] = tokens.dims();
    let steps = (0..seq).map(|i| model.step(tokens.clone().narrow(1, i, 1), &mut state));
    Tensor::cat(steps.collect(), 1)
}
