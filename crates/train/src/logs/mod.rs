//! The metrics of a run in the forms of other programs: `metrics.csv` for tables, an event file for TensorBoard.
//!
//! `metrics.jsonl` is what a run goes on by. These files follow from it: each time a run begins or goes on they are begun
//! anew, with the metrics that are kept, so that none holds a step that was taken back.

mod table;
mod tensorboard;

use crate::error::TrainError;
use crate::metrics::{Metric, unix_time};
use crate::recipe::LogKind;
use std::fs::{File, read_dir, remove_file};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What the name of TensorBoard's files begins with.
const EVENTS: &str = "events.out.tfevents.";

/// A file that metrics are appended to.
#[derive(Debug)]
pub(crate) struct LogFile {
    kind: LogKind,
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Files of these kinds in a run's folder, in place of all that were there.
    ///
    /// - `kept`: the metrics before those that will be written
    pub(crate) fn begin(
        folder: &Path,
        kinds: &[LogKind],
        kept: &[Metric],
    ) -> Result<Vec<Self>, TrainError> {
        let entries = read_dir(folder).map_err(TrainError::file("read", folder))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == table::NAME || name.starts_with(EVENTS) {
                remove_file(&path).map_err(TrainError::file("remove", &path))?;
            }
        }
        let all = [LogKind::Csv, LogKind::Tensorboard];
        let asked = all.into_iter().filter(|kind| kinds.contains(kind));
        asked.map(|kind| Self::create(folder, kind, kept)).collect()
    }

    fn create(folder: &Path, kind: LogKind, kept: &[Metric]) -> Result<Self, TrainError> {
        let (name, mut bytes) = match kind {
            LogKind::Csv => (table::NAME.to_owned(), table::head().into_bytes()),
            LogKind::Tensorboard => {
                let now = unix_time();
                // By the time, so that a TensorBoard that is running takes it for a newer file than the one before.
                (format!("{EVENTS}{now:.0}.hearth"), tensorboard::head(now))
            }
        };
        bytes.extend(kept.iter().flat_map(|metric| entry(kind, metric)));
        let path = folder.join(name);
        let file = File::create(&path)
            .and_then(|mut file| file.write_all(&bytes).map(|()| file))
            .map_err(TrainError::file("write", &path))?;
        Ok(Self { kind, path, file })
    }

    /// Appends a metric.
    pub(crate) fn write(&mut self, metric: &Metric) -> Result<(), TrainError> {
        self.file
            .write_all(&entry(self.kind, metric))
            .map_err(TrainError::file("write", &self.path))
    }
}

fn entry(kind: LogKind, metric: &Metric) -> Vec<u8> {
    match kind {
        LogKind::Csv => table::row(metric).into_bytes(),
        LogKind::Tensorboard => tensorboard::entry(metric),
    }
}
