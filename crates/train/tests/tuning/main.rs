//! Training less than all of a model, one that is there already, and what else a recipe can say of its weights.

mod base;
mod precision;
mod weights;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::Autodiff;
use burn_flex::Flex;
use hearth_hub::read_tensors;
use hearth_train::{Outcome, Recipe, RunOptions, Split, TrainError, read_metrics, run_with};

pub(crate) const GPT: &str = "
    [model]
    architecture = 'gpt'
    d_model = 16
    n_heads = 2
    n_layers = 2
    max_positions = 8
    [data]
    embedded = 'cicero'
    [tokenizer]
    kind = 'characters'
    [train]
    batch_size = 2
    steps = 4
    warmup_steps = 0
    schedule = 'constant'
";

/// The same model where it is there already.
pub(crate) const AGAIN: &str = "
    [model]
    architecture = 'gpt'
    [data]
    embedded = 'cicero'
    [train]
    batch_size = 2
    steps = 4
    warmup_steps = 0
    schedule = 'constant'
";

pub(crate) fn recipe(text: &str, set: &[&str]) -> Result<Recipe, String> {
    let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
    let recipe = Recipe::parse(text, Path::new("recipe.toml"), &set, &[]);
    recipe.map_err(|error| error.to_string())
}

/// A backend has one random generator a process: runs of one process take turns.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn try_train(text: &str, set: &[&str], folder: &Path) -> Result<Outcome, TrainError> {
    let recipe = recipe(text, set).expect("a recipe");
    let options = RunOptions::new(folder);
    run_with::<Autodiff<Flex>>(&recipe, &options, &Default::default(), &mut |_| {})
}

pub(crate) fn train(text: &str, set: &[&str], folder: &Path) -> Outcome {
    try_train(text, set, folder).expect("a run")
}

/// Begins with the model of another run.
pub(crate) fn from(run: &Path) -> String {
    format!("model.from='{}'", run.join("last").display())
}

pub(crate) type Weights = BTreeMap<String, Vec<f32>>;

/// The weights of a model directory, by their names in its file.
pub(crate) fn weights(model: &Path) -> Weights {
    let tensors = read_tensors(&model.join("model.safetensors")).expect("weights");
    let numbers =
        |(name, data): (String, burn::tensor::TensorData)| (name, data.iter::<f32>().collect());
    tensors.into_iter().map(numbers).collect()
}

/// The names of the tensors that differ.
pub(crate) fn changed(before: &Weights, after: &Weights) -> Vec<String> {
    assert!(before.keys().eq(after.keys()));
    let differs =
        |(name, numbers): (&String, &Vec<f32>)| (after[name] != *numbers).then(|| name.clone());
    before.iter().filter_map(differs).collect()
}
