//! From a recipe to a trained model in a folder.

use crate::error::TrainError;
use crate::objective::{Inner, Package};
use crate::objectives::{LanguageModelling, Translation};
use crate::recipe::{
    Architecture, EmbeddedCorpus, Recipe, RecipeError, TokenizerKind, TrainRecipe,
};
use crate::speech;
use crate::trainer::{Card, Event, Outcome, Trainer};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{
    BatchError, BatchSize, PairBatches, PairIds, PairTokens, Stream, TextWindows, WindowShape,
    derive_seed,
};
use hearth_data::{
    BpeOptions, Pair, PairCorpus, SpecialScheme, TextCorpus, TokenId, Tokenizer, cicero,
    number_words,
};
use hearth_hub::{Model, ModelConfig, SpecialTokens};
use hearth_model::LanguageModel;
use std::path::{Path, PathBuf};

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
        Architecture::Transformer => translation::<B>(recipe, folder, device, observer),
        Architecture::SpeechToText => speech::run::<B>(recipe, folder, device, observer),
        Architecture::Gpt | Architecture::Llama | Architecture::Lstm | Architecture::Gru => {
            language_modelling::<B>(recipe, folder, device, observer)
        }
    }
}

/// The pairs of a translation recipe: those trained on, and those held out.
///
/// # Errors
/// If a file cannot be read.
pub fn held_out_pairs(recipe: &Recipe) -> Result<(Vec<Pair>, Vec<Pair>), TrainError> {
    let data = &recipe.data;
    // Turned before the split, which keeps each *source* on one side.
    let read = |paths: &[PathBuf]| Ok::<_, TrainError>(turned(PairCorpus::read(paths)?, data.swap));
    let corpus = match data.embedded {
        Some(EmbeddedCorpus::NumberWords) => turned(
            PairCorpus {
                pairs: number_words(0..data.n_numbers),
                n_skipped: 0,
            },
            data.swap,
        ),
        _ => read(&data.paths)?,
    };
    if data.validation_paths.is_empty() {
        return Ok(corpus.split_by_source(data.validation_fraction));
    }
    Ok((corpus.pairs, read(&data.validation_paths)?.pairs))
}

/// The pairs from the second side to the first, if that is asked for.
fn turned(mut corpus: PairCorpus, swap: bool) -> PairCorpus {
    if swap {
        for Pair { source, target } in &mut corpus.pairs {
            std::mem::swap(source, target);
        }
    }
    corpus
}

fn language_modelling<B: AutodiffBackend>(
    recipe: &Recipe,
    folder: &Path,
    device: &B::Device,
    observer: &mut dyn FnMut(&Event),
) -> Result<Outcome, TrainError> {
    let data = &recipe.data;
    let corpus = match data.embedded {
        Some(EmbeddedCorpus::Cicero) => TextCorpus::from_text(cicero()),
        _ => TextCorpus::read(&data.paths)?,
    };
    let separate;
    let (training, validation) = if data.validation_paths.is_empty() {
        corpus.split_tail(data.validation_fraction)
    } else {
        separate = TextCorpus::read(&data.validation_paths)?;
        (corpus.text(), separate.text())
    };
    let tokenizer = match recipe.tokenizer.kind {
        // A character that only the end of the text has is still a character of the text.
        TokenizerKind::Characters => {
            Tokenizer::train_characters(&format!("{}{validation}", corpus.text()))?
        }
        TokenizerKind::Bpe => train_bpe(std::iter::once(training), recipe, SpecialScheme::Text)?,
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
    let training = windows(training, "training")?;
    let validation = windows(validation, "validation")?;
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
        config,
        special,
        tokenizer: Some(tokenizer),
        features: None,
        labels: None,
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
            device: device.clone(),
            package,
        },
        card,
        recipe: &recipe.train,
        folder,
        device,
    };
    trainer.announce(&model, described, observer);
    trainer.run(model, observer)
}

