//! From a recipe for a model that reads and does not write to its model and its data.

use crate::error::TrainError;
use crate::objective::{Inner, Package, Trainable};
use crate::objectives::{Classification, MaskedModelling};
use crate::pairs::text_noise;
use crate::recipe::{DataShape, EmbeddedCorpus, Recipe, RecipeError, TokenizerKind};
use crate::run::{first_model, split_text, tokenizer_path, train_bpe};
use crate::trainer::Card;
use crate::work::{Ready, Work};
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{
    BatchError, ClassBatches, ImageClasses, MaskTokens, MaskedWindows, TextClasses, WindowShape,
};
use hearth_data::{
    LabelledImages, LabelledText, PixelConfig, SpecialScheme, TokenId, Tokenizer, digits,
    language_words,
};
use hearth_hub::{Model, SpecialTokens};
use hearth_model::{Classifier, ImageSize};

/// The tokens that a tokenizer for texts that are read has, in this order where it is trained here.
const SPECIAL: [&str; 4] = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"];

/// Work on a model that guesses the masked tokens of a text.
pub(crate) fn masked_modelling<B: AutodiffBackend, W: Work<B>>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<W::Output, TrainError> {
    let (training, validation) = split_text(recipe)?;
    let tokenizer = tokenizer(recipe, std::iter::once(training.as_str()))?;
    let [pad, first, last, mask] = special_ids(&tokenizer, recipe)?;
    let shape = WindowShape {
        batch: recipe.train.batch_size.unwrap_or(1),
        seq: recipe.model.max_positions,
    };
    let highest = [pad, first, last, mask].into_iter().max().unwrap_or(0);
    let tokens = MaskTokens {
        first,
        last,
        mask,
        first_random: highest + 1,
        vocab: tokenizer.vocab(),
    };
    let windows = |text: &str, split: &'static str| {
        let ids = tokenizer.encode_plain(text)?;
        let error = |source: BatchError| TrainError::Batch { split, source };
        MaskedWindows::new(ids, shape, tokens).map_err(error)
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
    let Model::Bert(model) = first_model::<B>(recipe, &config, device)? else {
        unreachable!("a recipe for bert makes a bert");
    };
    work.on(Ready {
        objective: MaskedModelling {
            training,
            validation,
            seed: recipe.train.seed,
            label_smoothing: recipe.train.label_smoothing,
            device: device.clone(),
        },
        card: Card {
            tokenizer: Some(tokenizer),
            ..Card::new(config, padded_with(pad))
        },
        model,
        data: described,
        recipe,
        device,
    })
}

/// The texts of a recipe for a classifier: those trained on, and those held out, with the same labels.
///
/// # Errors
/// If a file cannot be read.
pub fn held_out_texts(recipe: &Recipe) -> Result<(LabelledText, LabelledText), TrainError> {
    let data = &recipe.data;
    let corpus = match data.embedded {
        Some(EmbeddedCorpus::Languages) => language_words(),
        _ => LabelledText::read(&data.paths)?,
    };
    if data.validation_paths.is_empty() {
        return Ok(corpus.split(data.validation_fraction));
    }
    let validation = LabelledText::read_with_labels(&data.validation_paths, &corpus.labels)?;
    Ok((corpus, validation))
}

/// Work on a model that names the class of a text.
pub(crate) fn text_classification<B: AutodiffBackend, W: Work<B>>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<W::Output, TrainError> {
    let (training, validation) = held_out_texts(recipe)?;
    let labels = training.labels.clone();
    let texts = training.rows.iter().map(|row| row.text.as_str());
    let tokenizer = tokenizer(recipe, texts)?;
    let [pad, ..] = special_ids(&tokenizer, recipe)?;
    let limit = recipe.model.max_positions;
    let batch_size = recipe.train.batch_size.unwrap_or(1);
    let classes = |corpus: &LabelledText, split: &'static str| {
        let texts: Vec<&str> = corpus.rows.iter().map(|row| row.text.as_str()).collect();
        let texts = tokenizer.encode_words(&texts)?;
        let all = texts.into_iter().zip(&corpus.rows);
        let items = all.filter(|(text, _)| text.ids.len() <= limit);
        let items: Vec<_> = items.map(|(text, row)| (text, row.label)).collect();
        let n_long = corpus.rows.len() - items.len();
        let error = |source: BatchError| TrainError::Batch { split, source };
        let classes = TextClasses::new(items, batch_size, pad).map_err(error)?;
        Ok::<_, TrainError>((classes, n_long))
    };
    let (training, n_long) = classes(&training, "training")?;
    let training = training.with_noise(text_noise(recipe, &tokenizer)?);
    let (validation, n_long_validation) = classes(&validation, "validation")?;
    let mut described = format!(
        "{} texts of {} classes to train on, {} to validate on, vocabulary {}",
        training.n_items(),
        labels.len(),
        validation.n_items(),
        tokenizer.vocab()
    );
    let n_long = n_long + n_long_validation;
    if n_long > 0 {
        described += &format!("; {n_long} texts longer than {limit} tokens are left out");
    }
    let shape = DataShape {
        n_classes: labels.len(),
        ..DataShape::from(tokenizer.vocab())
    };
    let config = recipe.model.config(shape).map_err(RecipeError::from)?;
    let Model::Bert(model) = first_model::<B>(recipe, &config, device)? else {
        unreachable!("a recipe for bert-classifier makes a bert");
    };
    let card = Card {
        tokenizer: Some(tokenizer),
        labels: Some(labels),
        ..Card::new(config, padded_with(pad))
    };
    let rest = (described, recipe, device);
    classify(
        [training, validation],
        (model, Model::Bert),
        card,
        rest,
        work,
    )
}

