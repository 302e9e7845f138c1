//! How a file of labelled texts is laid out, and its rows.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value};

use crate::{DataError, json_lines};

/// What a header may call the column of texts, and that of labels.
const TEXT: [&str; 5] = ["text", "sentence", "question", "query", "utterance"];
const LABEL: [&str; 5] = ["label", "category", "class", "intent", "target"];

/// A row as it is written, trimmed.
#[derive(Debug)]
pub(super) struct Row {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) label: String,
}

/// Where a row's columns are.
#[derive(Debug, Clone, Copy)]
struct Columns {
    text: usize,
    label: usize,
}

/// The rows of a file; [`LabelledText::read`](crate::LabelledText::read) has the rule.
///
/// - `known`: the labels there may be
pub(super) fn parse(
    path: &Path,
    content: &str,
    known: Option<&[String]>,
) -> Result<Vec<Row>, DataError> {
    let mut lines = content.lines();
    let first = lines.find(|line| !line.trim().is_empty());
    let first = first.unwrap_or_default();
    if json_lines::are_in(first) {
        return objects(path, content);
    }
    if first.contains('\t') {
        return lines_with_tabs(path, content, known);
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(content.as_bytes());
    let mut header = csv::StringRecord::new();
    // Reading from memory does not fail, and the text is UTF-8.
    let is_read = reader.read_record(&mut header).unwrap_or(false);
    match named_columns(header.iter()).filter(|_| is_read) {
        Some(columns) => quoted(path, content, reader, &header, columns),
        None => lines_with_detail(path, content),
    }
}

/// The columns that a header names; none if it is no header.
fn named_columns<'a>(cells: impl Iterator<Item = &'a str>) -> Option<Columns> {
    let cells: Vec<String> = cells.map(|cell| cell.trim().to_lowercase()).collect();
    let find = |names: [&str; 5]| cells.iter().position(|cell| names.contains(&cell.as_str()));
    Some(Columns {
        text: find(TEXT)?,
        label: find(LABEL)?,
    })
}

/// Numbered lines that are not blank.
fn full_lines(content: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = content.lines().enumerate();
    let lines = lines.map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim().is_empty())
}

fn objects(path: &Path, content: &str) -> Result<Vec<Row>, DataError> {
    let expected = "an object with a text and a label, such as {\"text\": …, \"label\": …}";
    let rows = json_lines::two_texts(path, content, text_and_label, expected)?;
    let row = |(line, [text, label]): (usize, [String; 2])| Row { line, text, label };
    Ok(rows.into_iter().map(row).collect())
}

fn text_and_label(object: &Map<String, Value>) -> Option<[&Value; 2]> {
    let text = json_lines::named(object, &TEXT)?;
    Some([text, json_lines::named(object, &LABEL)?])
}

fn lines_with_tabs(
    path: &Path,
    content: &str,
    known: Option<&[String]>,
) -> Result<Vec<Row>, DataError> {
    let mut lines = full_lines(content).peekable();
    let header = lines.peek().map_or("", |(_, line)| line);
    let (n_columns, named) = match named_columns(header.split('\t')) {
        Some(columns) => (
            lines.next().map_or(0, |(_, l)| l.split('\t').count()),
            Some(columns),
        ),
        None => (2, None),
    };
    let mut rows: Vec<(usize, Vec<&str>)> = Vec::new();
    for (line, content) in lines {
        let cells: Vec<&str> = content.split('\t').map(str::trim).collect();
        if cells.len() != n_columns {
            let expected = match named {
                Some(_) => format!("{n_columns} columns between tabs, as in the header"),
                None => "`text TAB label` or `label TAB text`".to_owned(),
            };
            return Err(refuse(path, line, content, expected));
        }
        rows.push((line, cells));
    }
    let columns = named.unwrap_or_else(|| columns_without_names(&rows, known));
    let rows = rows.into_iter().map(|(line, cells)| Row {
        line,
        text: cells[columns.text].to_owned(),
        label: cells[columns.label].to_owned(),
    });
    Ok(rows.collect())
}

/// Which of two columns holds the labels.
fn columns_without_names(rows: &[(usize, Vec<&str>)], known: Option<&[String]>) -> Columns {
    let label_is_first = match known {
        Some(known) => rows.first().is_some_and(|(_, cells)| {
            let is_known = |cell: &str| known.iter().any(|label| label == cell);
            is_known(cells[0]) && !is_known(cells[1])
        }),
        None => {
            let n_different = |column: usize| {
                let cells = rows.iter().map(|(_, cells)| cells[column]);
                cells.collect::<HashSet<_>>().len()
            };
            n_different(0) < n_different(1)
        }
    };
    Columns {
        text: usize::from(label_is_first),
        label: usize::from(!label_is_first),
    }
}

/// Counts lines up to a place, which only grows. The reader's own count is one behind where lines end in CR LF.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the first byte from `start` that does not end a line, counted from 1.
    fn at(&mut self, start: usize) -> usize {
        let ends = self.bytes[start..].iter();
        let n_ends = ends.take_while(|byte| b"\r\n".contains(byte)).count();
        let passed = &self.bytes[self.at..start + n_ends];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at = start + n_ends;
        self.line
    }
}

