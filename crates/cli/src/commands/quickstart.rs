//! `quickstart`: the main job on embedded data, from nothing to a model that is used.

use super::loaded::{Loaded, Writer, open};
use super::run_folder::{choose, describe, train};
use super::train::n_replicas;
use crate::arguments::Quickstart;
use crate::console::thousands;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::platform::{Inference, Platform};
use crate::progress::{Progress, readable};
use crate::{Context, called};
use hearth_data::Pair;
use hearth_infer::{DecodeOptions, Strategy, translate};
use hearth_train::{Recipe, Resume, held_out_pairs};
use serde_json::json;
use std::path::Path;

/// The recipe, embedded so that the binary needs no file.
const RECIPE: &str = include_str!("../../recipes/number-words.toml");

/// Sentences translated at once.
const BATCH: usize = 250;

pub(crate) fn run<P: Platform>(options: &Quickstart, context: &Context<P>) -> Result<(), CliError> {
    if context.ranks.is_some() {
        let alone =
            "quickstart starts its processes itself: several ranks train with train --config";
        return Err(CliError::Usage(alone.to_owned()));
    }
    let seed: Vec<String> = context
        .seed
        .iter()
        .map(|seed| format!("train.seed={seed}"))
        .collect();
    let mut recipe = Recipe::parse(RECIPE, Path::new("number-words.toml"), &seed, &[])?;
    recipe.train.replicas = Some(n_replicas::<P>(None, None, &recipe, None)?);
    let folder = choose(options.out.as_deref(), "quickstart", context.is_first())?;
    let console = &context.console;
    let about = "training an encoder-decoder Transformer to read numbers in English and write them in French";
    let trained = train(&recipe, &folder, Resume::No, Some(about), context)?;
    let Some((outcome, interrupt)) = trained else {
        return Ok(());
    };
    console.say(format!("trained in {}", readable(outcome.duration)));

    let (training, held_out) = held_out_pairs(&recipe)?;
    let loaded = open(&folder.join("best"), context)?;
    let written = translate_all(&loaded, &held_out, &interrupt, context)?;
    let right = written
        .iter()
        .zip(&held_out)
        .filter(|(text, pair)| **text == pair.target)
        .count();
    let exact = right as f64 / held_out.len() as f64;
    console.say(format!(
        "\n{:.1} % of {} numbers that training never saw are right to the letter ({} of 0 … {} were trained on, the rest \
         kept back by a hash of their English words)",
        100.0 * exact,
        thousands(held_out.len()),
        thousands(training.len()),
        thousands(recipe.data.n_numbers as usize - 1),
    ));
    for (pair, text) in held_out
        .iter()
        .zip(&written)
        .step_by(1 + held_out.len() / 6)
    {
        let mark = if *text == pair.target {
            ""
        } else {
            "   (wrong)"
        };
        console.say(format!("  {} -> {text}{mark}", pair.source));
    }
    let program = called::<P>();
    let shown = folder.display();
    console.say(format!(
        "\n{}\n\ntry next:\n  \
         echo 'seven thousand eight hundred and ninety-one' | {program} translate --model {shown}/best\n  \
         {program} inspect --model {shown}/best\n  \
         {program} train --config {shown}/config.toml --set train.steps=2000 --set model.d_model=128\n  \
         {program} train --help",
        describe(&outcome)
    ));
    if console.json {
        let result = json!({
            "folder": folder,
            "exact_match": exact,
            "n_held_out": held_out.len(),
            "n_trained": training.len(),
            "seconds": outcome.duration.as_secs_f64(),
            "tokens_per_s": outcome.tokens_per_s,
            "validation_loss": outcome.best.loss(),
        });
        console.result(&result, "")?;
    }
    Ok(())
}

/// The model's greedy translation of each source.
fn translate_all<P: Platform>(
    loaded: &Loaded<Inference<P>>,
    pairs: &[Pair],
    interrupt: &Interrupt,
    context: &Context<P>,
) -> Result<Vec<String>, CliError> {
    let Writer::Conditional(model, special) = loaded.writer("quickstart")? else {
        unreachable!("the recipe makes a transformer");
    };
    let tokenizer = loaded.tokenizer("quickstart reads text")?;
    let options = DecodeOptions {
        eos: loaded.end_tokens(false),
        ..DecodeOptions::new(Strategy::Greedy, 60)
    };
    let mut progress = Progress::new(context.console, pairs.len() as u64);
    let mut written = Vec::with_capacity(pairs.len());
    for batch in pairs.chunks(BATCH) {
        let sources: Vec<&str> = batch.iter().map(|pair| pair.source.as_str()).collect();
        let sources = tokenizer.encode_all(&sources)?;
        let go_on = &mut |_| interrupt.flow();
        for texts in translate(&model, &sources, special, &options, &context.device, go_on)? {
            let ids = texts.first().map_or(&[][..], |text| &text.ids);
            written.push(tokenizer.decode(ids)?);
        }
        interrupt.check()?;
        progress.update(written.len() as u64, pairs.len() as u64, || {
            "numbers translated".to_owned()
        });
    }
    progress.finish();
    Ok(written)
}
