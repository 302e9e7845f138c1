//! `train`: a model by a recipe.

use super::run_folder::{Follower, choose, describe, go_on};
use crate::arguments::Train;
use crate::error::CliError;
use crate::interrupt::{Interrupt, SaveRequest};
use crate::platform::Platform;
use crate::progress::readable;
use crate::ranks::Ranks;
use crate::replicas::{Team, decided, share};
use crate::{Context, called};
use hearth_train::{Architecture, Event, Recipe, Request, Resume, RunOptions, run_with};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub(crate) fn run<P: Platform>(options: &Train, context: &Context<P>) -> Result<(), CliError> {
    let mut recipe = Recipe::read(&options.config, &options.set, &options.data)?;
    if let Some(seed) = context.seed {
        recipe.train.seed = seed;
    }
    let name = options
        .config
        .file_stem()
        .map_or("run".into(), |stem| stem.to_string_lossy());
    let out = options.out.as_deref();
    let is_first = context.ranks.is_none_or(Ranks::is_first) && share().is_none();
    let (folder, resume) = match &options.resume {
        // The first process chooses.
        None if !is_first => (PathBuf::new(), Resume::No),
        None => (choose(out, &name)?, Resume::No),
        Some(path) => go_on(path, out, &name)?,
    };
    let before = match resume {
        Resume::No => None,
        _ => replicas_of(&folder),
    };
    let n_replicas = n_replicas(options.replicas, before, &recipe, context)?;
    recipe.train.replicas = Some(n_replicas);
    let team = Team::join(n_replicas, context.ranks.map(Ranks::group))?;
    context.console.detail(recipe.to_toml());
    let mut follower = Follower::new(context.console);
    let (interrupt, save) = (Interrupt::catch()?, SaveRequest::catch()?);
    let run = RunOptions {
        folder: &folder,
        resume,
        request: &|_| match (interrupt.flow(), save.take()) {
            (ControlFlow::Break(()), _) => Request::Stop,
            (_, true) => Request::Save,
            _ => Request::Continue,
        },
        group: team.group(),
    };
    let hear = &mut |event: &Event| follower.hear(event);
    let outcome = run_with::<P::Backend>(&recipe, &run, &context.device, hear);
    follower.finish();
    let outcome = outcome?;
    if !team.is_first() {
        return match outcome.stopped_at {
            Some(_) => interrupt.check(),
            None => Ok(()),
        };
    }
    let console = &context.console;
    if let Some(step) = outcome.stopped_at {
        console.say(format!(
            "stopped at step {step} of {}; the same command with --out {} --resume goes on from there",
            recipe.train.steps,
            folder.display()
        ));
        if console.json {
            console.result(&json!({ "folder": folder, "stopped_at": step }), "")?;
        }
        return interrupt.check();
    }
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

/// How many replicas train a recipe: as many as ranks were started; else as the user, the recipe or the run so far says; else
/// no more than a batch has rows.
///
/// - `asked`: as the user says
/// - `before`: as many as a run had that goes on
pub(crate) fn n_replicas<P: Platform>(
    asked: Option<usize>,
    before: Option<usize>,
    recipe: &Recipe,
    context: &Context<P>,
) -> Result<usize, CliError> {
    if let Some(ranks) = context.ranks {
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
