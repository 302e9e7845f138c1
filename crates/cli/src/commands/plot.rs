//! `plot`: the losses of runs as a picture.

use crate::arguments::Plot;
use crate::console::Console;
use crate::error::CliError;
use hearth_train::plot_losses;
use serde_json::json;

pub(crate) fn run(options: &Plot, console: Console) -> Result<(), CliError> {
    let output = match (&options.output, options.runs.as_slice()) {
        (Some(path), _) => path.clone(),
        (None, [run]) => run.join("loss.svg"),
        // Each of several runs has a picture of its own.
        (None, runs) => runs[0].with_file_name("losses.svg"),
    };
    plot_losses(&options.runs, &output)?;
    console.result(
        &json!({ "plot": output }),
        format!("drawn to {}", output.display()),
    )
}
