//! `evaluate`: how good a model is on data, or what was written beside what is right.

mod classes;
mod files;
mod models;
mod texts;

use crate::console::Console;
use crate::error::CliError;
use serde_json::{Map, Value};

pub(crate) use files::run as files;
pub(crate) use models::run as models;

/// Metrics as they are told.
#[derive(Debug, Default)]
struct Report {
    json: Map<String, Value>,
    /// For people.
    lines: Vec<String>,
}

impl Report {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.json.insert(key.to_owned(), value.into());
    }

    fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    fn tell(self, console: Console) -> Result<(), CliError> {
        console.result(&Value::Object(self.json), self.lines.join("\n"))
    }
}