/// The images of a recipe, in the size that its model reads: those trained on, and those held out, with the same labels.
///
/// # Errors
/// If a file cannot be read, or holds no image.
pub fn held_out_images(recipe: &Recipe) -> Result<(LabelledImages, LabelledImages), TrainError> {
    let (data, pixels) = (&recipe.data, pixel_config(image_size(recipe)));
    let corpus = match data.embedded {
        Some(EmbeddedCorpus::Digits) => digits().prepared(&pixels),
        _ => LabelledImages::read(&data.paths, &pixels)?,
    };
    if data.validation_paths.is_empty() {
        return Ok(corpus.split(data.validation_fraction));
    }
    let held_out = &data.validation_paths;
    let validation = LabelledImages::read_with_labels(held_out, &pixels, &corpus.labels)?;
    Ok((corpus, validation))
}

/// The size that a recipe's model reads; that of the embedded digits if it does not say.
pub(crate) fn image_size(recipe: &Recipe) -> ImageSize {
    let [n_channels, height, width] = recipe.model.image.unwrap_or([1, 8, 8]);
    ImageSize {
        n_channels,
        height,
        width,
    }
}

/// As Hugging Face's image processor has it, in this size.
fn pixel_config(image: ImageSize) -> PixelConfig {
    let size = hearth_data::ImageSize {
        height: image.height,
        width: image.width,
    };
    PixelConfig::new(image.n_channels, size)
}

/// Work on a model that names the class of an image.
pub(crate) fn image_classification<B: AutodiffBackend, W: Work<B>>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<W::Output, TrainError> {
    let image = image_size(recipe);
    let pixels = pixel_config(image);
    let (training, validation) = held_out_images(recipe)?;
    let names = training.labels.clone();
    let shape = [image.n_channels, image.height, image.width];
    let batch_size = recipe.train.batch_size.unwrap_or(1);
    let classes = |corpus: &LabelledImages, split: &'static str| {
        let images = corpus.images.iter();
        let values = images.flat_map(|one| pixels.values(&one.image)).collect();
        let labels = corpus.images.iter().map(|one| one.label).collect();
        ImageClasses::new(values, shape, labels, batch_size)
            .map_err(|source| TrainError::Batch { split, source })
    };
    let training = classes(&training, "training")?.with_shift(recipe.augment.shift);
    let validation = classes(&validation, "validation")?;
    let described = format!(
        "{} images of {} classes to train on, {} to validate on",
        training.n_items(),
        names.len(),
        validation.n_items()
    );
    let data = DataShape {
        n_classes: names.len(),
        image: Some(image),
        ..DataShape::default()
    };
    let config = recipe.model.config(data).map_err(RecipeError::from)?;
    let Model::Vit(model) = first_model::<B>(recipe, &config, device)? else {
        unreachable!("a recipe for vit makes a vit");
    };
    let card = Card {
        pixels: Some(pixels),
        labels: Some(names),
        ..Card::new(config, SpecialTokens::default())
    };
    let rest = (described, recipe, device);
    classify(
        [training, validation],
        (model, Model::Vit),
        card,
        rest,
        work,
    )
}

/// Work on a classifier of whatever architecture.
fn classify<B: AutodiffBackend, M, D, W: Work<B>>(
    classes: [D; 2],
    (model, package): (M, Package<B, M>),
    card: Card,
    (data, recipe, device): (String, &Recipe, &B::Device),
    work: W,
) -> Result<W::Output, TrainError>
where
    D: ClassBatches,
    M: Trainable<B> + Classifier<B, Input = D::Input<B>>,
    Inner<B, M>: Classifier<B::InnerBackend, Input = D::Input<B::InnerBackend>>,
{
    let (seed, smoothing) = (recipe.train.seed, recipe.train.label_smoothing);
    work.on(Ready {
        objective: Classification::new(classes, seed, smoothing, device.clone(), package),
        model,
        card,
        data,
        recipe,
        device,
    })
}

fn tokenizer<'a>(
    recipe: &Recipe,
    texts: impl Iterator<Item = &'a str> + Send,
) -> Result<Tokenizer, TrainError> {
    match recipe.tokenizer.kind {
        TokenizerKind::File => Ok(Tokenizer::read(tokenizer_path(recipe))?),
        TokenizerKind::Words => Ok(Tokenizer::train_words(texts, recipe.tokenizer.vocab)?),
        _ => train_bpe(texts, recipe, SpecialScheme::Encoder),
    }
}

/// The ids of padding, of what a text begins with and ends in, and of the mask.
fn special_ids(tokenizer: &Tokenizer, recipe: &Recipe) -> Result<[TokenId; 4], TrainError> {
    let mut ids = [0; 4];
    for (id, token) in ids.iter_mut().zip(SPECIAL) {
        *id = tokenizer
            .id(token)
            .ok_or_else(|| RecipeError::MissingToken {
                path: recipe.tokenizer.path.clone().unwrap_or_default(),
                token,
            })?;
    }
    Ok(ids)
}

fn padded_with(pad: TokenId) -> SpecialTokens {
    SpecialTokens {
        pad: Some(pad),
        ..SpecialTokens::default()
    }
}
