//! `forward`: raw tensors in and out, the way to compare a number here with a number elsewhere.

use super::loaded::open_in;
use crate::Context;
use crate::arguments::Forward;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor, TensorData};
use hearth_hub::{Model, read_tensors, write_tensors};
use hearth_model::{Autoregressive, Bert, Conditional, LanguageModel, SpeechToText, Vit};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn run<P: Platform>(options: &Forward, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_in(&options.model, options.precision.get(), context)?;
    let inputs = Inputs::read(&options.inputs)?;
    let outputs = forward::<Inference<P>>(&loaded.directory.model, &inputs, &context.device)?;
    let named = outputs
        .iter()
        .map(|(name, data)| ((*name).to_owned(), data.clone()));
    write_tensors(&options.outputs, named)?;
    for (name, output) in outputs {
        let reference = inputs.tensors.get(name);
        let difference = reference.and_then(|reference| largest_difference(reference, &output));
        let shape = output.shape.to_vec();
        let mut text = format!("{name} {shape:?} written to {}", options.outputs.display());
        if let Some(difference) = difference {
            text += &format!(
                "\nmax |difference| to {name} in {}: {difference:.2e}",
                options.inputs.display()
            );
        }
        let result = json!({ "output": name, "shape": shape, "max_difference": difference });
        context.console.result(&result, text)?;
    }
    Ok(())
}

/// An output under Hugging Face's name.
type Output = (&'static str, TensorData);

/// The model's outputs, that of its head first.
pub(super) fn forward<B: Backend>(
    model: &Model<B>,
    inputs: &Inputs<'_>,
    device: &B::Device,
) -> Result<Vec<Output>, CliError> {
    let logits = |logits: Tensor<B, 3>| Ok(vec![("logits", logits.into_data())]);
    match model {
        Model::Gpt(gpt) => {
            let tokens =
                inputs.tokens::<B>("input_ids", (gpt.vocab(), gpt.max_positions()), device)?;
            logits(gpt.forward(tokens))
        }
        Model::RnnLm(rnn) => {
            let tokens =
                inputs.tokens::<B>("input_ids", (rnn.vocab(), rnn.max_positions()), device)?;
            logits(rnn.forward(tokens))
        }
        Model::Transformer(model) => {
            let limits = (model.vocab(), model.max_positions());
            let source = inputs.tokens::<B>("input_ids", limits, device)?;
            let target = inputs.tokens::<B>("decoder_input_ids", limits, device)?;
            inputs.same_batch(source.dims()[0], "decoder_input_ids", target.dims()[0])?;
            let padding_mask = inputs.padding_mask("attention_mask", source.dims(), device)?;
            logits(model.forward(source, padding_mask, target))
        }
        Model::RnnSeq2Seq(model) => {
            let limits = (model.source_size(), model.max_source_positions());
            let source = inputs.tokens::<B>("input_ids", limits, device)?;
            let limits = (model.vocab(), model.max_positions());
            let target = inputs.tokens::<B>("decoder_input_ids", limits, device)?;
            inputs.same_batch(source.dims()[0], "decoder_input_ids", target.dims()[0])?;
            let padding_mask = inputs.padding_mask("attention_mask", source.dims(), device)?;
            logits(model.forward(source, padding_mask, target))
        }
        Model::SpeechToText(model) => {
            let frames = inputs.frames(model, device)?;
            let limits = (model.vocab(), model.max_positions());
            let target = inputs.tokens::<B>("decoder_input_ids", limits, device)?;
            let [batch, n_frames, _] = frames.dims();
            inputs.same_batch(batch, "decoder_input_ids", target.dims()[0])?;
            let mask = inputs.padding_mask("attention_mask", [batch, n_frames], device)?;
            logits(model.forward(frames, mask, target))
        }
        Model::EncoderDecoder(stacks) => {
            // torch.nn.Transformer: [seq, batch, d_model]
            let vectors = |name| {
                Ok::<_, CliError>(
                    inputs
                        .vectors::<B>(name, stacks.d_model(), device)?
                        .swap_dims(0, 1),
                )
            };
            let (source, target) = (vectors("src")?, vectors("tgt")?);
            inputs.same_batch(source.dims()[0], "tgt", target.dims()[0])?;
            let output = stacks.forward(source, target, None).swap_dims(0, 1);
            Ok(vec![("output", output.into_data())])
        }
        Model::Bert(bert) => {
            let (tokens, segments, padding_mask) = inputs.text(bert, device)?;
            let hidden = bert.encode(tokens, segments, padding_mask.clone());
            let tokens = bert.token_logits(hidden.clone()).map(Tensor::into_data);
            let classes = bert
                .class_logits(hidden.clone(), padding_mask)
                .map(Tensor::into_data);
            let logits = tokens.or(classes).map(|logits| ("logits", logits));
            let hidden = ("last_hidden_state", hidden.into_data());
            Ok(logits.into_iter().chain([hidden]).collect())
        }
        Model::Vit(vit) => {
            let logits = vit.forward(inputs.pixels(vit, device)?);
            Ok(vec![("logits", logits.into_data())])
        }
    }
}

/// The tensors of the input file, checked as they are asked for.
pub(super) struct Inputs<'a> {
    tensors: BTreeMap<String, TensorData>,
    path: &'a Path,
}

