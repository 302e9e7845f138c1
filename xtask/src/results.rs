//! `cargo xtask results`: trains the recipes of `results/experiments.toml` on real data, evaluates them on their test sets, and
//! writes RESULTS.md.
//!
//! What a run gave is kept in `results/NAME.json`, so that experiments can be run one by one, and a test set is touched once: a run
//! whose outcome is there is not made again unless asked for. A run that was cut off goes on from its newest checkpoint.

mod experiment;
mod outcome;
mod table;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::programs::Programs;
use crate::setup::{self, SetupArgs};
use crate::workspace::{Workspace, shown};

use experiment::{Experiment, Experiments};
use outcome::{Outcome, Run};

#[derive(Args)]
pub(crate) struct ResultsArgs {
    /// The experiments to run, by name; left out, all that have no outcome yet
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only write RESULTS.md from the outcomes that are there
    #[arg(long, conflicts_with = "names")]
    render: bool,
    /// List the experiments and what is known of them
    #[arg(long)]
    list: bool,
    /// Run an experiment that has an outcome once more, from the beginning
    #[arg(long, requires = "names")]
    again: bool,
    /// The backend whose program trains and evaluates
    #[arg(long, value_name = "NAME", default_value = "tch")]
    backend: String,
    /// Take the program as it lies in the target folder
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    setup: SetupArgs,
}

/// Runs experiments and writes the page.
pub(crate) fn run(workspace: &Workspace, args: &ResultsArgs) -> anyhow::Result<bool> {
    let experiments = Experiments::read(workspace)?;
    if args.list {
        for experiment in &experiments.all {
            let n_runs = Outcome::read(workspace, experiment)?.map_or(0, |found| found.runs.len());
            let n_wanted = experiment.n_runs();
            println!(
                "{:<28} {n_runs} of {n_wanted} runs  {}",
                experiment.name, experiment.what
            );
        }
        return Ok(true);
    }
    let mut passed = true;
    if !args.render {
        let chosen = experiments.chosen(&args.names)?;
        let bench = Bench::new(workspace, args)?;
        for experiment in chosen {
            if let Err(error) = bench.experiment(&experiments, experiment, args.again) {
                eprintln!("results {}: {error:#}", experiment.name);
                passed = false;
            }
            table::write(workspace, &experiments)?;
        }
    }
    table::write(workspace, &experiments)?;
    Ok(passed)
}

/// Where experiments are made.
struct Bench<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
    backend: &'a str,
}

impl<'a> Bench<'a> {
    fn new(workspace: &'a Workspace, args: &'a ResultsArgs) -> anyhow::Result<Self> {
        let backends = [args.backend.clone()];
        let setup = setup::run(workspace, &args.setup)?;
        let built = Programs::get(&setup, &backends, !args.no_build)?;
        Ok(Self {
            workspace,
            program: built.path(&args.backend),
            backend: &args.backend,
        })
    }

    /// Makes the runs of an experiment that have no outcome yet.
    fn experiment(
        &self,
        all: &Experiments,
        experiment: &Experiment,
        again: bool,
    ) -> anyhow::Result<()> {
        let known = Outcome::read(self.workspace, experiment)?.filter(|_| !again);
        let mut outcome = known.unwrap_or_else(|| Outcome::new(self.backend));
        if let Some(missing) = experiment.missing(self.workspace) {
            bail!("{missing}");
        }
        for seed in experiment.run_seeds() {
            if outcome.runs.iter().any(|run| run.seed == seed) {
                continue;
            }
            let run = match &experiment.recipe {
                Some(recipe) => self.train(all, experiment, recipe, seed, again)?,
                None => self.judge(self.ensemble(all, experiment)?, experiment, seed)?,
            };
            println!("results {}: {}", experiment.name, run.said());
            outcome.runs.push(run);
            outcome.write(self.workspace, experiment)?;
        }
        Ok(())
    }

    /// Trains by a recipe and evaluates what came of it.
    fn train(
        &self,
        all: &Experiments,
        experiment: &Experiment,
        recipe: &str,
        seed: u64,
        again: bool,
    ) -> anyhow::Result<Run> {
        let folder = experiment.folder(seed);
        if again {
            let old = self.workspace.root().join(&folder);
            // A folder that was never made is as good as one that is gone.
            let _ = std::fs::remove_dir_all(old);
        }
        let mut train = self.command(&["train", "--config", recipe, "--resume", "auto"]);
        train.args(["--seed", &seed.to_string(), "--out", &folder]);
        for set in &experiment.set {
            train.args(["--set", set]);
        }
        if let Some(from) = &experiment.from {
            let directory = match all.all.iter().find(|one| one.name == *from) {
                Some(first) => format!("{}/best", first.folder(first.first_seed())),
                None => from.clone(),
            };
            train.args(["--set", &format!("model.from={directory}")]);
        }
        let trained = self.answer(&mut train)?;
        let model = format!("{folder}/best");
        let mut run = self.judge(vec![model.clone()], experiment, seed)?;
        let mut inspect = self.command(&["inspect", "--model", &model]);
        let inspected = self.answer(&mut inspect)?;
        run.n_parameters = inspected["n_parameters"].as_u64();
        run.seconds = trained["seconds"].as_f64();
        run.best_step = trained["best_step"].as_u64();
        run.validation_loss = trained["best_loss"].as_f64();
        run.commands.insert(0, self.written(&train));
        Ok(run)
    }

    /// The models of other experiments, as one.
    fn ensemble(&self, all: &Experiments, experiment: &Experiment) -> anyhow::Result<Vec<String>> {
        let mut models = Vec::new();
        for name in &experiment.models {
            let one = all.chosen(std::slice::from_ref(name))?[0];
            models.extend(
                one.seeds
                    .iter()
                    .map(|&seed| format!("{}/best", one.folder(seed))),
            );
        }
        for model in &models {
            let path = self.workspace.root().join(model);
            ensure!(path.is_dir(), "there is no {model}: train it first");
        }
        Ok(models)
    }

    /// How good models are on the test set.
    fn judge(
        &self,
        models: Vec<String>,
        experiment: &Experiment,
        seed: u64,
    ) -> anyhow::Result<Run> {
        let mut run = Run::new(seed);
        for test in &experiment.tests {
            let mut evaluate = self.command(&["evaluate"]);
            for model in &models {
                evaluate.args(["--model", model]);
            }
            evaluate.arg("--data").args(&test.data).args(&test.options);
            let found = self.answer(&mut evaluate)?;
            for metric in &test.metrics {
                let value = found[metric].as_f64();
                let value = value.with_context(|| format!("evaluate gave no {metric}: {found}"))?;
                run.metrics.insert(test.key(metric), value);
            }
            run.commands.push(self.written(&evaluate));
        }
        Ok(run)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.workspace.root()).args(arguments);
        command
    }

    /// What a command answers with `--json`: its last line. What it says on the way goes straight through.
    fn answer(&self, command: &mut Command) -> anyhow::Result<Value> {
        command.arg("--json").stderr(Stdio::inherit());
        let output = command
            .output()
            .with_context(|| format!("cannot run `{}`", shown(command)))?;
        ensure!(output.status.success(), "`{}` failed", shown(command));
        let text = String::from_utf8(output.stdout).context("the answer is no text")?;
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("`{}` said {line:?}", shown(command)))
    }

    /// A command as a person would write it.
    fn written(&self, command: &Command) -> String {
        let arguments = command.get_args().map(|one| one.to_string_lossy());
        let arguments: Vec<_> = arguments.filter(|one| one != "--json").collect();
        format!("hearth-{} {}", self.backend, arguments.join(" "))
    }
}
