//! The gradients and the losses of a reference's training, computed here from the same weights on the same batch.

use super::Case;
use crate::Context;
use crate::commands::forward::Inputs;
use crate::error::CliError;
use crate::platform::Platform;
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Bool, ElementConversion, Int, Tensor, TensorData};
use hearth_hub::{Model, ModelDirectory, read_tensors};
use hearth_infer::TokenSource;
use hearth_model::{Autoregressive, Conditional, LanguageModel, TokenLoss};
use hearth_train::{ParameterOptimizer, TrainRecipe};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A parameter whose gradient is smaller than this part of the whole gradient is measured against that part: the bias of
/// the keys, for one, has none but rounding.
const SMALL: f64 = 1e-3;

/// Fields of a config that say how much is dropped out. The references were made without; what a field is absent for, its
/// dialect drops out by its library's default.
const DROPOUT: [&str; 9] = [
    "activation_dropout",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "classifier_dropout",
    "dropout",
    "embd_pdrop",
    "hidden_dropout_prob",
    "resid_pdrop",
];

/// How the references were trained: AdamW, the matrices decayed, the gradients clipped as a whole.
fn recipe() -> TrainRecipe {
    TrainRecipe {
        lr: 1e-3,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        ..TrainRecipe::default()
    }
}

/// The gradient of every parameter, and the loss after the reference's last step.
pub(super) fn cases<P: Platform>(
    directory: &Path,
    context: &Context<P>,
) -> Result<Vec<Case>, CliError> {
    let path = directory.join("training.safetensors");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let inputs = Inputs::read(&path)?;
    let folder = tempfile::tempdir().map_err(CliError::file("make a copy of", directory))?;
    copy_without_dropout(directory, folder.path())?;
    let reference = Reference::<P::Backend> {
        directory: ModelDirectory::load(folder.path(), &context.device)?,
        inputs: &inputs,
        folder: folder.path(),
        device: &context.device,
    };
    let losses: Vec<f64> = inputs.get("losses", 1)?.iter::<f64>().collect();
    let (gradients, found) = reference.follow(losses.len().saturating_sub(1))?;
    let difference = match (losses.last(), found.last()) {
        (Some(expected), Some(found)) => ((found - expected) / expected).abs(),
        _ => f64::NAN,
    };
    Ok(vec![
        Case::relative("gradients", gradients),
        Case::relative("loss, 20 steps", difference),
    ])
}

/// A reference, with gradients.
struct Reference<'a, B: AutodiffBackend> {
    directory: ModelDirectory<B>,
    inputs: &'a Inputs<'a>,
    /// Where files may be written.
    folder: &'a Path,
    device: &'a B::Device,
}

