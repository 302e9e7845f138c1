//! `metrics.jsonl`: one JSON object a line, appended as training goes.

use crate::error::TrainError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// What a metric was measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Training batches since the last line, in training mode.
    Train,
    /// The whole validation data.
    Validation,
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Updates made so far.
    pub step: u64,
    /// What it was measured on.
    pub split: Split,
    /// Mean negative log-likelihood a token, in nats; in training with label smoothing, if any.
    pub loss: f64,
    /// The learning rate of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// The norm of the gradient before it was clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// Target tokens a second since the last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_s: Option<f64>,
    /// `exp(loss)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<f64>,
    /// Seconds since training began.
    pub seconds: f64,
}

/// Appends metrics to a file.
#[derive(Debug)]
pub(crate) struct MetricsWriter {
    path: PathBuf,
    file: File,
}

impl MetricsWriter {
    pub(crate) fn create(path: PathBuf) -> Result<Self, TrainError> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(TrainError::File {
                action: "create",
                path,
                source,
            }),
        }
    }

    pub(crate) fn write(&mut self, metric: &Metric) -> Result<(), TrainError> {
        serde_json::to_string(metric)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(self.file, "{line}"))
            .map_err(|source| TrainError::File {
                action: "write",
                path: self.path.clone(),
                source,
            })
    }
}

/// Reads a `metrics.jsonl`. A last line that was cut off while being written is left out.
///
/// # Errors
/// If the file cannot be read, or a line before the last is not a metric.
pub fn read_metrics(path: &Path) -> Result<Vec<Metric>, TrainError> {
    let file_error = |source| TrainError::File {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(file_error)?;
    let lines = BufReader::new(file)
        .lines()
        .collect::<Result<Vec<_>, _>>()
        .map_err(file_error)?;
    let mut metrics = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(metric) => metrics.push(metric),
            Err(error) if i + 1 == lines.len() && error.is_eof() => {}
            Err(source) => {
                let (path, line) = (path.to_owned(), i + 1);
                return Err(TrainError::Metrics { path, line, source });
            }
        }
    }
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(step: u64) -> Metric {
        Metric {
            step,
            split: Split::Train,
            loss: 1.5,
            lr: Some(1e-3),
            gradient_norm: None,
            tokens_per_s: Some(10.0),
            perplexity: None,
            seconds: 0.25,
        }
    }

    #[test]
    fn what_is_written_is_read_and_a_line_cut_off_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut writer = MetricsWriter::create(path.clone()).expect("a file");
        writer.write(&metric(1)).expect("a line");
        writer.write(&metric(2)).expect("a line");
        write!(writer.file, "{{\"step\": 3, \"spl").expect("half a line");
        assert_eq!(
            read_metrics(&path).expect("metrics"),
            [metric(1), metric(2)]
        );
    }

    #[test]
    fn a_line_that_is_no_metric_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "{\"step\": 1}\n{}\n").expect("a file");
        let error = read_metrics(&path).expect_err("no metric").to_string();
        assert!(error.contains("metrics.jsonl, line 1"), "{error}");
    }
}