impl<'a> Inputs<'a> {
    pub(super) fn read(path: &'a Path) -> Result<Self, CliError> {
        let tensors = read_tensors(path)?.into_iter().collect();
        Ok(Self { tensors, path })
    }

    /// Tensors that no file holds.
    pub(super) fn made(tensors: Vec<(&str, TensorData)>) -> Self {
        let tensors = tensors
            .into_iter()
            .map(|(name, data)| (name.to_owned(), data));
        Self {
            tensors: tensors.collect(),
            path: Path::new("random inputs"),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensors whose names begin so, by the rest of their names.
    pub(super) fn below(&self, prefix: &str) -> Vec<(&str, &TensorData)> {
        let tensors = self.tensors.iter();
        tensors
            .filter_map(|(name, data)| Some((name.strip_prefix(prefix)?, data)))
            .collect()
    }

    /// `[rows, columns]` of whole numbers.
    pub(super) fn rows(&self, name: &str) -> Result<Vec<Vec<i64>>, CliError> {
        let data = self.get(name, 2)?;
        let ids: Vec<i64> = data.iter::<i64>().collect();
        Ok(ids.chunks(data.shape[1]).map(<[i64]>::to_vec).collect())
    }

    pub(super) fn error(&self, name: &str, problem: String) -> CliError {
        CliError::Tensor {
            path: self.path.to_owned(),
            name: name.to_owned(),
            problem,
        }
    }

    pub(super) fn get(&self, name: &str, rank: usize) -> Result<&TensorData, CliError> {
        let present = || self.tensors.keys().cloned().collect::<Vec<_>>().join(", ");
        let missing = || self.error(name, format!("missing, the file holds: {}", present()));
        let data = self.tensors.get(name).ok_or_else(missing)?;
        let shape = data.shape.to_vec();
        if shape.len() != rank || shape.contains(&0) {
            return Err(self.error(
                name,
                format!("its shape is {shape:?}, expected {rank} axes, none empty"),
            ));
        }
        Ok(data)
    }

    /// `[batch, seq]`, every id in the vocabulary, no longer than the model's positions.
    pub(super) fn tokens<B: Backend>(
        &self,
        name: &str,
        (vocab, max_positions): (usize, usize),
        device: &B::Device,
    ) -> Result<Tensor<B, 2, Int>, CliError> {
        let data = self.get(name, 2)?;
        let shape = [data.shape[0], data.shape[1]];
        if !data.dtype.is_int() && !data.dtype.is_uint() {
            return Err(self.error(
                name,
                format!("its type is {:?}, expected integers", data.dtype),
            ));
        }
        if shape[1] > max_positions {
            let problem = format!(
                "{} tokens a row, but the model has {max_positions} positions",
                shape[1]
            );
            return Err(self.error(name, problem));
        }
        let ids: Vec<i64> = data.iter::<i64>().collect();
        if let Some(id) = ids.iter().find(|&&id| id < 0 || id >= vocab as i64) {
            return Err(self.error(
                name,
                format!("token id {id} is outside a vocabulary of {vocab}"),
            ));
        }
        Ok(Tensor::from_data(TensorData::new(ids, shape), device))
    }

    /// `[batch, seq]`: Hugging Face marks what is visible with 1; here `true` hides. None where there is no mask.
    pub(super) fn padding_mask<B: Backend>(
        &self,
        name: &str,
        shape: [usize; 2],
        device: &B::Device,
    ) -> Result<Option<Tensor<B, 2, Bool>>, CliError> {
        if !self.has(name) {
            return Ok(None);
        }
        let data = self.get(name, 2)?;
        if data.shape.to_vec() != shape {
            let problem = format!(
                "its shape is {:?}, expected {shape:?} as the input has",
                data.shape.to_vec()
            );
            return Err(self.error(name, problem));
        }
        let hidden: Vec<bool> = data.iter::<f32>().map(|visible| visible == 0.0).collect();
        Ok(Some(Tensor::from_data(
            TensorData::new(hidden, shape),
            device,
        )))
    }

    pub(super) fn vectors<B: Backend>(
        &self,
        name: &str,
        d_model: usize,
        device: &B::Device,
    ) -> Result<Tensor<B, 3>, CliError> {
        let data = self.get(name, 3)?;
        if data.shape[2] != d_model || !data.dtype.is_float() {
            let (shape, dtype) = (data.shape.to_vec(), data.dtype);
            let problem =
                format!("{dtype:?} {shape:?}, expected floats, the last axis {d_model} wide");
            return Err(self.error(name, problem));
        }
        Ok(Tensor::from_data(data.clone().convert::<f32>(), device))
    }

    /// `[batch, n_frames, n_mels]`, no more frames than the model can read.
    pub(super) fn frames<B: Backend>(
        &self,
        model: &SpeechToText<B>,
        device: &B::Device,
    ) -> Result<Tensor<B, 3>, CliError> {
        let name = "input_features";
        let frames = self.vectors::<B>(name, model.n_mels(), device)?;
        let ([_, found, _], limit) = (frames.dims(), model.max_source_positions());
        if found > limit {
            let problem = format!("{found} frames a row, but the model reads at most {limit}");
            return Err(self.error(name, problem));
        }
        Ok(frames)
    }

    /// Tokens, segments and what is padding, as a [`Bert`] reads them: `[batch, seq]` each.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    pub(super) fn text<B: Backend>(
        &self,
        model: &Bert<B>,
        device: &B::Device,
    ) -> Result<
        (
            Tensor<B, 2, Int>,
            Option<Tensor<B, 2, Int>>,
            Option<Tensor<B, 2, Bool>>,
        ),
        CliError,
    > {
        let limits = (model.vocab(), model.max_positions());
        let tokens = self.tokens("input_ids", limits, device)?;
        let name = "token_type_ids";
        let segments = if self.has(name) {
            let limits = (model.n_segments(), model.max_positions());
            Some(self.tokens(name, limits, device)?)
        } else {
            None
        };
        if let Some(segments) = &segments
            && segments.dims() != tokens.dims()
        {
            let (found, expected) = (segments.dims(), tokens.dims());
            let problem = format!("its shape is {found:?}, expected {expected:?} as input_ids has");
            return Err(self.error(name, problem));
        }
        let padding_mask = self.padding_mask("attention_mask", tokens.dims(), device)?;
        Ok((tokens, segments, padding_mask))
    }

    /// `[batch, n_channels, height, width]`, of the size that the model reads.
    pub(super) fn pixels<B: Backend>(
        &self,
        model: &Vit<B>,
        device: &B::Device,
    ) -> Result<Tensor<B, 4>, CliError> {
        let name = "pixel_values";
        let data = self.get(name, 4)?;
        let image = model.image();
        let expected = [image.n_channels, image.height, image.width];
        if data.shape.to_vec()[1..] != expected || !data.dtype.is_float() {
            let (shape, dtype) = (data.shape.to_vec(), data.dtype);
            let problem = format!("{dtype:?} {shape:?}, expected floats, each image {expected:?}");
            return Err(self.error(name, problem));
        }
        Ok(Tensor::from_data(data.clone().convert::<f32>(), device))
    }

    fn same_batch(&self, expected: usize, name: &str, found: usize) -> Result<(), CliError> {
        if expected == found {
            return Ok(());
        }
        Err(self.error(
            name,
            format!("a batch of {found}, expected {expected} as the other input has"),
        ))
    }
}

pub(super) fn largest_difference(reference: &TensorData, found: &TensorData) -> Option<f32> {
    if reference.shape != found.shape {
        return None;
    }
    let pairs = reference.iter::<f32>().zip(found.iter::<f32>());
    pairs.map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp)
}