impl<B: AutodiffBackend> Reference<'_, B> {
    /// The largest relative difference of a gradient, and the loss before each step and after the last.
    fn follow(&self, steps: usize) -> Result<(f64, Vec<f64>), CliError> {
        let (inputs, device) = (self.inputs, self.device);
        match &self.directory.model {
            Model::Gpt(gpt) => self.language_model(gpt.clone(), Model::Gpt, steps),
            Model::RnnLm(rnn) => self.language_model(rnn.clone(), Model::RnnLm, steps),
            Model::Transformer(model) => self.pairs(model.clone(), Model::Transformer, steps),
            Model::RnnSeq2Seq(model) => self.pairs(model.clone(), Model::RnnSeq2Seq, steps),
            Model::SpeechToText(model) => {
                let frames = inputs.frames(model, device)?;
                let [batch, n_frames, _] = frames.dims();
                let mask = inputs.padding_mask("attention_mask", [batch, n_frames], device)?;
                let limits = (model.vocab(), model.max_positions());
                let target = inputs.tokens::<B>("decoder_input_ids", limits, device)?;
                let (labels, hidden, n_tokens) = self.labels(target.dims())?;
                self.train(model.clone(), Model::SpeechToText, steps, |model| {
                    let logits = model.forward(frames.clone(), mask.clone(), target.clone());
                    let hidden = Some(hidden.clone());
                    TokenLoss::new(logits, labels.clone(), hidden, n_tokens, 0.0).mean()
                })
            }
            Model::Bert(bert) => {
                let (tokens, segments, mask) = inputs.text(bert, device)?;
                let shape = match bert.n_classes() {
                    Some(_) => [tokens.dims()[0], 1],
                    None => tokens.dims(),
                };
                let (labels, hidden, n_labels) = self.labels(shape)?;
                self.train(bert.clone(), Model::Bert, steps, |bert| {
                    let vectors = bert.encode(tokens.clone(), segments.clone(), mask.clone());
                    let classes = bert.class_logits(vectors.clone(), mask.clone());
                    let classes = classes.map(|logits| logits.unsqueeze_dim(1));
                    let logits = classes.or_else(|| bert.token_logits(vectors.clone()));
                    let logits = logits.unwrap_or(vectors);
                    let hidden = Some(hidden.clone());
                    TokenLoss::new(logits, labels.clone(), hidden, n_labels, 0.0).mean()
                })
            }
            Model::Vit(vit) => {
                let pixels = inputs.pixels(vit, device)?;
                let [batch, _, _, _] = pixels.dims();
                let (labels, _, n_labels) = self.labels([batch, 1])?;
                self.train(vit.clone(), Model::Vit, steps, |vit| {
                    let logits = vit.forward(pixels.clone()).unsqueeze_dim(1);
                    TokenLoss::new(logits, labels.clone(), None, n_labels, 0.0).mean()
                })
            }
            Model::EncoderDecoder(stacks) => {
                let vectors = |name| inputs.vectors::<B>(name, stacks.d_model(), device);
                let source = vectors("src")?.swap_dims(0, 1);
                let target = vectors("tgt")?.swap_dims(0, 1);
                let expected = vectors("expected")?.swap_dims(0, 1);
                self.train(stacks.clone(), Model::EncoderDecoder, steps, |stacks| {
                    let output = stacks.forward(source.clone(), target.clone(), None);
                    (output - expected.clone()).square().mean()
                })
            }
        }
    }

    /// Next-token prediction of a target given a source.
    fn pairs<M>(
        &self,
        model: M,
        package: impl FnOnce(M::InnerModule) -> Model<B::InnerBackend>,
        steps: usize,
    ) -> Result<(f64, Vec<f64>), CliError>
    where
        M: AutodiffModule<B> + TokenSource<B>,
    {
        let (inputs, device) = (self.inputs, self.device);
        let limits = (model.source_size(), model.max_source_positions());
        let source = inputs.tokens::<B>("input_ids", limits, device)?;
        let padding = inputs.padding_mask("attention_mask", source.dims(), device)?;
        let limits = (model.vocab(), model.max_positions());
        let target = inputs.tokens::<B>("decoder_input_ids", limits, device)?;
        let (labels, hidden, n_tokens) = self.labels(target.dims())?;
        self.train(model, package, steps, |model| {
            let logits = model.forward(source.clone(), padding.clone(), target.clone());
            let hidden = Some(hidden.clone());
            TokenLoss::new(logits, labels.clone(), hidden, n_tokens, 0.0).mean()
        })
    }

    /// Next-token prediction on whole rows.
    fn language_model<M: AutodiffModule<B> + LanguageModel<B>>(
        &self,
        model: M,
        package: impl FnOnce(M::InnerModule) -> Model<B::InnerBackend>,
        steps: usize,
    ) -> Result<(f64, Vec<f64>), CliError> {
        let limits = (model.vocab(), model.max_positions());
        let tokens = self.inputs.tokens::<B>("input_ids", limits, self.device)?;
        let [batch, seq] = tokens.dims();
        let seen = tokens.clone().narrow(1, 0, seq - 1);
        let targets = tokens.narrow(1, 1, seq - 1);
        self.train(model, package, steps, |model| {
            let logits = model.forward(seen.clone());
            TokenLoss::new(logits, targets.clone(), None, batch * (seq - 1), 0.0).mean()
        })
    }

    /// Labels, where they are hidden (-100, as Hugging Face has it), and how many are not.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    fn labels(
        &self,
        shape: [usize; 2],
    ) -> Result<(Tensor<B, 2, Int>, Tensor<B, 2, Bool>, usize), CliError> {
        let labels: Vec<i64> = self.inputs.get("labels", 2)?.iter::<i64>().collect();
        if labels.len() != shape[0] * shape[1] {
            let problem = format!("{} labels, expected {shape:?}", labels.len());
            return Err(self.inputs.error("labels", problem));
        }
        let hidden: Vec<bool> = labels.iter().map(|&label| label < 0).collect();
        let n_tokens = hidden.iter().filter(|&&hidden| !hidden).count();
        let ids: Vec<i64> = labels.iter().map(|&label| label.max(0)).collect();
        Ok((
            Tensor::from_data(TensorData::new(ids, shape), self.device),
            Tensor::from_data(TensorData::new(hidden, shape), self.device),
            n_tokens,
        ))
    }

    fn train<M: AutodiffModule<B>>(
        &self,
        mut model: M,
        package: impl FnOnce(M::InnerModule) -> Model<B::InnerBackend>,
        steps: usize,
        loss: impl Fn(&M) -> Tensor<B, 1>,
    ) -> Result<(f64, Vec<f64>), CliError> {
        let gradients = GradientsParams::from_grads(loss(&model).backward(), &model);
        let gradients =
            Module::<B::InnerBackend>::map(model.valid(), &mut InPlaceOfWeights { gradients });
        let gradients = self.largest_difference(package(gradients))?;
        let recipe = recipe();
        let mut optimizer = ParameterOptimizer::new(&recipe);
        let mut losses = Vec::with_capacity(steps + 1);
        for _ in 0..steps {
            let now = loss(&model);
            losses.push(now.clone().into_scalar().elem());
            (model, _) = optimizer.step(recipe.lr, model, now.backward());
        }
        losses.push(loss(&model).into_scalar().elem());
        Ok((gradients, losses))
    }

    /// The gradients, written as a model of the reference's dialect, beside the reference's.
    fn largest_difference(&self, gradients: Model<B::InnerBackend>) -> Result<f64, CliError> {
        let written = self.folder.join("gradients");
        let failed = CliError::file("write", &written);
        std::fs::create_dir(&written).map_err(failed)?;
        let directory = ModelDirectory {
            config: self.directory.config.clone(),
            special: self.directory.special.clone(),
            dialect: self.directory.dialect,
            model: gradients,
            tokenizer: None,
            target_tokenizer: None,
            features: None,
            pixels: None,
            labels: None,
        };
        directory.write(&written)?;
        let found: BTreeMap<String, TensorData> = read_tensors(&written.join("model.safetensors"))?
            .into_iter()
            .collect();
        let expected = self.inputs.below("gradient.");
        let whole = norm(expected.iter().flat_map(|(_, data)| data.iter::<f64>()));
        let mut largest = 0f64;
        for (name, expected) in expected {
            let Some(found) = found.get(name) else {
                let problem = "the model has no such parameter".to_owned();
                return Err(self.inputs.error(name, problem));
            };
            let pairs = expected.iter::<f64>().zip(found.iter::<f64>());
            let difference = norm(pairs.map(|(expected, found)| expected - found));
            let scale = norm(expected.iter::<f64>()).max(SMALL * whole);
            // A NaN stays: `max` would lose it.
            let relative = difference / scale;
            if relative.is_nan() || relative > largest {
                largest = relative;
            }
            if largest.is_nan() {
                break;
            }
        }
        Ok(largest)
    }
}

/// A model whose parameters are its gradients: so that a dialect's own tables name, turn and join them.
struct InPlaceOfWeights {
    gradients: GradientsParams,
}

impl<B: Backend> ModuleMapper<B> for InPlaceOfWeights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let gradient = self.gradients.remove::<B, D>(param.id);
        param.map(|weight| gradient.unwrap_or_else(|| weight.zeros_like()))
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// A copy of the directory whose config drops nothing out.
fn copy_without_dropout(from: &Path, to: &Path) -> Result<(), CliError> {
    let path = from.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(CliError::file("read", &path))?;
    let mut config: Value = serde_json::from_str(&text).map_err(|error| CliError::Input {
        path: path.clone(),
        found: error.to_string(),
        expected: "JSON",
    })?;
    if let Some(fields) = config.as_object_mut() {
        for name in DROPOUT {
            fields.insert(name.to_owned(), Value::from(0.0));
        }
    }
    let copy = to.join("config.json");
    std::fs::write(&copy, config.to_string()).map_err(CliError::file("write", &copy))?;
    let weights = "model.safetensors";
    std::fs::copy(from.join(weights), to.join(weights))
        .map_err(CliError::file("copy", from.join(weights)))?;
    Ok(())
}
