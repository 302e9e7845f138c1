//! Metrics of classes beside what they should be, as numbers and as a picture.

use super::Report;
use crate::arguments::Judging;
use crate::console::Console;
use crate::error::CliError;
use crate::heat_map::{HeatMap, Shading};
use crate::output::OutputFile;
use hearth_data::{ConfusionMatrix, Prediction, brier_score, expected_calibration_error};
use serde_json::{Value, json};

/// What classes are judged by.
#[derive(Debug)]
pub(super) struct ClassMetrics {
    confusion: Option<OutputFile>,
}

impl ClassMetrics {
    pub(super) fn new(options: &Judging) -> Result<Self, CliError> {
        if options.alignment.is_some() {
            let message = "--alignment shows errors within texts, found classes";
            return Err(CliError::Usage(message.to_owned()));
        }
        if options.metric.iter().any(|kind| !kind.is_of_labels()) {
            let message =
                "--metric: of classes accuracy and macro-f1 can be told, the others are of texts";
            return Err(CliError::Usage(message.to_owned()));
        }
        let confusion = options.confusion.as_deref();
        Ok(Self {
            confusion: confusion.map(OutputFile::create).transpose()?,
        })
    }

    /// The metrics of classes.
    ///
    /// - `names`: of all classes
    /// - `predictions`: how probable each was, where that is known
    pub(super) fn tell(
        self,
        names: &[String],
        matrix: &ConfusionMatrix,
        predictions: &[Prediction],
        console: Console,
    ) -> Result<(), CliError> {
        let mut report = Report::default();
        let (accuracy, macro_f1) = (matrix.accuracy(), matrix.macro_f1());
        report.put("n", matrix.n());
        report.put("accuracy", accuracy);
        report.put("macro_f1", macro_f1);
        let mut total = format!("accuracy {:.2} %\nmacro F1 {macro_f1:.4}", 100.0 * accuracy);
        if !predictions.is_empty() {
            let ece = expected_calibration_error(predictions);
            let brier = brier_score(predictions);
            report.put("ece", ece);
            report.put("brier", brier);
            total += &format!("\nexpected calibration error {ece:.4}\nBrier score {brier:.4}");
        }
        report.classes(names, matrix);
        report.put("confusion", json!(matrix.counts()));
        report.line(total);
        if let Some(mut file) = self.confusion {
            let svg = picture(names, matrix).svg().map_err(|error| {
                let problem = std::io::Error::other(error.to_string());
                CliError::file("draw", file.path())(problem)
            })?;
            file.write(&svg)?;
            file.finish(console)?;
        }
        report.tell(console)
    }
}

impl Report {
    /// A row for each class.
    fn classes(&mut self, names: &[String], matrix: &ConfusionMatrix) {
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0).max("class".len());
        self.line(format!(
            "{:width$}  precision  recall      F1  support",
            "class"
        ));
        let mut classes = Vec::with_capacity(names.len());
        for (class, name) in names.iter().enumerate() {
            let scores = matrix.class(class);
            self.line(format!(
                "{name:width$}  {:9.4}  {:6.4}  {:6.4}  {:7}",
                scores.precision, scores.recall, scores.f1, scores.support
            ));
            classes.push(json!({
                "label": name,
                "precision": scores.precision,
                "recall": scores.recall,
                "f1": scores.f1,
                "support": scores.support,
            }));
        }
        self.put("classes", Value::Array(classes));
    }
}

/// A row for each class, a column for each it is taken for.
fn picture(names: &[String], matrix: &ConfusionMatrix) -> HeatMap {
    let part = |row: &Vec<usize>| {
        let sum = row.iter().sum::<usize>().max(1) as f32;
        row.iter().map(move |n| *n as f32 / sum).collect::<Vec<_>>()
    };
    HeatMap {
        title: format!("confusion of {} classes", names.len()),
        notes: vec![
            format!(
                "accuracy {:.2} % of {}",
                100.0 * matrix.accuracy(),
                matrix.n()
            ),
            "each row: what things of that class are taken for, in parts of the row".to_owned(),
        ],
        rows: names.to_vec(),
        columns: names.to_vec(),
        weights: matrix.counts().iter().flat_map(part).collect(),
        // A class that is seldom taken for another is what one looks for.
        shading: Shading::SquareRoot,
    }
}
