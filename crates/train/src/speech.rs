//! From a recipe for speech to its model and its data.

use crate::error::TrainError;
use crate::objectives::{SpeechRecognition, SpeechWeights};
use crate::pairs::{pair_tokens, pairs_a_batch};
use crate::recipe::{EmbeddedCorpus, Recipe, RecipeError, TokenizerKind};
use crate::run::{first_model, tokenizer_path, train_bpe};
use crate::trainer::Card;
use crate::work::{Ready, Work};
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{BatchError, PairTokens, SpeechBatches, SpeechIds, Stream, derive_seed};
use hearth_data::{
    FilterbankConfig, SpecialScheme, SpeechCorpus, TokenId, Tokenizer, Utterance, tones,
};
use hearth_hub::{Model, ModelConfig};
use hearth_model::PositionEncoding;
use std::path::{Path, PathBuf};

/// The utterances of a speech recipe: those trained on, and those held out.
///
/// # Errors
/// If a file cannot be read.
pub fn held_out_utterances(
    recipe: &Recipe,
) -> Result<(Vec<Utterance>, Vec<Utterance>), TrainError> {
    let (data, features) = (&recipe.data, features(recipe));
    let read = |paths: &[PathBuf], speed: f64| {
        let path = paths.first().map_or(Path::new("."), PathBuf::as_path);
        SpeechCorpus::read(path, &features, speed)
    };
    let corpus = |speed: f64| match data.embedded {
        Some(EmbeddedCorpus::Tones) => {
            let seed = derive_seed(recipe.train.seed, Stream::Data, u64::MAX);
            let utterances = tones(data.n_utterances, seed).enumerate();
            let utterances = utterances.map(|(number, (recording, text))| Utterance {
                name: format!("tones {number}"),
                frames: features.frames(recording.at_speed(speed)),
                text,
            });
            Ok(SpeechCorpus {
                utterances: utterances.collect(),
            })
        }
        _ => read(&data.paths, speed),
    };
    // A recording is on one side of the split at all speeds, for it keeps its name.
    let split = |corpus: SpeechCorpus| match data.validation_paths.is_empty() {
        true => corpus.split(data.validation_fraction),
        false => (corpus.utterances, Vec::new()),
    };
    let (mut training, mut validation) = split(corpus(1.0)?);
    if !data.validation_paths.is_empty() {
        validation = read(&data.validation_paths, 1.0)?.utterances;
    }
    for &speed in recipe.augment.speeds.iter().filter(|&&speed| speed != 1.0) {
        training.extend(split(corpus(speed)?).0);
    }
    Ok((training, validation))
}

fn features(recipe: &Recipe) -> FilterbankConfig {
    FilterbankConfig {
        sample_rate: recipe.data.sample_rate,
        ..FilterbankConfig::with_mels(recipe.model.n_mels())
    }
}

pub(crate) fn run<B: AutodiffBackend, W: Work<B>>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<W::Output, TrainError> {
    let (training, validation) = held_out_utterances(recipe)?;
    let tokenizer = match recipe.tokenizer.kind {
        TokenizerKind::File => Tokenizer::read(tokenizer_path(recipe))?,
        _ => {
            let texts = training.iter().map(|utterance| utterance.text.as_str());
            train_bpe(texts, recipe, SpecialScheme::Pair)?
        }
    };
    let special = pair_tokens(&tokenizer, recipe)?;
    let tokens = PairTokens {
        start: special.decoder_start.unwrap_or(0),
        pad: special.pad.unwrap_or(0),
    };
    let size = pairs_a_batch(&recipe.train);
    let batches = |utterances, split: &'static str| {
        let (ids, n_long) = encode(&tokenizer, utterances, recipe)?;
        let error = |source: BatchError| TrainError::Batch { split, source };
        let batches = SpeechBatches::new(ids, size, tokens).map_err(error)?;
        Ok::<_, TrainError>((batches, n_long))
    };
    let (training, n_long) = batches(training, "training")?;
    let training = training.with_masks(recipe.augment.masks());
    let (validation, n_long_validation) = batches(validation, "validation")?;
    let n_long = n_long + n_long_validation;
    let mut described = format!(
        "{} recordings to train on, {} to validate on, vocabulary {}",
        training.utterances().len(),
        validation.utterances().len(),
        tokenizer.vocab()
    );
    if n_long > 0 {
        described +=
            &format!("; {n_long} recordings longer than the model's positions are left out");
    }
    let config = config(recipe, tokenizer.vocab(), tokens.pad)?;
    let Model::SpeechToText(model) = first_model::<B>(recipe, &config, device)? else {
        unreachable!("a speech-to-text recipe makes a speech-to-text model");
    };
    let weights = SpeechWeights {
        label_smoothing: recipe.train.label_smoothing,
        ctc: recipe.train.ctc_weight,
    };
    let seed = recipe.train.seed;
    work.on(Ready {
        objective: SpeechRecognition::new(training, validation, seed, weights, device.clone()),
        card: Card {
            tokenizer: Some(tokenizer),
            features: Some(features(recipe)),
            ..Card::new(config, special)
        },
        model,
        data: described,
        recipe,
        device,
    })
}

/// The model's config: with a head for CTC if that is trained; positions counted from the padding token, as the field's
/// libraries do.
fn config(recipe: &Recipe, vocab: usize, pad: TokenId) -> Result<ModelConfig, RecipeError> {
    let mut config = recipe.model.config(vocab)?;
    if let ModelConfig::SpeechToText(config) = &mut config {
        config.ctc = recipe.train.ctc_weight > 0.0;
        if recipe.model.positions.is_none() {
            let first = pad as usize + 1;
            config.embedding.positions = PositionEncoding::Fairseq { first };
            config.frames.positions = PositionEncoding::Fairseq { first };
        }
    }
    Ok(config)
}

/// Utterances as ids, and how many were left out because a side does not fit the model.
fn encode(
    tokenizer: &Tokenizer,
    utterances: Vec<Utterance>,
    recipe: &Recipe,
) -> Result<(Vec<SpeechIds>, usize), TrainError> {
    let texts: Vec<&str> = utterances.iter().map(|one| one.text.as_str()).collect();
    let targets = tokenizer.encode_all(&texts)?;
    let n_all = utterances.len();
    let model = &recipe.model;
    // Each of the two convolutions halves the frames.
    let max_frames = model.max_source_positions().saturating_mul(4);
    let fits = |one: &SpeechIds| {
        one.frames.n_frames() <= max_frames && one.target.len() <= model.max_positions
    };
    let ids: Vec<SpeechIds> = utterances
        .into_iter()
        .zip(targets)
        .map(|(Utterance { frames, .. }, target)| SpeechIds { frames, target })
        .filter(fits)
        .collect();
    let n_long = n_all - ids.len();
    Ok((ids, n_long))
}
