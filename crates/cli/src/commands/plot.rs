//! `plot`: the losses of runs as a picture.

use crate::arguments::Plot;
use crate::console::Console;
use crate::error::CliError;
use hearth_train::plot_losses;
use serde_json::json;

pub(crate) fn run(options: &Plot, console: Console) -> Result<(), CliError> {
    let output = match &options.output {
        Some(path) => path.clone(),
        None => options.runs[0].join("loss.svg"),
    };
    plot_losses(&options.runs, &output)?;
    console.result(
        &json!({ "plot": output }),
        format!("drawn to {}", output.display()),
    )
}
