//! From a recipe to a trained model in a folder.

use crate::error::TrainError;
use crate::objective::{Inner, Package};
use crate::objectives::LanguageModelling;
use crate::recipe::{Architecture, EmbeddedCorpus, Recipe, RecipeError, TokenizerKind};
use crate::trainer::{Card, Event, Outcome, Trainer};
use crate::{encoders, pairs, speech};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{Stream, TextWindows, WindowShape, derive_seed};
use hearth_data::{BpeOptions, SpecialScheme, TextCorpus, Tokenizer, cicero};
use hearth_hub::{Model, ModelConfig, SpecialTokens};
use hearth_model::LanguageModel;
use std::path::Path;

/// Trains what a recipe describes and leaves in `folder`: `config.toml` (the recipe as resolved), `best/` and `last/`
/// model directories, `metrics.jsonl` and `loss.svg`.
///
/// # Errors
/// If the data cannot be read or does not fit the recipe, a file cannot be written, or training diverges.
pub fn run<B: AutodiffBackend>(
    recipe: &Recipe,
    folder: &Path,
    device: &B::Device,
    observer: &mut dyn FnMut(&Event),
) -> Result<Outcome, TrainError> {
    match recipe.model.architecture {
        Architecture::Transformer | Architecture::RnnSeq2Seq => {
            pairs::run::<B>(recipe, folder, device, observer)
        }
        Architecture::SpeechToText => speech::run::<B>(recipe, folder, device, observer),
        Architecture::Gpt | Architecture::Llama | Architecture::Lstm | Architecture::Gru => {
            language_modelling::<B>(recipe, folder, device, observer)
        }
        Architecture::Bert => encoders::masked_modelling::<B>(recipe, folder, device, observer),
        Architecture::BertClassifier => {
            encoders::text_classification::<B>(recipe, folder, device, observer)
        }
        Architecture::Vit => encoders::image_classification::<B>(recipe, folder, device, observer),
    }
}

/// The text that is trained on, and the text that is held out.
pub(crate) fn split_text(recipe: &Recipe) -> Result<(String, String), TrainError> {
    let data = &recipe.data;
    let corpus = match data.embedded {
        Some(EmbeddedCorpus::Cicero) => TextCorpus::from_text(cicero()),
        _ => TextCorpus::read(&data.paths)?,
    };
    if data.validation_paths.is_empty() {
        let (training, validation) = corpus.split_tail(data.validation_fraction);
        return Ok((training.to_owned(), validation.to_owned()));
    }
    let validation = TextCorpus::read(&data.validation_paths)?;
    Ok((corpus.text().to_owned(), validation.text().to_owned()))
}

fn language_modelling<B: AutodiffBackend>(
    recipe: &Recipe,
    folder: &Path,
    device: &B::Device,
    observer: &mut dyn FnMut(&Event),
) -> Result<Outcome, TrainError> {
    let (training, validation) = split_text(recipe)?;
    let tokenizer = match recipe.tokenizer.kind {
        // A character that only the end of the text has is still a character of the text.
        TokenizerKind::Characters => {
            Tokenizer::train_characters(&format!("{training}{validation}"))?
        }
        TokenizerKind::Bpe => train_bpe(
            std::iter::once(training.as_str()),
            recipe,
            SpecialScheme::Text,
        )?,
        TokenizerKind::File => Tokenizer::read(tokenizer_path(recipe))?,
    };
    let end = tokenizer.id("<|endoftext|>");
    let shape = WindowShape {
        batch: recipe.train.batch_size.unwrap_or(1),
        seq: recipe.model.max_positions,
    };
    let windows = |text: &str, split: &'static str| {
        let ids = tokenizer.encode_plain(text)?;
        TextWindows::new(ids, shape).map_err(|source| TrainError::Batch { split, source })
    };
    let training = windows(&training, "training")?;
    let validation = windows(&validation, "validation")?;
    let described = format!(
        "{} tokens to train on, {} to validate on, vocabulary {}",
        training.n_tokens(),
        validation.n_tokens(),
        tokenizer.vocab()
    );
    let config = recipe
        .model
        .config(tokenizer.vocab())
        .map_err(RecipeError::from)?;
    let special = SpecialTokens {
        bos: end,
        eos: end.into_iter().collect(),
        ..SpecialTokens::default()
    };
    prepare(folder, recipe)?;
    let model = first_model::<B>(recipe, &config, device);
    let card = Card {
        tokenizer: Some(tokenizer),
        ..Card::new(config, special)
    };
    let windows = [training, validation];
    let place = (folder, device);
    match model {
        Model::Gpt(model) => train_on_text(
            recipe,
            card,
            windows,
            (model, Model::Gpt),
            place,
            described,
            observer,
        ),
        Model::RnnLm(model) => train_on_text(
            recipe,
            card,
            windows,
            (model, Model::RnnLm),
            place,
            described,
            observer,
        ),
        _ => unreachable!("a recipe for text makes a language model"),
    }
}

/// Trains a language model of whatever architecture.
fn train_on_text<B: AutodiffBackend, M>(
    recipe: &Recipe,
    card: Card,
    [training, validation]: [TextWindows; 2],
    (model, package): (M, Package<B, M>),
    (folder, device): (&Path, &B::Device),
    described: String,
    observer: &mut dyn FnMut(&Event),
) -> Result<Outcome, TrainError>
where
    M: AutodiffModule<B> + LanguageModel<B>,
    Inner<B, M>: LanguageModel<B::InnerBackend>,
{
    let trainer = Trainer {
        objective: LanguageModelling {
            training,
            validation,
            seed: recipe.train.seed,
            label_smoothing: recipe.train.label_smoothing,
            bptt: recipe.train.bptt,
            device: device.clone(),
            package,
        },
        card,
        recipe: &recipe.train,
        folder,
        device,
    };
    trainer.run(model, described, observer)
}

pub(crate) fn train_bpe<'a>(
    texts: impl Iterator<Item = &'a str> + Send,
    recipe: &Recipe,
    special: SpecialScheme,
) -> Result<Tokenizer, TrainError> {
    let options = BpeOptions {
        vocab: recipe.tokenizer.vocab,
        min_frequency: 2,
        special,
    };
    Ok(Tokenizer::train_bpe(texts, &options)?)
}

pub(crate) fn tokenizer_path(recipe: &Recipe) -> &Path {
    recipe
        .tokenizer
        .path
        .as_deref()
        .unwrap_or(Path::new("tokenizer.json"))
}

/// One seed, one first model.
pub(crate) fn first_model<B: AutodiffBackend>(
    recipe: &Recipe,
    config: &ModelConfig,
    device: &B::Device,
) -> Model<B> {
    B::seed(device, derive_seed(recipe.train.seed, Stream::Weights, 0));
    config.init(device)
}

/// Makes the run's folder and writes down what is run.
pub(crate) fn prepare(folder: &Path, recipe: &Recipe) -> Result<(), TrainError> {
    let path = folder.join("config.toml");
    let error = |source| TrainError::File {
        action: "write",
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(error)?;
    std::fs::write(&path, recipe.to_toml()).map_err(error)
}
