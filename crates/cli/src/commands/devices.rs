//! `devices`: what is there to compute on.

use crate::console::Console;
use crate::error::CliError;
use crate::platform::{Platform, devices};
use serde_json::json;

pub(crate) fn run<P: Platform>(console: Console) -> Result<(), CliError> {
    let devices = devices::<P>()?;
    let width = devices.iter().map(|entry| entry.name.len()).max();
    let width = width.unwrap_or_default();
    for (i, entry) in devices.iter().enumerate() {
        let default = i == 0;
        let result = json!({
            "backend": P::NAME,
            "name": entry.name,
            "description": entry.description,
            "default": default,
        });
        let mark = if default { "  (default)" } else { "" };
        let text = format!("{:width$}  {}{mark}", entry.name, entry.description);
        console.result(&result, text)?;
    }
    Ok(())
}
