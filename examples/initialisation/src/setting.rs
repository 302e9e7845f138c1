//! One training: a recipe with the choices that are studied.

use anyhow::Context;
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::data::{TextCorpus, Tokenizer, cicero};
use hearth::model::NormPlacement;
use hearth::train::{InitialisationKind, Recipe, TrainError};
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// What all trainings have in common. The text comes with the crate.
const RECIPE: &str = r#"
[model]
architecture = "gpt"
d_model = 32
n_heads = 4
n_layers = 2
max_positions = 32

[data]
embedded = "cicero"

[tokenizer]
kind = "characters"

[train]
batch_size = 8
schedule = "constant"
validate_every = 1000000
max_skipped = 0
"#;

/// Where the norms stand and how the first weights are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    pub(crate) norm: NormPlacement,
    pub(crate) initialisation: InitialisationKind,
}

/// All that there are; DeepNorm is about norms behind branches.
pub(crate) const SCHEMES: [Scheme; 7] = [
    before("before, gpt2", InitialisationKind::Gpt2),
    before("before, xavier", InitialisationKind::Xavier),
    before("before, kaiming", InitialisationKind::Kaiming),
    after("after, gpt2", InitialisationKind::Gpt2),
    after("after, xavier", InitialisationKind::Xavier),
    after("after, kaiming", InitialisationKind::Kaiming),
    after("after, deep-norm", InitialisationKind::DeepNorm),
];

const fn before(name: &'static str, initialisation: InitialisationKind) -> Scheme {
    Scheme {
        name,
        norm: NormPlacement::Before,
        initialisation,
    }
}

const fn after(name: &'static str, initialisation: InitialisationKind) -> Scheme {
    Scheme {
        name,
        norm: NormPlacement::After,
        initialisation,
    }
}

/// One training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) scheme: Scheme,
    pub(crate) n_layers: usize,
    pub(crate) warmup_steps: u64,
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    pub(crate) lr: f64,
}

impl Display for Setting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            scheme,
            n_layers,
            warmup_steps,
            seed,
            ..
        } = self;
        write!(
            f,
            "{n_layers} layers, norm {}, warm-up {warmup_steps}, seed {seed}",
            scheme.name
        )
    }
}

impl Setting {
    pub(crate) fn recipe(&self) -> anyhow::Result<Recipe> {
        let mut recipe = common()?;
        recipe.model.n_layers = self.n_layers;
        recipe.model.norm = Some(self.scheme.norm);
        recipe.model.initialisation = Some(self.scheme.initialisation);
        recipe.train.steps = self.steps;
        recipe.train.warmup_steps = self.warmup_steps;
        recipe.train.lr = self.lr;
        recipe.train.seed = self.seed;
        Ok(recipe)
    }

    /// Trains, and returns the loss on the text that was held out: none where a loss or a gradient was not finite.
    pub(crate) fn train<B: AutodiffBackend>(
        &self,
        device: &B::Device,
    ) -> anyhow::Result<Option<f64>> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        match hearth::train::run::<B>(&self.recipe()?, folder.path(), device, &mut |_| {}) {
            Ok(outcome) => Ok(Some(outcome.last.loss())),
            Err(TrainError::NotFinite { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn common() -> anyhow::Result<Recipe> {
    Ok(Recipe::parse(
        RECIPE,
        Path::new("initialisation"),
        &[],
        &[],
    )?)
}

/// Text as ids, to train on and held out, split as a training splits it; and how many characters there are.
pub(crate) fn text() -> anyhow::Result<([Vec<u32>; 2], usize)> {
    let corpus = TextCorpus::from_text(cicero());
    let (training, held_out) = corpus.split_tail(common()?.data.validation_fraction);
    let tokenizer = Tokenizer::train_characters(corpus.text())?;
    let ids = [
        tokenizer.encode_plain(training)?,
        tokenizer.encode_plain(held_out)?,
    ];
    Ok((ids, tokenizer.vocab()))
}

/// The loss on the held out text of a model that knows how often each character is, and nothing else: what a training
/// that fails does not get below.
pub(crate) fn unigram_loss() -> anyhow::Result<f64> {
    let ([training, held_out], vocab) = text()?;
    // One more of each, for those that only the end of the text has.
    let mut counts = vec![1.0; vocab];
    for &id in &training {
        counts[id as usize] += 1.0;
    }
    let total: f64 = counts.iter().sum();
    let losses = held_out
        .iter()
        .map(|&id| -(counts[id as usize] / total).ln());
    Ok(losses.sum::<f64>() / held_out.len() as f64)
}
