//! Files with a JSON object a line, as data sets are often given.

use std::path::Path;

use serde_json::{Map, Value};

use crate::DataError;

/// Whether a file's first line that is not blank begins an object.
pub(crate) fn are_in(content: &str) -> bool {
    content.trim_start().starts_with('{')
}

/// Two texts of each line, and the line's number, counted from 1. Numbers and truth values are texts as they are written.
///
/// - `find`: the two of an object
/// - `expected`: what a line should be
pub(crate) fn two_texts(
    path: &Path,
    content: &str,
    find: fn(&Map<String, Value>) -> Option<[&Value; 2]>,
    expected: &str,
) -> Result<Vec<(usize, [String; 2])>, DataError> {
    let lines = content.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &str)| {
        let refuse = |expected: String| DataError::Row {
            path: path.into(),
            line: index + 1,
            found: line.chars().take(60).collect(),
            expected,
        };
        let object: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| refuse(format!("a JSON object in one line ({error})")))?;
        let texts = find(&object).and_then(|[one, other]| Some([text(one)?, text(other)?]));
        let texts = texts.ok_or_else(|| refuse(expected.to_owned()))?;
        Ok((index + 1, texts))
    };
    lines.map(read).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The value of the first of these names that an object has.
pub(crate) fn named<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|&name| object.get(name))
}
