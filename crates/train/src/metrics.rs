//! `metrics.jsonl`: one JSON object a line, appended as training goes.

use crate::error::TrainError;
use crate::logs::LogFile;
use crate::recipe::LogKind;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of the file in a run's folder.
pub(crate) const NAME: &str = "metrics.jsonl";

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
    /// Mean negative log-likelihood a token, of classes an example, in nats; in training with label smoothing, if any.
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
    /// Steps since the last line whose update was skipped, because the loss or the gradient was not finite; none if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// `exp(loss)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<f64>,
    /// The share of labels that were the likeliest, where the model names classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Seconds since training began.
    pub seconds: f64,
    /// When it was measured, in seconds since 1970 (UTC), where that was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
}

/// Seconds since 1970 (UTC).
pub(crate) fn unix_time() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// Appends metrics to a run's `metrics.jsonl` and to the files that follow from it.
#[derive(Debug, Default)]
pub(crate) struct MetricsWriter {
    path: PathBuf,
    /// None where another process writes.
    file: Option<File>,
    logs: Vec<LogFile>,
}

impl MetricsWriter {
    /// - `logs`: the files besides
    pub(crate) fn create(folder: &Path, logs: &[LogKind]) -> Result<Self, TrainError> {
        let path = folder.join(NAME);
        let file = File::create(&path).map_err(TrainError::file("create", &path))?;
        Ok(Self {
            path,
            file: Some(file),
            logs: LogFile::begin(folder, logs, &[])?,
        })
    }

    /// Writes nothing.
    pub(crate) fn silent() -> Self {
        Self::default()
    }

    /// Goes on behind the first `n_bytes` of the file, and drops what stands behind them. Of a file that is shorter all whole
    /// lines are kept.
    pub(crate) fn resume(
        folder: &Path,
        n_bytes: u64,
        logs: &[LogKind],
    ) -> Result<Self, TrainError> {
        let path = folder.join(NAME);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let cut = opened.and_then(|mut file| {
            let length = file.metadata()?.len();
            let kept = if length < n_bytes {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                let newline = bytes.iter().rposition(|&byte| byte == b'\n');
                newline.map_or(0, |last| last as u64 + 1)
            } else {
                n_bytes
            };
            file.set_len(kept)?;
            file.seek(SeekFrom::Start(kept))?;
            Ok(file)
        });
        let file = cut.map_err(TrainError::file("write", &path))?;
        Ok(Self {
            file: Some(file),
            logs: LogFile::begin(folder, logs, &read_metrics(&path)?)?,
            path,
        })
    }

    pub(crate) fn write(&mut self, metric: &Metric) -> Result<(), TrainError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        serde_json::to_string(metric)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(file, "{line}"))
            .map_err(TrainError::file("write", &self.path))?;
        self.logs.iter_mut().try_for_each(|log| log.write(metric))
    }

    /// Makes what was written durable, and says how many bytes that is.
    pub(crate) fn sync(&mut self) -> Result<u64, TrainError> {
        let Some(file) = &mut self.file else {
            return Ok(0);
        };
        file.sync_data()
            .and_then(|()| file.stream_position())
            .map_err(TrainError::file("write", &self.path))
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
            skipped: None,
            perplexity: None,
            accuracy: None,
            seconds: 0.25,
            time: Some(1_700_000_000.125),
        }
    }

    #[test]
    fn what_is_written_is_read_and_a_line_cut_off_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut writer = MetricsWriter::create(folder.path(), &[]).expect("a file");
        writer.write(&metric(1)).expect("a line");
        writer.write(&metric(2)).expect("a line");
        write!(
            writer.file.as_mut().expect("a file"),
            "{{\"step\": 3, \"spl"
        )
        .expect("half a line");
        assert_eq!(
            read_metrics(&path).expect("metrics"),
            [metric(1), metric(2)]
        );
    }

    #[test]
    fn what_stands_behind_the_length_that_was_noted_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut writer = MetricsWriter::create(folder.path(), &[]).expect("a file");
        writer.write(&metric(1)).expect("a line");
        let n_bytes = writer.sync().expect("a file");
        writer.write(&metric(2)).expect("a line");
        write!(writer.file.as_mut().expect("a file"), "{{\"st").expect("half a line");
        // Cut where it was noted; of a file that has lost its end, the whole lines.
        for noted in [n_bytes, 10_000] {
            let mut writer = MetricsWriter::resume(folder.path(), noted, &[]).expect("a file");
            writer.write(&metric(3)).expect("a line");
            let kept = read_metrics(&path).expect("metrics");
            let expected: &[Metric] = if noted == n_bytes {
                &[metric(1), metric(3)]
            } else {
                &[metric(1), metric(3), metric(3)]
            };
            assert_eq!(kept, expected);
        }
    }

    #[test]
    fn a_table_and_events_hold_what_is_kept_and_go_with_their_kind() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = |kind: &str| -> Vec<String> {
            let entries = std::fs::read_dir(folder.path()).expect("a folder");
            let names = entries.map(|entry| entry.expect("an entry").file_name());
            names
                .map(|name| name.into_string().expect("UTF-8"))
                .filter(|name| name.contains(kind))
                .collect()
        };
        let read = |name: &str| std::fs::read(folder.path().join(name)).expect("a file");
        let both = [LogKind::Tensorboard, LogKind::Csv, LogKind::Csv];
        let mut writer = MetricsWriter::create(folder.path(), &both).expect("a folder");
        writer.write(&metric(1)).expect("written");
        let n_bytes = writer.sync().expect("a file");
        let [table, events] = [files("csv"), files("tfevents")].map(|names| read(&names[0]));
        writer.write(&metric(2)).expect("written");
        assert!(read(&files("csv")[0]).len() > table.len());
        drop(writer);

        let mut writer = MetricsWriter::resume(folder.path(), n_bytes, &both).expect("a folder");
        assert_eq!(read(&files("csv")[0]), table);
        let [name] = files("tfevents").try_into().expect("one file");
        // But for the time at which the file was begun.
        assert_eq!(read(&name).len(), events.len());
        let of_step = |events: &[u8]| events[events.len() - 80..].to_vec();
        assert_eq!(of_step(&read(&name)), of_step(&events));
        writer.write(&metric(3)).expect("written");
        let table = String::from_utf8(read("metrics.csv")).expect("text");
        let steps = table.lines().map(|row| row.split(',').next());
        assert!(steps.eq(["step", "1", "3"].map(Some)), "{table}");

        MetricsWriter::resume(folder.path(), n_bytes, &[]).expect("a folder");
        assert_eq!([files("csv"), files("tfevents")].concat(), [""; 0]);
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
