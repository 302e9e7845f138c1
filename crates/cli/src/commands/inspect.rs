//! `inspect`: what a model directory holds.

use super::loaded::open;
use crate::Context;
use crate::arguments::Inspect;
use crate::console::thousands;
use crate::error::CliError;
use crate::platform::Platform;
use hearth_hub::Parameter;
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Inspect, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open(&options.model, context)?;
    let directory = &loaded.directory;
    let parameters = directory.model.parameters();
    let n_parameters: usize = parameters
        .iter()
        .map(|p| p.shape.iter().product::<usize>())
        .sum();
    let (architecture, dialect) = (directory.config.architecture(), directory.dialect.name());
    let tokenizer = directory
        .tokenizer
        .as_ref()
        .map(hearth_data::Tokenizer::vocab);
    let list: Vec<_> = parameters
        .iter()
        .map(|p| json!({ "name": p.path, "shape": p.shape }))
        .collect();
    let result = json!({
        "architecture": architecture,
        "dialect": dialect,
        "n_parameters": n_parameters,
        "bytes": 4 * n_parameters,
        "tokenizer_vocab": tokenizer,
        "config": directory.config,
        "parameters": list,
    });
    let mut text = format!(
        "{}: {architecture}, written as {dialect}\n{} parameters, {:.1} MiB in f32; {}\n\n",
        loaded.path().display(),
        thousands(n_parameters),
        (4 * n_parameters) as f64 / f64::from(1 << 20),
        tokenizer.map_or("no tokenizer".to_owned(), |vocab| format!(
            "tokenizer of {} tokens",
            thousands(vocab)
        )),
    );
    text += &tree(&parameters);
    context.console.result(&result, text.trim_end())
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
