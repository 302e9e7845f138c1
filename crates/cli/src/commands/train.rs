//! `train`: a model by a recipe.

use super::run_folder::{Follower, choose, describe, go_on};
use crate::arguments::Train;
use crate::error::CliError;
use crate::interrupt::{Interrupt, SaveRequest};
use crate::platform::Platform;
use crate::progress::readable;
use crate::{Context, called};
use hearth_train::{Architecture, Event, Recipe, Request, Resume, RunOptions, run_with};
use serde_json::json;
use std::ops::ControlFlow;

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
    let (folder, resume) = match &options.resume {
        None => (choose(out, &name)?, Resume::No),
        Some(path) => go_on(path, out, &name)?,
    };
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
    };
    let hear = &mut |event: &Event| follower.hear(event);
    let outcome = run_with::<P::Backend>(&recipe, &run, &context.device, hear);
    follower.finish();
    let outcome = outcome?;
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
