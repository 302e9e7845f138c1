//! `train`: a model by a recipe.

use super::run_folder::{Follower, choose, describe};
use crate::arguments::Train;
use crate::error::CliError;
use crate::platform::Platform;
use crate::progress::readable;
use crate::{Context, called};
use hearth_train::{Architecture, Recipe};
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Train, context: &Context<P>) -> Result<(), CliError> {
    let mut recipe = Recipe::read(&options.config, &options.set, &options.data)?;
    if let Some(seed) = context.seed {
        recipe.train.seed = seed;
    }
    let name = options
        .config
        .file_stem()
        .map_or("run".into(), |stem| stem.to_string_lossy());
    let folder = choose(options.out.as_deref(), &name)?;
    context.console.detail(recipe.to_toml());
    let mut follower = Follower::new(context.console);
    let outcome =
        hearth_train::run::<P::Backend>(&recipe, &folder, &context.device, &mut |event| {
            follower.hear(event)
        });
    follower.finish();
    let outcome = outcome?;
    let console = &context.console;
    console.say(format!(
        "trained in {} at {:.0} tokens/s\n{}",
        readable(outcome.duration),
        outcome.tokens_per_s,
        describe(&outcome)
    ));
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
            "steps": recipe.train.steps,
            "best_step": outcome.best_step,
            "best_loss": outcome.best.loss(),
            "last_loss": outcome.last.loss(),
            "perplexity": outcome.best.perplexity(),
            "n_tokens": outcome.best.n_tokens,
            "tokens_per_s": outcome.tokens_per_s,
            "seconds": outcome.duration.as_secs_f64(),
        });
        console.result(&result, "")?;
    }
    Ok(())
}
