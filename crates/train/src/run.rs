//! From a recipe to a trained model in a folder.

use crate::checkpoint::{Checkpoint, Checkpoints, RECIPE, adopt, check_recipe};
use crate::error::TrainError;
use crate::event::{Event, Outcome, Request};
use crate::freezing::freeze;
use crate::group::{Alone, Group};
use crate::objective::{Inner, Objective, Package, Trainable};
use crate::objectives::LanguageModelling;
use crate::recipe::{Architecture, EmbeddedCorpus, Recipe, RecipeError, TokenizerKind};
use crate::trainer::{Card, Place, Trainer};
use crate::work::{Ready, Work};
use crate::{encoders, pairs, speech};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{Stream, TextWindows, WindowShape, derive_seed};
use hearth_data::{BpeOptions, SpecialScheme, TextCorpus, Tokenizer, cicero};
use hearth_hub::{Model, ModelConfig, ModelDirectory, SpecialTokens, replace_file};
use hearth_model::LanguageModel;
use std::path::{Path, PathBuf};

/// From where a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resume {
    /// From the beginning.
    #[default]
    No,
    /// From the newest whole checkpoint of the run's folder, or from the beginning where there is none.
    Auto,
    /// From the newest whole checkpoint of the run's folder.
    Newest,
    /// From this checkpoint.
    From(PathBuf),
}

/// What a run is told besides its recipe.
pub struct RunOptions<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// From where it goes on.
    pub resume: Resume,
    /// Asked after each step, with the number of steps done, whether it is to save or to stop.
    pub request: &'a dyn Fn(u64) -> Request,
    /// With whom the model is trained: all of them run the same recipe, and the first one alone writes files.
    pub group: &'a dyn Group,
}

impl<'a> RunOptions<'a> {
    /// From the beginning to the end.
    pub fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            resume: Resume::No,
            request: &|_| Request::Continue,
            group: &Alone,
        }
    }
}

/// Trains what a recipe describes and leaves in `folder`: `config.toml` (the recipe as resolved), `best/` and `last/`
/// model directories, `checkpoints/`, `metrics.jsonl`, what [`LogKind`](crate::LogKind) adds, and `loss.svg`.
///
/// # Errors
/// If the data cannot be read or does not fit the recipe, a file cannot be written, or training diverges.
pub fn run<B: AutodiffBackend>(
    recipe: &Recipe,
    folder: &Path,
    device: &B::Device,
    observer: &mut dyn FnMut(&Event),
) -> Result<Outcome, TrainError> {
    run_with::<B>(recipe, &RunOptions::new(folder), device, observer)
}

/// As [`run`], perhaps from a checkpoint, and with someone who may ask for another or for the end. A run that goes on does
/// to the last bit what it would have done without a break.
///
/// # Errors
/// As [`run`], or if the checkpoint is not whole, or of another recipe or other data.
pub fn run_with<B: AutodiffBackend>(
    recipe: &Recipe,
    options: &RunOptions<'_>,
    device: &B::Device,
    observer: &mut dyn FnMut(&Event),
) -> Result<Outcome, TrainError> {
    let writes = options.group.share().index() == 0;
    let silent = &mut |_: &Event| {};
    let observer = if writes { observer } else { silent };
    let from = begin_from(options, observer)?;
    if let Some(checkpoint) = &from {
        check_recipe(checkpoint, recipe)?;
    }
    let place = Place {
        folder: options.folder,
        from: from.as_ref(),
        request: options.request,
        group: options.group,
    };
    with_data::<B, _>(recipe, device, Training { place, observer })
}

/// A backend whose backward pass computes again what is cheap to compute, instead of holding it: Burn's balanced strategy. Chen et
/// al. 2016 <https://arxiv.org/abs/1604.06174>.
pub(crate) type Frugal<B> = Autodiff<<B as AutodiffBackend>::InnerBackend, BalancedCheckpointing>;

/// To train, in a place and before an observer.
struct Training<'a> {
    place: Place<'a>,
    observer: &'a mut dyn FnMut(&Event),
}

impl<B: AutodiffBackend> Work<B> for Training<'_> {
    type Output = Outcome;

    fn on<O: Objective<B>>(self, ready: Ready<'_, B, O>) -> Result<Outcome, TrainError> {
        let Self { place, observer } = self;
        if place.writes() {
            write_recipe(place.folder, ready.recipe)?;
        }
        let trainer = Trainer {
            objective: ready.objective,
            card: ready.card,
            recipe: ready.recipe,
            place,
            device: ready.device,
        };
        trainer.run(ready.model, ready.data, observer)
    }
}

/// Makes the run's folder and writes down what is run, if that is not there: a run goes on by it.
fn write_recipe(folder: &Path, recipe: &Recipe) -> Result<(), TrainError> {
    let (path, text) = (folder.join(RECIPE), recipe.to_toml());
    if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    replace_file(&path, |temporary| {
        std::fs::write(temporary, &text).map_err(TrainError::file("write", &path))
    })
}