fn quoted(
    path: &Path,
    content: &str,
    mut reader: csv::Reader<&[u8]>,
    header: &csv::StringRecord,
    columns: Columns,
) -> Result<Vec<Row>, DataError> {
    let mut rows = Vec::new();
    let mut lines = Lines {
        bytes: content.as_bytes(),
        at: 0,
        line: 1,
    };
    for record in reader.records() {
        // As above.
        let Ok(record) = record else { continue };
        let at = record.position().map_or(0, |position| position.byte()) as usize;
        let line = lines.at(at);
        let found = || record.iter().collect::<Vec<_>>().join(",");
        if record.len() != header.len() {
            let expected = format!(
                "{} columns, as in the header; a text with a comma stands in quotes",
                header.len()
            );
            return Err(refuse(path, line, &found(), expected));
        }
        let label = record[columns.label].trim();
        if label.contains('\n') {
            // A quote that is never closed would make the rest of the file one label.
            let expected =
                "a label of one line, and a closing quote for each that opens".to_owned();
            return Err(refuse(path, line, &found(), expected));
        }
        rows.push(Row {
            line,
            text: record[columns.text].trim().to_owned(),
            label: label.to_owned(),
        });
    }
    Ok(rows)
}

fn lines_with_detail(path: &Path, content: &str) -> Result<Vec<Row>, DataError> {
    let lines = full_lines(content);
    lines
        .map(|(line, content)| {
            let words = content.trim().split_once(char::is_whitespace);
            let row = words.and_then(|(label, text)| Some((label.split_once(':')?.0, text)));
            let Some((label, text)) = row.filter(|(label, _)| !label.is_empty()) else {
                let expected = "`LABEL:detail text` as in the whole file, or as the first line `text TAB label` or a \
                                header such as `text,label`";
                return Err(refuse(path, line, content, expected.to_owned()));
            };
            Ok(Row {
                line,
                text: text.trim().to_owned(),
                label: label.to_owned(),
            })
        })
        .collect()
}

fn refuse(path: &Path, line: usize, found: &str, expected: String) -> DataError {
    DataError::Row {
        path: path.into(),
        line,
        found: found.chars().take(60).collect(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(content: &str) -> Result<Vec<(usize, String, String)>, String> {
        let rows = parse(Path::new("file"), content, None).map_err(|error| error.to_string())?;
        Ok(rows
            .into_iter()
            .map(|row| (row.line, row.text, row.label))
            .collect())
    }

    #[track_caller]
    fn assert_rows(content: &str, expected: &[(usize, &str, &str)]) {
        let rows = rows(content).unwrap();
        let found = rows
            .iter()
            .map(|(line, text, label)| (*line, text.as_str(), label.as_str()));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{content:?}");
    }

    #[test]
    fn a_line_may_be_an_object() {
        let lines = r#"{"id": 7, "label": 3, "text": " a\tb "}

{"sentence": "c", "intent": "no"}"#;
        assert_rows(lines, &[(1, "a\tb", "3"), (3, "c", "no")]);
        for (line, expected) in [
            ("{\"text\": \"a\"}", "a text and a label"),
            ("{\"text\": [], \"label\": 1}", "a text and a label"),
            (
                "{\"text\"",
                "line 1: found \"{\\\"text\\\"\", expected a JSON object in one line",
            ),
        ] {
            let error = rows(line).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_layout_gives_its_rows() {
        assert_rows(
            "Sentence\tidx\tLabel\r\n a \"b \t0\tx\r\n\r\nc\t1\ty\r\n",
            &[(2, "a \"b", "x"), (4, "c", "y")],
        );
        assert_rows("a\tx\nb\tx\n", &[(1, "a", "x"), (2, "b", "x")]);
        assert_rows("x\ta\nx\tb\n", &[(1, "a", "x"), (2, "b", "x")]);
        // As many of both: the second.
        assert_rows("a\tx\nb\ty\n", &[(1, "a", "x"), (2, "b", "y")]);
        assert_rows(
            "category,text\r\nx,\"one, \"\"two\"\"\r\nthree\"\r\ny,four\r\n",
            &[(2, "one, \"two\"\r\nthree", "x"), (4, "four", "y")],
        );
        assert_rows("\n\"text\",\"label\"\na,x\n", &[(3, "a", "x")]);
        assert_rows(
            "\nA:b What , then ?\nC:d:e  Who ?\n",
            &[(2, "What , then ?", "A"), (3, "Who ?", "C")],
        );
        assert_rows("", &[]);
        assert_rows("text,label\n", &[]);
    }

    #[test]
    fn a_row_that_does_not_fit_is_located() {
        for (content, expected) in [
            (
                "text\tlabel\na\tx\nb\n",
                "file, line 3: found \"b\", expected 2 columns between tabs",
            ),
            (
                "a\tx\tz\n",
                "line 1: found \"a\\tx\\tz\", expected `text TAB label` or",
            ),
            (
                "text,label\nb,x\nc,d,x\n",
                "line 3: found \"c,d,x\", expected 2 columns, as",
            ),
            (
                "text,label\n\"b,x\nc,x\n",
                "line 2: found \"b,x\\nc,x\\n\", expected 2 columns",
            ),
            (
                "text,label\na,\"x\nb,y\n",
                "line 2: found \"a,x\\nb,y\\n\", expected a label of one line",
            ),
            (
                "only words\n",
                "line 1: found \"only words\", expected `LABEL:detail text`",
            ),
            ("A:b c\n:b c\n", "line 2: found \":b c\""),
            ("A:b\n", "line 1: found \"A:b\""),
        ] {
            let error = rows(content).unwrap_err();
            assert!(error.contains(expected), "{content:?}: {error}");
        }
    }
}
