//! `bench train`: training steps of a recipe.

use crate::Context;
use crate::arguments::BenchTrain;
use crate::commands::train::n_replicas;
use crate::console::thousands;
use crate::error::CliError;
use crate::memory::peak_megabytes;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::ranks::Ranks;
use crate::replicas::Team;
use hearth_train::{Recipe, time_steps};
use serde_json::json;
use std::time::Instant;

pub(crate) fn run<P: Platform>(options: &BenchTrain, context: &Context<P>) -> Result<(), CliError> {
    let mut recipe = Recipe::read(&options.config, &options.set, &[])?;
    if let Some(seed) = context.seed {
        recipe.train.seed = seed;
    }
    let n_replicas = n_replicas::<P>(options.replicas, None, &recipe, context.ranks)?;
    let team = Team::join(n_replicas, context.ranks.map(Ranks::group))?;
    let (n_warm_up, steps) = (options.warm_up as u64, options.steps as u64);
    let began = Instant::now();
    let mut first = None;
    let mut progress = Progress::new(context.console, n_warm_up + steps);
    let timing = time_steps::<P::Backend>(
        &recipe,
        n_warm_up,
        steps,
        team.group(),
        &context.device,
        &mut |done| {
            first.get_or_insert_with(|| began.elapsed());
            progress.update(done, n_warm_up + steps, || "steps".to_owned());
        },
    )?;
    progress.finish();
    if !team.is_first() {
        return Ok(());
    }
    let (rate, median) = (timing.tokens_per_s(), timing.median().as_secs_f64() * 1e3);
    let first = first.unwrap_or_default().as_secs_f64();
    let peak = peak_megabytes();
    let result = json!({
        "backend": P::NAME,
        "device": context.device_name,
        "config": options.config,
        "n_parameters": timing.n_parameters,
        "steps": steps,
        "replicas": n_replicas,
        "tokens_per_s": rate,
        "ms_per_step": median,
        "first_step_s": first,
        "loss": timing.loss,
        "peak_mb": peak,
    });
    let memory = peak.map_or(String::new(), |peak| format!(", {peak:.0} MB at most"));
    let text = format!(
        "{rate:.0} tokens/s: {median:.1} ms a step (median of {steps}), the first {first:.1} s{memory}; {} parameters on {}",
        thousands(timing.n_parameters),
        context.device_name,
    );
    context.console.result(&result, text)
}