/// Reads a recipe's data and makes its model, for some work.
pub(crate) fn with_data<B: AutodiffBackend, W>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<<W as Work<B>>::Output, TrainError>
where
    W: Work<B> + Work<Frugal<B>, Output = <W as Work<B>>::Output>,
{
    check_precision::<B>(recipe, device)?;
    match recipe.train.gradient_checkpointing {
        true => with_data_at::<Frugal<B>, _>(recipe, device, work),
        false => with_data_at::<B, _>(recipe, device, work),
    }
}

/// Refuses a precision that the device does not compute in.
pub(crate) fn check_precision<B: AutodiffBackend>(
    recipe: &Recipe,
    device: &B::Device,
) -> Result<(), RecipeError> {
    let precision = recipe.train.precision;
    match precision.is_supported::<B>(device) {
        true => Ok(()),
        false => Err(RecipeError::Range {
            field: "train.precision",
            found: precision.name().to_owned(),
            expected: "what this device computes in, such as f32",
        }),
    }
}

fn with_data_at<B: AutodiffBackend, W: Work<B>>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<W::Output, TrainError> {
    match recipe.model.architecture {
        Architecture::Transformer | Architecture::RnnSeq2Seq => pairs::run(recipe, device, work),
        Architecture::SpeechToText => speech::run(recipe, device, work),
        Architecture::Gpt | Architecture::Llama | Architecture::Lstm | Architecture::Gru => {
            language_modelling(recipe, device, work)
        }
        Architecture::Bert => encoders::masked_modelling(recipe, device, work),
        Architecture::BertClassifier => encoders::text_classification(recipe, device, work),
        Architecture::Vit => encoders::image_classification(recipe, device, work),
    }
}

/// The checkpoint that a run goes on from.
fn begin_from(
    options: &RunOptions<'_>,
    observer: &mut dyn FnMut(&Event),
) -> Result<Option<Checkpoint>, TrainError> {
    let checkpoints = Checkpoints::of(options.folder);
    if options.group.share().index() == 0 {
        checkpoints.sweep()?;
    }
    let none = |path: &Path, damaged| TrainError::NoCheckpoint {
        path: path.to_owned(),
        damaged,
    };
    match &options.resume {
        Resume::No => Ok(None),
        Resume::From(path) => match Checkpoint::open(path) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(reason) => Err(none(path, vec![reason])),
        },
        Resume::Auto | Resume::Newest => {
            let mut damaged = Vec::new();
            let found = checkpoints.newest(&mut |checkpoint, reason| {
                damaged.push(format!("{}: {reason}", checkpoint.display()));
                let checkpoint = checkpoint.to_owned();
                observer(&Event::Damaged { checkpoint, reason });
            })?;
            if found.is_none() && options.resume == Resume::Newest {
                return Err(none(options.folder, damaged));
            }
            if found.is_none() {
                observer(&Event::Afresh);
            }
            Ok(found)
        }
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

fn language_modelling<B: AutodiffBackend, W: Work<B>>(
    recipe: &Recipe,
    device: &B::Device,
    work: W,
) -> Result<W::Output, TrainError> {
    let (training, validation) = split_text(recipe)?;
    let tokenizer = match recipe.tokenizer.kind {
        // A character that only the end of the text has is still a character of the text.
        TokenizerKind::Characters => {
            Tokenizer::train_characters(&format!("{training}{validation}"))?
        }
        // The check of the recipe lets no `words` through to here.
        TokenizerKind::Bpe | TokenizerKind::Words => train_bpe(
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
    let model = first_model::<B>(recipe, &config, device)?;
    let card = Card {
        tokenizer: Some(tokenizer),
        ..Card::new(config, special)
    };
    let windows = [training, validation];
    let rest = (described, recipe, device);
    match model {
        Model::Gpt(model) => on_text(windows, (model, Model::Gpt), card, rest, work),
        Model::RnnLm(model) => on_text(windows, (model, Model::RnnLm), card, rest, work),
        _ => unreachable!("a recipe for text makes a language model"),
    }
}

/// Work on a language model of whatever architecture.
fn on_text<B: AutodiffBackend, M, W: Work<B>>(
    [training, validation]: [TextWindows; 2],
    (model, package): (M, Package<B, M>),
    card: Card,
    (data, recipe, device): (String, &Recipe, &B::Device),
    work: W,
) -> Result<W::Output, TrainError>
where
    M: Trainable<B> + LanguageModel<B>,
    Inner<B, M>: LanguageModel<B::InnerBackend>,
{
    work.on(Ready {
        objective: LanguageModelling {
            training,
            validation,
            seed: recipe.train.seed,
            label_smoothing: recipe.train.label_smoothing,
            bptt: recipe.train.bptt,
            device: device.clone(),
            package,
        },
        model,
        card,
        data,
        recipe,
        device,
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

/// One seed, one first model; or that of a directory, with what it lacks drawn anew. What the recipe freezes wants no gradient.
pub(crate) fn first_model<B: AutodiffBackend>(
    recipe: &Recipe,
    config: &ModelConfig,
    device: &B::Device,
) -> Result<Model<B>, TrainError> {
    B::seed(device, derive_seed(recipe.train.seed, Stream::Weights, 0));
    let model = config.init(device);
    let model = match &recipe.model.from {
        Some(folder) => adopt(model, &ModelDirectory::load(folder, device)?.model),
        None => model,
    };
    Ok(freeze(model, recipe)?)
}
