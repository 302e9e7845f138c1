//! From a recipe for pairs to its model and its data.

use crate::error::TrainError;
use crate::objective::{Inner, Package, Trainable};
use crate::objectives::{PairLoss, Translation};
use crate::recipe::{EmbeddedCorpus, Recipe, RecipeError, TokenizerKind, TrainRecipe};
use crate::run::{first_model, tokenizer_path, train_bpe};
use crate::trainer::Card;
use crate::work::{Ready, Work};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor};
use hearth_batch::{BatchError, BatchSize, PairBatches, PairIds, PairTokens, TextNoise};
use hearth_data::{Pair, PairCorpus, SpecialScheme, TokenId, Tokenizer, number_words};
use hearth_hub::{Model, SpecialTokens};
use hearth_model::Conditional;
use std::path::PathBuf;

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

pub(crate) fn run<B: AutodiffBackend, W: Work<B>>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<W::Output, TrainError> {
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
    let training = training.with_noise(text_noise(recipe, &tokenizer)?);
    let config = recipe
        .model
        .config(tokenizer.vocab())
        .map_err(RecipeError::from)?;
    let model = first_model::<B>(recipe, &config, device)?;
    let card = Card {
        tokenizer: Some(tokenizer),
        ..Card::new(config, special)
    };
    let batches = [training, validation];
    let rest = (described, recipe, device);
    match model {
        Model::Transformer(model) => {
            on_pairs(batches, (model, Model::Transformer), card, rest, work)
        }
        Model::RnnSeq2Seq(model) => on_pairs(batches, (model, Model::RnnSeq2Seq), card, rest, work),
        _ => unreachable!("a recipe for pairs makes an encoder-decoder"),
    }
}

/// Work on an encoder-decoder of whatever architecture.
fn on_pairs<B: AutodiffBackend, M, W: Work<B>>(
    [training, validation]: [PairBatches; 2],
    (model, package): (M, Package<B, M>),
    card: Card,
    (data, recipe, device): (String, &Recipe, &B::Device),
    work: W,
) -> Result<W::Output, TrainError>
where
    M: Trainable<B> + Conditional<B, Source = Tensor<B, 2, Int>>,
    Inner<B, M>: Conditional<B::InnerBackend, Source = Tensor<B::InnerBackend, 2, Int>>,
{
    let (seed, choices) = (recipe.train.seed, pair_loss(&recipe.train));
    let objective = Translation::new(training, validation, seed, choices, device.clone(), package);
    work.on(Ready {
        objective,
        model,
        card,
        data,
        recipe,
        device,
    })
}

/// How a recipe takes the loss of a pair.
pub(crate) fn pair_loss(recipe: &TrainRecipe) -> PairLoss {
    PairLoss {
        label_smoothing: recipe.label_smoothing,
        scheduled_sampling: recipe.scheduled_sampling,
    }
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
    let sources = tokenizer.encode_words(&sources)?;
    let targets = tokenizer.encode_words(&targets)?;
    let ids: Vec<PairIds> = sources
        .into_iter()
        .zip(targets)
        .filter(|(source, target)| source.ids.len() <= limit && target.ids.len() <= limit)
        .map(|(source, target)| PairIds { source, target })
        .collect();
    let n_long = pairs.len() - ids.len();
    Ok((ids, n_long))
}

/// How a recipe changes the texts that a model reads.
pub(crate) fn text_noise(recipe: &Recipe, tokenizer: &Tokenizer) -> Result<TextNoise, RecipeError> {
    let rate = recipe.augment.bpe_dropout;
    let merges = (rate > 0.0).then(|| {
        let expected = "0: the tokenizer is not one of byte pairs";
        let merges = tokenizer.merges();
        merges.ok_or_else(|| RecipeError::Range {
            field: "augment.bpe_dropout",
            found: rate.to_string(),
            expected,
        })
    });
    Ok(TextNoise {
        word_dropout: recipe.augment.word_dropout,
        bpe_dropout: merges.transpose()?.map(|merges| (rate, merges)),
        max_tokens: recipe.model.max_positions,
    })
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
