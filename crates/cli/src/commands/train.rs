//! `train`: a model by a recipe.

use super::run_folder::{self, choose, describe, go_on};
use crate::arguments::Train;
use crate::console::Console;
use crate::error::CliError;
use crate::platform::Platform;
use crate::progress::readable;
use crate::ranks::Ranks;
use crate::replicas::decided;
use crate::{Context, called};
use hearth_train::{Architecture, Recipe, Resume, TrainError};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn run<P: Platform>(options: &Train, context: &Context<P>) -> Result<(), CliError> {
    let (recipe, name, from) = resolve::<P>(options, context.seed, context.ranks)?;
    let (folder, resume) = match from {
        Some(from) => from,
        None => {
            let folder = choose(options.out.as_deref(), &name, context.is_first())?;
            (folder, Resume::No)
        }
    };
    let Some((outcome, _)) = run_folder::train(&recipe, &folder, resume, None, context)? else {
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
            "accuracy": outcome.best.accuracy(),
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
    let (recipe, ..) = resolve::<P>(options, seed, None)?;
    console.result(&json!(recipe), recipe.to_toml().trim_end())
}

/// A recipe, what a run by it is called, and where it goes on, if it does.
pub(crate) type Resolved = (Recipe, String, Option<(PathBuf, Resume)>);

/// The recipe with all that the command line changes.
pub(crate) fn resolve<P: Platform>(
    options: &Train,
    seed: Option<u64>,
    ranks: Option<&Ranks>,
) -> Result<Resolved, CliError> {
    let config = match &options.config {
        Some(config) => config.clone(),
        None => own_recipe(options)?,
    };
    let mut recipe = Recipe::read(&config, &options.set, &options.data)?;
    recipe.train.seed = seed.unwrap_or(recipe.train.seed);
    let name = config
        .file_stem()
        .map_or("run".into(), |stem| stem.to_string_lossy());
    let from = match &options.resume {
        Some(path) => Some(go_on(path, options.out.as_deref(), &name)?),
        None => None,
    };
    let before = from.as_ref().and_then(|(folder, _)| replicas_of(folder));
    let n_replicas = n_replicas::<P>(options.replicas, before, &recipe, ranks)?;
    recipe.train.replicas = Some(n_replicas);
    Ok((recipe, name.into_owned(), from))
}

/// The recipe that a run was begun by which goes on.
fn own_recipe(options: &Train) -> Result<PathBuf, CliError> {
    let recipe = |folder: &Path| {
        let recipe = folder.join("config.toml");
        recipe.is_file().then_some(recipe)
    };
    let (resume, out) = (options.resume.as_deref(), options.out.as_deref());
    match resume.filter(|path| *path != Path::new("auto")) {
        Some(path) => {
            let folder = go_on(path, out, "")?.0;
            recipe(&folder).ok_or_else(|| match folder.exists() {
                true => CliError::Usage(format!(
                    "{} has no config.toml: give the run's recipe by --config",
                    folder.display()
                )),
                false => {
                    let (path, damaged) = (path.to_owned(), Vec::new());
                    TrainError::NoCheckpoint { path, damaged }.into()
                }
            })
        }
        None => out.and_then(recipe).ok_or_else(|| {
            let what = "--resume auto without --config goes on by the recipe of the run in --out, and there is none: give --config";
            CliError::Usage(what.to_owned())
        }),
    }
}

/// How many replicas train a recipe: as many as ranks were started; else as the user, the recipe or the run so far says; else
/// no more than a batch has rows.
///
/// - `asked`: as the user says
/// - `before`: as many as a run had that goes on
pub(crate) fn n_replicas<P: Platform>(
    asked: Option<usize>,
    before: Option<usize>,
    recipe: &Recipe,
    ranks: Option<&Ranks>,
) -> Result<usize, CliError> {
    if let Some(ranks) = ranks {
        let n = ranks.group().share().count();
        return match asked {
            Some(asked) if asked != n => Err(CliError::Usage(format!(
                "--replicas is {asked}, and the launcher started {n} ranks, which are the replicas: leave --replicas away"
            ))),
            _ => Ok(n),
        };
    }
    let most = recipe.train.batch_size.unwrap_or(usize::MAX);
    let default = || P::n_replicas().min(most);
    let said = asked.or(recipe.train.replicas).or(before);
    Ok(decided().or(said).unwrap_or_else(default))
}

/// With how many replicas a run was begun, if its recipe says so.
fn replicas_of(folder: &Path) -> Option<usize> {
    let recipe = Recipe::read(&folder.join("config.toml"), &[], &[]);
    recipe.ok()?.train.replicas
}
