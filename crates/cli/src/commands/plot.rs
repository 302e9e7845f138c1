//! `plot`: the losses of runs as a picture.

use crate::Context;
use crate::arguments::Plot;
use crate::error::CliError;
use crate::platform::Platform;
use hearth_train::plot_losses;
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Plot, context: &Context<P>) -> Result<(), CliError> {
    let output = match &options.output {
        Some(path) => path.clone(),
        None => options.runs[0].join("loss.svg"),
    };
    plot_losses(&options.runs, &output)?;
    context.console.result(
        &json!({ "plot": output }),
        format!("drawn to {}", output.display()),
    )
}
