//! `train --dry-run`: whether a run can begin, and what it will cost. Nothing is written.

use super::run_folder::choose;
use super::train::{Resolved, resolve};
use crate::Context;
use crate::arguments::Train;
use crate::console::thousands;
use crate::error::CliError;
use crate::memory::{peak_megabytes, resident_megabytes};
use crate::platform::Platform;
use crate::progress::readable;
use crate::replicas::Team;
use hearth_train::{Memory, Recipe, Stage, rehearse};
use serde_json::{Map, json};

pub(crate) fn run<P: Platform>(options: &Train, context: &Context<P>) -> Result<(), CliError> {
    let Resolved { recipe, name, .. } = resolve::<P>(options, context.seed)?;
    // A folder that is not free is refused now.
    choose(options.out.as_deref(), &name)?;
    let n_replicas = recipe.train.replicas.unwrap_or(1);
    let team = Team::join(n_replicas)?;
    let console = context.console;
    let mut before = None;
    let hear = &mut |stage: &Stage| match stage {
        Stage::Ready { n_parameters, data } => {
            before = resident_megabytes();
            console.say(format!("{} parameters; {data}", thousands(*n_parameters)));
            console.say("nothing is written: one validation and a few steps, to be timed");
        }
        Stage::Validated => console.detail("validated"),
        Stage::Stepped(n) => console.detail(format!("step {n}")),
    };
    let rehearsal = rehearse::<P::Backend>(&recipe, team.group(), &context.device, hear)?;
    if !team.is_first() {
        return Ok(());
    }
    let peak = peak_megabytes();
    let parts = parts(&recipe, rehearsal.memory, before.zip(peak));
    let total: f64 = parts.iter().map(|part| part.megabytes).sum();
    let timing = &rehearsal.timing;
    let memory: Map<_, _> = parts
        .iter()
        .map(|part| {
            (
                part.name.to_owned(),
                json!({ "mb": part.megabytes, "how": part.how }),
            )
        })
        .collect();
    let (a_step, validation) = (timing.median().as_secs_f64(), rehearsal.validation);
    let result = json!({
        "backend": P::NAME,
        "device": context.device_name,
        "n_parameters": rehearsal.n_parameters,
        "replicas": n_replicas,
        "memory": memory,
        "memory_mb": total,
        "peak_mb": peak,
        "flops_per_step": rehearsal.flops_per_step,
        "ms_per_step": a_step * 1e3,
        "tokens_per_s": timing.tokens_per_s(),
        "steps": rehearsal.steps,
        "validation_s": validation.as_secs_f64(),
        "validations": rehearsal.n_validations,
        "seconds": rehearsal.duration().as_secs_f64(),
    });
    let whose = match n_replicas {
        1 => String::new(),
        n => format!(", in each of {n} processes"),
    };
    let lines = parts.iter().map(|part| {
        let Part {
            name,
            megabytes,
            how,
        } = part;
        let name = name.replace('_', " ");
        format!("  {name:<16} {megabytes:>9.1} MB  {how}\n")
    });
    let text = format!(
        "{} parameters on {}\nabout {total:.0} MB of memory{whose}\n{}\
         a step: {:.2} GFLOP, {:.1} ms (median of {}), {:.0} tokens/s\n\
         the run: {} steps and {} validations of {:.1} s, about {}",
        thousands(rehearsal.n_parameters),
        context.device_name,
        lines.collect::<String>(),
        rehearsal.flops_per_step as f64 / 1e9,
        a_step * 1e3,
        timing.steps.len(),
        timing.tokens_per_s(),
        thousands(rehearsal.steps as usize),
        rehearsal.n_validations,
        validation.as_secs_f64(),
        readable(rehearsal.duration()),
    );
    console.result(&result, text)
}

/// A part of the memory, in units of 10⁶ bytes, and how it is known.
struct Part {
    name: &'static str,
    megabytes: f64,
    how: String,
}

/// - `measured`: what the process had when its model was made, and at most until the end of the steps
fn parts(recipe: &Recipe, memory: Memory, measured: Option<(f64, f64)>) -> Vec<Part> {
    let part = |name, n_bytes: u64, how: String| Part {
        name,
        megabytes: n_bytes as f64 / 1e6,
        how,
    };
    let Memory {
        weights,
        gradients,
        optimizer,
        activations,
    } = memory;
    let times = |n_bytes: u64| n_bytes / weights.max(1);
    let optimizer_name = json!(recipe.train.optimizer);
    let mut parts = vec![
        part("weights", weights, "4 bytes a parameter".to_owned()),
        part(
            "gradients",
            gradients,
            format!("{} times the weights", times(gradients)),
        ),
        part(
            "optimizer",
            optimizer,
            format!(
                "{} times the weights, for {}",
                times(optimizer),
                optimizer_name.as_str().unwrap_or_default()
            ),
        ),
        part(
            "activations",
            activations,
            "by the shapes of matrices and attention, for the largest of the first batches"
                .to_owned(),
        ),
    ];
    if let Some((before, peak)) = measured {
        let mut measured = |name, megabytes: f64, how: &str| {
            let (megabytes, how) = (megabytes.max(0.0), format!("measured: {how}"));
            parts.push(Part {
                name,
                megabytes,
                how,
            });
        };
        let shapes = memory.total() as f64 / 1e6;
        let before = before - weights as f64 / 1e6;
        measured(
            "program_and_data",
            before,
            "what the process had before its first step, but for the weights",
        );
        measured(
            "temporaries",
            peak - before - shapes,
            "what else it had at most in these steps, and what its allocator keeps",
        );
    }
    parts
}
