//! Texts with a label each: what a classifier learns from.

mod rows;

use std::path::PathBuf;

use crate::labels::{label_numbers, sorted_labels};
use crate::parallel::is_held_out;
use crate::{DataError, read_text};
use rows::Row;

/// A text and the class it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledRow {
    /// What is read.
    pub text: String,
    /// The number of its label in [`LabelledText::labels`].
    pub label: usize,
}

/// Texts with a label each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledText {
    /// The texts, in the order of their files.
    pub rows: Vec<LabelledRow>,
    /// The names of the labels. As read without names given: each once, numbers by value, else by code points.
    pub labels: Vec<String>,
    /// How many rows were left out because their text or label was empty.
    pub n_skipped: usize,
}

impl LabelledText {
    /// Reads texts and their labels, and numbers the labels in their sorted order.
    ///
    /// A file's first line that is not blank says how it is laid out:
    ///
    /// - an object, `{…}`: each line is one, with a text and a label under the names below;
    /// - with a tab: a row is a line, its columns lie between tabs, quotes are characters as others;
    /// - a header with commas, such as `text,category`: CSV, where a quoted text may hold commas and line breaks;
    /// - else, as TREC's questions: `LABEL:detail text`, the detail being left out.
    ///
    /// Columns are found by a header, whatever else it names: one of `text`, `sentence`, `question`, `query`,
    /// `utterance` and one of `label`, `category`, `class`, `intent`, `target`. Lines with tabs may lack one. Then they
    /// have two columns, and that with fewer different values holds the labels: the second, if both have as many.
    ///
    /// Texts and labels are trimmed. A row where one is empty is left out and counted.
    ///
    /// # Errors
    ///
    /// A file cannot be read as text ([`read_text`]), a row has other columns than the first line says, or there are fewer
    /// than two labels.
    pub fn read(paths: &[PathBuf]) -> Result<Self, DataError> {
        let (rows, n_skipped) = read_rows(paths, None)?;
        let labels = sorted_labels(rows.iter().map(|(_, row)| row.label.as_str()));
        if let [label] = labels.as_slice() {
            return Err(DataError::OneLabel {
                paths: paths.to_vec(),
                label: label.clone(),
            });
        }
        number(rows, labels, n_skipped)
    }

    /// Reads further texts with labels that are known by now, for validation or a test; otherwise as [`read`](Self::read).
    ///
    /// Lines with tabs and without a header hold the label in the column where the first line has a known one.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read), but one label is enough, and each has to be a known one.
    pub fn read_with_labels(paths: &[PathBuf], labels: &[String]) -> Result<Self, DataError> {
        let (rows, n_skipped) = read_rows(paths, Some(labels))?;
        number(rows, labels.to_vec(), n_skipped)
    }

    /// Texts that are already in memory, each with the name of its label.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = (String, &'a str)>) -> Self {
        let rows: Vec<_> = rows.into_iter().collect();
        let labels = sorted_labels(rows.iter().map(|(_, label)| *label));
        let numbers = label_numbers(&labels);
        let rows = rows.into_iter().map(|(text, label)| LabelledRow {
            text,
            label: numbers[label],
        });
        Self {
            rows: rows.collect(),
            labels,
            n_skipped: 0,
        }
    }

    /// Sets about `fraction` of the texts aside: `(train, validation)`, each with all labels and in the order of the corpus.
    ///
    /// A stable hash of the text decides, so a text that occurs twice stays on one side, and adding rows to a corpus moves
    /// none of the old ones.
    ///
    /// # Panics
    ///
    /// If `fraction` is outside `[0, 1]`.
    pub fn split(self, fraction: f64) -> (Self, Self) {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "the validation fraction is {fraction}, expected 0 to 1"
        );
        let rows = self.rows.into_iter();
        let (train, validation) = rows.partition(|row| !is_held_out(&row.text, fraction));
        let side = |rows, n_skipped| Self {
            rows,
            labels: self.labels.clone(),
            n_skipped,
        };
        (side(train, self.n_skipped), side(validation, 0))
    }
}

/// A row and the file it is from.
type FileRow<'a> = (&'a PathBuf, Row);

/// The rows of some files with the place of their file, and how many were left out.
fn read_rows<'a>(
    paths: &'a [PathBuf],
    known: Option<&[String]>,
) -> Result<(Vec<FileRow<'a>>, usize), DataError> {
    let (mut all, mut n_skipped) = (Vec::new(), 0);
    for path in paths {
        let rows = rows::parse(path, &read_text(path)?, known)?;
        let n_rows = rows.len();
        let full = |row: &Row| !row.text.is_empty() && !row.label.is_empty();
        let before = all.len();
        all.extend(rows.into_iter().filter(full).map(|row| (path, row)));
        n_skipped += n_rows - (all.len() - before);
    }
    if all.is_empty() {
        return Err(DataError::NoRows {
            paths: paths.to_vec(),
            n_skipped,
        });
    }
    Ok((all, n_skipped))
}

