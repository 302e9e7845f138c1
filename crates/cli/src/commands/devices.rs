//! `devices`: what is there to compute on.

use crate::Context;
use crate::error::CliError;
use crate::platform::Platform;
use serde_json::json;

pub(crate) fn run<P: Platform>(context: &Context<P>) -> Result<(), CliError> {
    for (i, entry) in P::devices().iter().enumerate() {
        let default = i == 0;
        let result = json!({
            "backend": P::NAME,
            "name": entry.name,
            "description": entry.description,
            "default": default,
        });
        let mark = if default { "  (default)" } else { "" };
        context.console.result(
            &result,
            format!("{}  {}{mark}", entry.name, entry.description),
        )?;
    }
    Ok(())
}
