//! `bench decode`: the tokens that a model writes.

use super::peak::bytes_per_s;
use super::{median, random_rows};
use crate::Context;
use crate::arguments::BenchDecode;
use crate::commands::loaded::{Loaded, Writer, open_in};
use crate::console::thousands;
use crate::error::CliError;
use crate::memory::peak_megabytes;
use crate::platform::{Inference, Platform};
use crate::progress::Progress;
use hearth_infer::{BeamSearch, DecodeOptions, Strategy, generate, translate};
use hearth_model::{Autoregressive, Conditional};
use serde_json::json;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

pub(crate) fn run<P: Platform>(
    options: &BenchDecode,
    context: &Context<P>,
) -> Result<(), CliError> {
    let loaded = open_in(&options.model, options.precision.get(), context)?;
    let n_rounds = options.rounds as u64;
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    let mut progress = Progress::new(context.console, n_rounds + 1);
    for round in 0..=n_rounds {
        // A single token, and then all of them: what lies between is spent on the others.
        let one = write(&loaded, options, 1, context)?;
        let all = write(&loaded, options, options.max_new_tokens, context)?;
        if round > 0 {
            first.push(one);
            whole.push(all);
        }
        progress.update(round + 1, n_rounds + 1, || "rounds".to_owned());
    }
    progress.finish();
    let (first, whole) = (median(first), median(whole));
    let n_steps = options.max_new_tokens - 1;
    let a_step = whole.saturating_sub(first).as_secs_f64() / n_steps as f64;
    let rate = options.batch_size as f64 / a_step.max(1e-9);
    let peak = peak_megabytes();

    let directory = &loaded.directory;
    let parameters = directory.model.parameters();
    let cost = directory.config.cost(&parameters);
    // What a step reads: all matrices, and of each text what it has kept by then, on average.
    let n_texts = (options.batch_size * options.beam) as u64;
    let source = cost.source_token.map_or(0, |source| source.cache_bytes);
    let n_read = match cost.source_token {
        Some(_) => options.max_new_tokens / 2,
        None => options.prompt_tokens + options.max_new_tokens / 2,
    };
    let kept = n_read as u64 * cost.token.cache_bytes + options.prompt_tokens as u64 * source;
    let size = options.precision.get().size() as u64;
    let bytes = size * cost.token.n_multiplied + n_texts * kept * size / 4;
    let limit = bytes_per_s::<Inference<P>>(&context.device);
    let share = bytes as f64 / a_step.max(1e-9) / limit;

    let n_parameters = loaded.n_parameters();
    let result = json!({
        "backend": P::NAME,
        "device": context.device_name,
        "model": options.model,
        "n_parameters": n_parameters,
        "prompt_tokens": options.prompt_tokens,
        "max_new_tokens": options.max_new_tokens,
        "batch_size": options.batch_size,
        "beam": options.beam,
        "precision": options.precision.get().name(),
        "tokens_per_s": rate,
        "ms_per_step": a_step * 1e3,
        "first_token_ms": first.as_secs_f64() * 1e3,
        "bytes_per_step": bytes,
        "peak_bytes_per_s": limit,
        "share_of_peak": share,
        "peak_mb": peak,
    });
    let memory = peak.map_or(String::new(), |peak| format!(", {peak:.0} MB at most"));
    let text = format!(
        "{rate:.1} tokens/s: {:.2} ms a step (median of {n_rounds} rounds), the first token behind {:.1} ms{memory}\n\
         {:.0} % of the {:.1} GB/s at which {} reads matrices; {} parameters",
        a_step * 1e3,
        first.as_secs_f64() * 1e3,
        share * 100.0,
        limit / 1e9,
        context.device_name,
        thousands(n_parameters),
    );
    context.console.result(&result, text)
}

/// The time that it takes to write so many tokens behind random ones.
fn write<P: Platform>(
    loaded: &Loaded<Inference<P>>,
    options: &BenchDecode,
    n_tokens: usize,
    context: &Context<P>,
) -> Result<Duration, CliError> {
    let strategy = match options.beam {
        1 => Strategy::Greedy,
        width => Strategy::Beam(BeamSearch::new(width)),
    };
    let decode = DecodeOptions::new(strategy, n_tokens);
    let shape = [options.batch_size, options.prompt_tokens];
    let rows = |vocab| random_rows(context.seed.unwrap_or(0), shape, vocab);
    let (device, go_on) = (&context.device, &mut |_| ControlFlow::Continue(()));
    let writer = loaded.writer("bench decode")?;
    let began;
    let texts = match &writer {
        Writer::Language(model) => {
            let prompts = rows(model.vocab());
            began = Instant::now();
            generate(model, &prompts, &decode, device, go_on)
        }
        Writer::Conditional(model, special) => {
            let sources = rows(model.source_size());
            began = Instant::now();
            translate(model, &sources, *special, &decode, device, go_on)
        }
    }?;
    let took = began.elapsed();
    let short = texts
        .iter()
        .flatten()
        .find(|text| text.ids.len() < n_tokens);
    match short {
        None => Ok(took),
        Some(text) => Err(CliError::Usage(format!(
            "--max-new-tokens is {n_tokens}, but behind {} tokens the model has positions for {}",
            options.prompt_tokens,
            text.ids.len()
        ))),
    }
}