fn number(
    rows: Vec<(&PathBuf, Row)>,
    labels: Vec<String>,
    n_skipped: usize,
) -> Result<LabelledText, DataError> {
    let numbers = label_numbers(&labels);
    let rows = rows.into_iter().map(|(path, row)| {
        let Some(&label) = numbers.get(row.label.as_str()) else {
            return Err(DataError::UnknownLabel {
                path: path.clone(),
                line: row.line,
                label: row.label,
                known: labels.clone(),
            });
        };
        Ok(LabelledRow {
            text: row.text,
            label,
        })
    });
    let rows = rows.collect::<Result<_, _>>()?;
    Ok(LabelledText {
        rows,
        labels,
        n_skipped,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, io::Write};

    use flate2::{Compression, write::GzEncoder};
    use tempfile::TempDir;

    use super::*;
    use crate::shared;

    fn read(content: &[u8]) -> Result<LabelledText, String> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("rows");
        fs::write(&path, content).unwrap();
        LabelledText::read(&[path]).map_err(|error| error.to_string())
    }

    fn named(corpus: &LabelledText) -> Vec<(&str, &str)> {
        let rows = corpus.rows.iter();
        rows.map(|row| (row.text.as_str(), corpus.labels[row.label].as_str()))
            .collect()
    }

    #[test]
    fn labels_are_numbered_in_their_sorted_order() {
        let corpus = read(b"text\tlabel\nx\tb\ny\ta\nz\tb\n").unwrap();
        assert_eq!(corpus.labels, ["a", "b"]);
        assert_eq!(named(&corpus), [("x", "b"), ("y", "a"), ("z", "b")]);
    }

    #[test]
    fn gzip_is_read_and_rows_with_an_empty_side_are_counted() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder
            .write_all(b"text,label\n  ,a\nb,\n\nc,1\nd,2\n")
            .unwrap();
        let corpus = read(&encoder.finish().unwrap()).unwrap();
        assert_eq!(named(&corpus), [("c", "1"), ("d", "2")]);
        assert_eq!(corpus.n_skipped, 2);
    }

    #[test]
    fn files_are_joined_and_a_further_one_has_only_known_labels() {
        let folder = TempDir::new().unwrap();
        let [one, two, test] = ["one", "two", "test"].map(|name| folder.path().join(name));
        fs::write(&one, "a\tyes\n").unwrap();
        fs::write(&two, "label,text\nno,b\n").unwrap();
        let corpus = LabelledText::read(&[one.clone(), two]).unwrap();
        assert_eq!(named(&corpus), [("a", "yes"), ("b", "no")]);
        let further =
            |labels: &[String]| LabelledText::read_with_labels(std::slice::from_ref(&test), labels);
        // The label comes first here: only what is known can tell.
        fs::write(&test, "yes\tc\nyes\td\n").unwrap();
        let known = further(&corpus.labels).unwrap();
        assert_eq!(named(&known), [("c", "yes"), ("d", "yes")]);
        assert_eq!(known.labels, corpus.labels);
        fs::write(&test, "c\tyes\nd\tmaybe\n").unwrap();
        let error = further(&corpus.labels).unwrap_err().to_string();
        let expected = "test, line 2: found the label \"maybe\", expected one of no, yes";
        assert!(error.ends_with(expected), "{error}");
        assert!(LabelledText::read(&[one]).is_err());
    }

    #[test]
    fn less_than_two_labels_are_no_task() {
        assert!(read(b"").unwrap_err().contains("no text with a label"));
        assert!(
            read(b"text,label\na,\n")
                .unwrap_err()
                .contains("1 row with an")
        );
        let error = read(b"a\tx\nb\tx\n").unwrap_err();
        assert!(error.contains("every label is \"x\""), "{error}");
    }

    #[test]
    fn a_split_keeps_equal_texts_together_and_all_labels_on_both_sides() {
        let rows = (0..2000).map(|i| (format!("text {}", i % 500), ["a", "b", "c"][i % 3]));
        let corpus = LabelledText::from_rows(rows);
        let (train, validation) = corpus.clone().split(0.2);
        assert_eq!(train.rows.len() + validation.rows.len(), 2000);
        // Five standard deviations of 500 independent draws.
        let share = validation.rows.len() as f64 / 2000.0;
        assert!((share - 0.2).abs() < 0.09, "{share}");
        let texts: HashSet<_> = train.rows.iter().map(|row| &row.text).collect();
        assert!(validation.rows.iter().all(|row| !texts.contains(&row.text)));
        assert_eq!(train.labels, corpus.labels);
        assert_eq!(validation.labels, corpus.labels);
    }

    #[test]
    fn trec_reads_whole() {
        let paths = ["trec/train_5500.label", "trec/TREC_10.label"].map(shared::data);
        let [Some(train), Some(test)] = paths else {
            return;
        };
        let train = LabelledText::read(&[train]).unwrap();
        assert_eq!(
            train.labels,
            ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"].map(String::from)
        );
        assert_eq!((train.rows.len(), train.n_skipped), (5452, 0));
        let test = LabelledText::read_with_labels(&[test], &train.labels).unwrap();
        let count = |label| test.rows.iter().filter(|row| row.label == label).count();
        assert_eq!([0, 1, 2, 3, 4, 5].map(count), [9, 138, 94, 65, 81, 113]);
        assert_eq!(test.rows[0].text, "How far is it from Denver to Aspen ?");
    }

    #[test]
    fn banking77_reads_whole() {
        let paths = ["banking77/train.csv", "banking77/test.csv"].map(shared::data);
        let [Some(train), Some(test)] = paths else {
            return;
        };
        let train = LabelledText::read(&[train]).unwrap();
        assert_eq!((train.rows.len(), train.labels.len()), (10_003, 77));
        let test = LabelledText::read_with_labels(&[test], &train.labels).unwrap();
        assert_eq!((test.rows.len(), test.n_skipped), (3080, 0));
        let count = |label| test.rows.iter().filter(|row| row.label == label).count();
        assert!((0..77).all(|label| count(label) == 40));
    }
}
