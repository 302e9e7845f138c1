//! `train`: a model by a recipe.

use super::run_folder::{self, choose, describe, go_on};
use crate::arguments::Train;
use crate::console::Console;
use crate::error::CliError;
use crate::platform::Platform;
use crate::progress::readable;
use crate::replicas::decided;
use crate::{Context, called};
use hearth_train::{Architecture, Recipe, Resume};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn run<P: Platform>(options: &Train, context: &Context<P>) -> Result<(), CliError> {
    let Resolved { recipe, name, from } = resolve::<P>(options, context.seed)?;
    let (folder, resume) = match from {
        Some(from) => from,
        None => (choose(options.out.as_deref(), &name)?, Resume::No),
    };
    let Some((outcome, _)) = run_folder::train(&recipe, &folder, resume, context)? else {
        return Ok(());
    };
    let console = &context.console;
    console.say(format!(
        "trained in {} at {:.0} tokens/s\n{}",
        readable(outcome.duration),
        outcome.tokens_per_s,
        describe(&outcome)
    ));
    if outcome.steps < recipe.train.steps {
        console.say(format!(
            "ended behind step {} of {}: no validation was better for train.patience = {}",
            outcome.steps, recipe.train.steps, recipe.train.patience
        ));
    }
    let (program, model) = (called::<P>(), folder.join("best"));
    let model = model.display();
    let next = match recipe.model.architecture {
        Architecture::Transformer | Architecture::RnnSeq2Seq => {
            format!("echo '…' | {program} translate --model {model}")
        }
        Architecture::SpeechToText => format!("{program} transcribe --model {model} FILE.wav"),
        Architecture::Gpt | Architecture::Llama | Architecture::Lstm | Architecture::Gru => {
            format!("{program} generate --model {model} --prompt '…'")
        }
        Architecture::Bert => format!("echo '… [MASK] …' | {program} fill-mask --model {model}"),
        Architecture::BertClassifier => format!("echo '…' | {program} classify --model {model}"),
        Architecture::Vit => format!("{program} classify --model {model} IMAGE"),
    };
    console.say(format!("next: {next}"));
    if console.json {
        let result = json!({
            "folder": folder,
            "steps": outcome.steps,
            "best_step": outcome.best_step,
            "best_loss": outcome.best.loss(),
            "last_loss": outcome.last.loss(),
            "perplexity": outcome.best.perplexity(),
            "n_tokens": outcome.best.n_tokens,
            "tokens_per_s": outcome.tokens_per_s,
            "seconds": outcome.duration.as_secs_f64(),
            "skipped": outcome.n_skipped,
        });
        console.result(&result, "")?;
    }
    Ok(())
}

/// `--print-config`: the recipe that would be trained.
pub(crate) fn print_config<P: Platform>(
    options: &Train,
    seed: Option<u64>,
    console: Console,
) -> Result<(), CliError> {
    let recipe = resolve::<P>(options, seed)?.recipe;
    console.result(&json!(recipe), recipe.to_toml().trim_end())
}

/// What a command line asks for.
pub(crate) struct Resolved {
    /// With all that the command line changes.
    pub(crate) recipe: Recipe,
    /// What a run by it is called.
    pub(crate) name: String,
    /// Where it goes on, if it does.
    from: Option<(PathBuf, Resume)>,
}

/// Reads the recipe and checks it.
pub(crate) fn resolve<P: Platform>(
    options: &Train,
    seed: Option<u64>,
) -> Result<Resolved, CliError> {
    let mut recipe = Recipe::read(&options.config, &options.set, &options.data)?;
    recipe.train.seed = seed.unwrap_or(recipe.train.seed);
    let name = options
        .config
        .file_stem()
        .map_or("run".into(), |stem| stem.to_string_lossy());
    let from = match &options.resume {
        Some(path) => Some(go_on(path, options.out.as_deref(), &name)?),
        None => None,
    };
    let before = from.as_ref().and_then(|(folder, _)| replicas_of(folder));
    let asked = options.replicas.or(recipe.train.replicas).or(before);
    recipe.train.replicas = Some(n_replicas::<P>(asked, &recipe));
    let name = name.into_owned();
    Ok(Resolved { recipe, name, from })
}

/// How many replicas train a recipe: no more than a batch has rows.
///
/// - `asked`: as the user says, if anything
pub(crate) fn n_replicas<P: Platform>(asked: Option<usize>, recipe: &Recipe) -> usize {
    let most = recipe.train.batch_size.unwrap_or(usize::MAX);
    let default = || P::n_replicas().min(most);
    decided().or(asked).unwrap_or_else(default)
}

/// With how many replicas a run was begun, if its recipe says so.
fn replicas_of(folder: &Path) -> Option<usize> {
    let recipe = Recipe::read(&folder.join("config.toml"), &[], &[]);
    recipe.ok()?.train.replicas
}
