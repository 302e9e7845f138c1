//! Metrics of classes beside what they should be, as numbers and as a picture.

use super::Report;
use crate::arguments::Judging;
use crate::console::Console;
use crate::error::CliError;
use crate::output::OutputFile;
use hearth_data::{ConfusionMatrix, Prediction, brier_score, expected_calibration_error};
use hearth_train::HeatMap;
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
            let svg = HeatMap::confusion(names, matrix).svg();
            let svg = svg.map_err(CliError::file("draw", file.path()))?;
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