fn translation<B: AutodiffBackend>(
    recipe: &Recipe,
    folder: &Path,
    device: &B::Device,
    observer: &mut dyn FnMut(&Event),
) -> Result<Outcome, TrainError> {
    let (training, validation) = held_out_pairs(recipe)?;
    let tokenizer = match recipe.tokenizer.kind {
        TokenizerKind::File => Tokenizer::read(tokenizer_path(recipe))?,
        _ => {
            let texts = training
                .iter()
                .flat_map(|pair| [pair.source.as_str(), pair.target.as_str()]);
            train_bpe(texts, recipe, SpecialScheme::Pair)?
        }
    };
    let special = pair_tokens(&tokenizer, recipe)?;
    let tokens = PairTokens {
        start: special.decoder_start.unwrap_or(0),
        pad: special.pad.unwrap_or(0),
    };
    let limit = recipe.model.max_positions;
    let size = pairs_a_batch(&recipe.train);
    let batches = |pairs: &[Pair], split: &'static str| {
        let (ids, n_long) = encode_pairs(&tokenizer, pairs, limit)?;
        let error = |source: BatchError| TrainError::Batch { split, source };
        Ok::<_, TrainError>((PairBatches::new(ids, size, tokens).map_err(error)?, n_long))
    };
    let (training, n_long) = batches(&training, "training")?;
    let (validation, n_long_validation) = batches(&validation, "validation")?;
    let n_long = n_long + n_long_validation;
    let mut described = format!(
        "{} pairs to train on, {} to validate on, vocabulary {}",
        training.pairs().len(),
        validation.pairs().len(),
        tokenizer.vocab()
    );
    if n_long > 0 {
        described += &format!("; {n_long} pairs longer than {limit} tokens are left out");
    }
    let config = recipe
        .model
        .config(tokenizer.vocab())
        .map_err(RecipeError::from)?;
    let Model::Transformer(model) = first_model::<B>(recipe, &config, device) else {
        unreachable!("a transformer recipe makes a transformer");
    };
    prepare(folder, recipe)?;
    let (seed, smoothing) = (recipe.train.seed, recipe.train.label_smoothing);
    let trainer = Trainer {
        objective: Translation::new(training, validation, seed, smoothing, device.clone()),
        card: Card {
            config,
            special,
            tokenizer: Some(tokenizer),
            features: None,
            labels: None,
        },
        recipe: &recipe.train,
        folder,
        device,
    };
    trainer.announce(&model, described, observer);
    trainer.run(model, observer)
}

/// How many pairs make a batch.
pub(crate) fn pairs_a_batch(recipe: &TrainRecipe) -> BatchSize {
    match (recipe.batch_size, recipe.batch_tokens) {
        (_, Some(tokens)) => BatchSize::Tokens(tokens),
        (pairs, None) => BatchSize::Pairs(pairs.unwrap_or(1)),
    }
}

/// Pairs as ids, and how many were left out because a side does not fit the model.
fn encode_pairs(
    tokenizer: &Tokenizer,
    pairs: &[Pair],
    limit: usize,
) -> Result<(Vec<PairIds>, usize), TrainError> {
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let targets: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
    let sources = tokenizer.encode_all(&sources)?;
    let targets = tokenizer.encode_all(&targets)?;
    let ids: Vec<PairIds> = sources
        .into_iter()
        .zip(targets)
        .filter(|(source, target)| source.len() <= limit && target.len() <= limit)
        .map(|(source, target)| PairIds { source, target })
        .collect();
    let n_long = pairs.len() - ids.len();
    Ok((ids, n_long))
}

/// The special tokens of a tokenizer for pairs. As in Marian, the decoder starts from the padding token.
pub(crate) fn pair_tokens(
    tokenizer: &Tokenizer,
    recipe: &Recipe,
) -> Result<SpecialTokens, TrainError> {
    let need = |token: &'static str| -> Result<TokenId, RecipeError> {
        tokenizer
            .id(token)
            .ok_or_else(|| RecipeError::MissingToken {
                path: recipe.tokenizer.path.clone().unwrap_or_default(),
                token,
            })
    };
    let (pad, end) = (need("<pad>")?, need("</s>")?);
    if tokenizer.encode("a")?.last() != Some(&end) {
        let path = recipe.tokenizer.path.clone().unwrap_or_default();
        return Err(RecipeError::OpenEnd {
            path,
            token: "</s>",
        }
        .into());
    }
    Ok(SpecialTokens {
        bos: tokenizer.id("<s>"),
        eos: vec![end],
        pad: Some(pad),
        decoder_start: Some(pad),
    })
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
