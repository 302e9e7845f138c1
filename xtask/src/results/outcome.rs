//! What experiments gave: `results/NAME.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::experiment::Experiment;
use crate::workspace::Workspace;

/// The runs of an experiment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// What trained and evaluated.
    pub(super) backend: String,
    /// What it ran on.
    pub(super) machine: String,
    pub(super) runs: Vec<Run>,
}

/// A run of an experiment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Run {
    /// 0 for an ensemble, which has none.
    pub(super) seed: u64,
    /// What the test sets said, as `evaluate` gives it.
    pub(super) metrics: BTreeMap<String, f64>,
    /// The best one, a token or a label, in nats.
    pub(super) validation_loss: Option<f64>,
    /// Where it was.
    pub(super) best_step: Option<u64>,
    pub(super) n_parameters: Option<u64>,
    /// Of training, validation included.
    pub(super) seconds: Option<f64>,
    /// What was run.
    pub(super) commands: Vec<String>,
}

impl Outcome {
    pub(super) fn new(backend: &str) -> Self {
        Self {
            backend: backend.to_owned(),
            machine: machine(),
            runs: Vec::new(),
        }
    }

    /// What is known of an experiment.
    pub(super) fn read(
        workspace: &Workspace,
        experiment: &Experiment,
    ) -> anyhow::Result<Option<Self>> {
        let path = path(workspace, experiment);
        if !path.is_file() {
            return Ok(None);
        }
        let read = || anyhow::Ok(serde_json::from_str(&fs::read_to_string(&path)?)?);
        read()
            .map(Some)
            .with_context(|| format!("cannot read {}", path.display()))
    }

    pub(super) fn write(
        &self,
        workspace: &Workspace,
        experiment: &Experiment,
    ) -> anyhow::Result<()> {
        let path = path(workspace, experiment);
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// A metric's values, run by run.
    pub(super) fn values(&self, metric: &str) -> Vec<f64> {
        let runs = self.runs.iter();
        runs.filter_map(|run| run.metrics.get(metric).copied())
            .collect()
    }
}

impl Run {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// The run in a line.
    pub(super) fn said(&self) -> String {
        let loss = self
            .validation_loss
            .map(|loss| format!("validation loss {loss:.4}"));
        let metrics = self
            .metrics
            .iter()
            .map(|(name, value)| format!("{name} {value:.4}"));
        let all: Vec<String> = loss.into_iter().chain(metrics).collect();
        format!("seed {}: {}", self.seed, all.join(", "))
    }
}

fn path(workspace: &Workspace, experiment: &Experiment) -> PathBuf {
    let name = format!("results/{}.json", experiment.name);
    workspace.root().join(name)
}

/// The processor and how many there are.
fn machine() -> String {
    let n = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = line.map_or("processor", |line| {
        line.trim_start_matches([' ', '\t', ':'])
    });
    format!("{n} x {name}")
}
