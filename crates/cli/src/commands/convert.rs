//! `convert` and `average`: model directories from model directories.

use super::loaded::open;
use crate::Context;
use crate::arguments::{Average, Convert, Target};
use crate::console::thousands;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use hearth_hub::{Dialect, ModelDirectory};
use serde_json::json;
use std::path::Path;

/// `convert`: the same weights, as another library writes them.
pub(crate) fn convert<P: Platform>(
    options: &Convert,
    context: &Context<P>,
) -> Result<(), CliError> {
    let mut directory = open(&options.model, context)?.directory;
    directory.dialect = match options.to {
        Target::Hearth => Dialect::Hearth,
        // What came from outside goes back as it came.
        Target::Hf if directory.dialect != Dialect::Hearth => directory.dialect,
        Target::Hf => Dialect::outside(&directory.config, &directory.special)?,
    };
    save(&directory, &options.out, options.shard_size, context)
}

/// `average`: the mean of the weights of several models.
pub(crate) fn average<P: Platform>(
    options: &Average,
    context: &Context<P>,
) -> Result<(), CliError> {
    let [first, others @ ..] = options.model.as_slice() else {
        return Err(CliError::Usage("--model is missing".into()));
    };
    if others.is_empty() {
        return Err(CliError::Usage(
            "average needs at least two models: give --model again".into(),
        ));
    }
    let directory = ModelDirectory::<Inference<P>>::average(first, others, &context.device)?;
    save(&directory, &options.out, u64::MAX, context)
}

fn save<P: Platform>(
    directory: &ModelDirectory<Inference<P>>,
    out: &Path,
    most_bytes: u64,
    context: &Context<P>,
) -> Result<(), CliError> {
    directory.save_in_shards(out, most_bytes)?;
    let parameters = directory.model.parameters();
    let n_parameters: usize = parameters
        .iter()
        .map(|parameter| parameter.shape.iter().product::<usize>())
        .sum();
    let (architecture, dialect) = (directory.config.architecture(), directory.dialect.name());
    let result = json!({
        "out": out,
        "architecture": architecture,
        "dialect": dialect,
        "n_parameters": n_parameters,
        "tokenizer": directory.tokenizer.is_some(),
    });
    let text = format!(
        "{}: {architecture}, written as {dialect}; {} parameters",
        out.display(),
        thousands(n_parameters)
    );
    context.console.result(&result, text)
}
