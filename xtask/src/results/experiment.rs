//! What is to be measured: `results/experiments.toml`.

use std::fs;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::workspace::Workspace;

/// All experiments, in the order of the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Experiments {
    #[serde(rename = "experiment")]
    pub(super) all: Vec<Experiment>,
}

/// A recipe that is trained with one or more seeds, or models of other experiments that are evaluated as one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Experiment {
    /// How it is called in commands and files.
    pub(super) name: String,
    /// The part of the page that it stands in.
    pub(super) group: String,
    /// What a reader is told.
    pub(super) what: String,
    /// What is trained; none for an ensemble.
    pub(super) recipe: Option<String>,
    /// What is changed in the recipe.
    #[serde(default)]
    pub(super) set: Vec<String>,
    /// The model directory that training begins with, or the experiment that trains it.
    pub(super) from: Option<String>,
    /// One run each.
    #[serde(default)]
    pub(super) seeds: Vec<u64>,
    /// The experiments whose models make an ensemble.
    #[serde(default)]
    pub(super) models: Vec<String>,
    /// What the models are evaluated on.
    #[serde(default, rename = "test")]
    pub(super) tests: Vec<Test>,
    /// What others report, and where.
    #[serde(default)]
    pub(super) published: String,
    /// What has to be there, and how to get it.
    pub(super) needs: Option<Need>,
}

/// Data that a model is evaluated on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// What tells it from others of its experiment, if there are.
    #[serde(default)]
    pub(super) on: String,
    /// As `evaluate --data` takes it.
    pub(super) data: Vec<String>,
    /// Further options of `evaluate`.
    #[serde(default)]
    pub(super) options: Vec<String>,
    /// The keys of its answer that count.
    pub(super) metrics: Vec<String>,
}

impl Test {
    /// How a metric is called in an outcome.
    pub(super) fn key(&self, metric: &str) -> String {
        match self.on.as_str() {
            "" => metric.to_owned(),
            on => format!("{metric}, {on}"),
        }
    }
}

/// A file or folder without which an experiment cannot be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Need {
    path: String,
    how: String,
}

impl Experiments {
    pub(super) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let path = workspace.root().join("results/experiments.toml");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not as it should be", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let experiments: Self = toml::from_str(text)?;
        for one in &experiments.all {
            let name = &one.name;
            let trains = one.recipe.is_some();
            ensure!(
                trains != one.seeds.is_empty() && trains == one.models.is_empty(),
                "{name} has either a recipe and seeds, or models"
            );
            let n_same = experiments.all.iter().filter(|other| other.name == *name);
            ensure!(n_same.count() == 1, "{name} is there twice");
        }
        Ok(experiments)
    }

    /// The experiments of these names, or all.
    pub(super) fn chosen(&self, names: &[String]) -> anyhow::Result<Vec<&Experiment>> {
        if names.is_empty() {
            return Ok(self.all.iter().collect());
        }
        let find = |name: &String| {
            let found = self.all.iter().find(|one| one.name == *name);
            found.with_context(|| format!("no experiment is called {name}: see --list"))
        };
        names.iter().map(find).collect()
    }
}

impl Experiment {
    /// Where a run is made.
    pub(super) fn folder(&self, seed: u64) -> String {
        format!("runs/results/{}-{seed}", self.name)
    }

    pub(super) fn first_seed(&self) -> u64 {
        self.seeds.first().copied().unwrap_or_default()
    }

    /// The seed of each run; an ensemble is one run without.
    pub(super) fn run_seeds(&self) -> Vec<u64> {
        match self.recipe {
            Some(_) => self.seeds.clone(),
            None => vec![0],
        }
    }

    pub(super) fn n_runs(&self) -> usize {
        self.run_seeds().len()
    }

    /// What is missing, and how to get it.
    pub(super) fn missing(&self, workspace: &Workspace) -> Option<String> {
        let need = self.needs.as_ref()?;
        let is_there = workspace.root().join(&need.path).exists();
        (!is_there).then(|| format!("there is no {}: {}", need.path, need.how))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_experiments_of_this_workspace_are_well_formed() {
        let text = include_str!("../../../results/experiments.toml");
        let experiments = Experiments::parse(text).expect("experiments");
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for one in &experiments.all {
            for name in &one.models {
                assert!(
                    experiments.all.iter().any(|other| other.name == *name),
                    "{name}"
                );
            }
            if let Some(recipe) = &one.recipe {
                assert!(root.join(recipe).is_file(), "{recipe}");
            }
        }
    }

    #[test]
    fn an_experiment_trains_or_puts_together() {
        let parse = |rest: &str| {
            let text = format!("[[experiment]]\nname = 'a'\ngroup = 'g'\nwhat = 'w'\n{rest}");
            Experiments::parse(&text).map_err(|error| error.to_string())
        };
        assert!(parse("recipe = 'r'\nseeds = [1, 2]").is_ok());
        assert!(parse("models = ['b']").is_ok());
        for rest in [
            "",
            "recipe = 'r'",
            "seeds = [1]",
            "recipe = 'r'\nseeds = [1]\nmodels = ['b']",
        ] {
            let error = parse(rest).expect_err(rest);
            assert!(error.contains("either a recipe"), "{error}");
        }
    }
}
