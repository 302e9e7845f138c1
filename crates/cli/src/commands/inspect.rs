//! `inspect`: what a model directory holds, and what it costs ([`hearth_hub::Cost`] says how that is counted).

use super::loaded::open;
use crate::Context;
use crate::arguments::Inspect;
use crate::console::thousands;
use crate::error::CliError;
use crate::platform::Platform;
use hearth_hub::{Cost, Parameter, TokenCost};
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Inspect, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open(&options.model, context)?;
    let directory = &loaded.directory;
    let parameters = directory.model.parameters();
    let n_parameters = loaded.n_parameters();
    let (architecture, dialect) = (directory.config.architecture(), directory.dialect.name());
    let tokenizer = directory
        .tokenizer
        .as_ref()
        .map(hearth_data::Tokenizer::vocab);
    let list: Vec<_> = parameters
        .iter()
        .map(|p| json!({ "name": p.path, "shape": p.shape }))
        .collect();
    let cost = directory.config.cost(&parameters);
    let token = |cost: &TokenCost| {
        json!({
            "n_multiplied": cost.n_multiplied,
            "cache_bytes": cost.cache_bytes,
            "attention_flops_per_position": cost.attention_flops_per_position,
            "flops": cost.flops,
        })
    };
    let result = json!({
        "architecture": architecture,
        "dialect": dialect,
        "n_parameters": n_parameters,
        "bytes": cost.weight_bytes,
        "cache_bytes": cost.cache_bytes,
        "per_token": token(&cost.token),
        "per_source_token": cost.source_token.as_ref().map(token),
        "tokenizer_vocab": tokenizer,
        "config": directory.config,
        "parameters": list,
    });
    let mut text = format!(
        "{}: {architecture}, written as {dialect}\n{} parameters, {:.1} MiB in f32; {}\n{}\n",
        loaded.path().display(),
        thousands(n_parameters),
        (4 * n_parameters) as f64 / f64::from(1 << 20),
        tokenizer.map_or("no tokenizer".to_owned(), |vocab| format!(
            "tokenizer of {} tokens",
            thousands(vocab)
        )),
        costs(&cost),
    );
    text += &tree(&parameters);
    context.console.result(&result, text.trim_end())
}

/// A line a kind of token, and one for a whole text.
fn costs(cost: &Cost) -> String {
    let line = |name: &str, cost: &TokenCost| {
        let cache = match cost.cache_bytes {
            0 => String::new(),
            bytes => format!("; {} bytes of keys and values", thousands(bytes as usize)),
        };
        let flops = thousands(cost.flops as usize);
        format!("{name}: {flops} floating-point operations over a full context{cache}\n")
    };
    let source = cost.source_token.as_ref();
    let text = match cost.cache_bytes {
        None | Some(0) => String::new(),
        Some(bytes) => {
            let bytes = thousands(bytes as usize);
            format!("a full context: {bytes} bytes of keys and values at most\n")
        }
    };
    line("a token", &cost.token)
        + &source.map_or_else(String::new, |cost| line("a source token", cost))
        + &text
}

/// Parameters as a tree: a part that several share is written once.
fn tree(parameters: &[Parameter]) -> String {
    let width = parameters
        .iter()
        .map(|p| indented_width(&p.path))
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    let mut open: Vec<&str> = Vec::new();
    for parameter in parameters {
        let parts: Vec<&str> = parameter.path.split('.').collect();
        let (leaf, parents) = parts.split_last().unwrap_or((&"", &[]));
        let shared = open.iter().zip(parents).take_while(|(a, b)| a == b).count();
        open.truncate(shared);
        for part in &parents[shared..] {
            text += &format!("{}{part}\n", "  ".repeat(open.len()));
            open.push(part);
        }
        let name = format!("{}{leaf}", "  ".repeat(open.len()));
        text += &format!("{name:width$}  {:?}\n", parameter.shape);
    }
    text
}

fn indented_width(path: &str) -> usize {
    let parts: Vec<&str> = path.split('.').collect();
    2 * (parts.len() - 1) + parts.last().map_or(0, |leaf| leaf.len())
}
