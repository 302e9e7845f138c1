//! `cargo xtask bench-train`: how fast hearth trains a recipe's model, beside eager PyTorch.
//!
//! Both time the same step on random tokens. The programs take turns, round by round, so that a busy moment of the machine
//! falls on all of them; a ratio is taken within a round. By hand, since it needs `pip install torch` and a quiet machine.

use std::{
    path::{Path, PathBuf, absolute},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use clap::{Args, value_parser};
use serde_json::Value;

use crate::{
    programs::Programs,
    setup::{self, SetupArgs},
    workspace::{Workspace, shown},
};

/// What is measured where no `--config` is given.
const RECIPES: [&str; 2] = [
    "configs/shakespeare-char-small.toml",
    "configs/gpt-small-256.toml",
];

/// The thread pools of PyTorch, of libtorch and of the backends in Rust, by the variable that sizes each.
const THREAD_POOLS: [&str; 4] = [
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "MATMUL_NUM_THREADS",
];

#[derive(Args)]
pub(crate) struct BenchTrainArgs {
    /// The Python to run, one with PyTorch
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// The recipe of a gpt, may be given again; left out, Shakespeare small and big
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The backends whose programs are measured
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "tch,flex,ndarray"
    )]
    backends: Vec<String>,
    /// How often each program is run
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Steps that a run measures, after a few that do not count
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..))]
    steps: u32,
    /// Threads that each program may use
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u32).range(1..))]
    threads: u32,
    /// Take the programs as they lie in the target folder
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    setup: SetupArgs,
}

/// Builds, measures and prints the table.
pub(crate) fn run(workspace: &Workspace, args: &BenchTrainArgs) -> anyhow::Result<bool> {
    let configs: Vec<PathBuf> = if args.config.is_empty() {
        RECIPES.map(|path| workspace.root().join(path)).into()
    } else {
        let resolved: Result<_, _> = args.config.iter().map(absolute).collect();
        resolved.context("cannot resolve the path of a recipe")?
    };
    for config in &configs {
        ensure!(config.is_file(), "there is no recipe {}", config.display());
    }
    let setup = setup::run(workspace, &args.setup)?;
    let built = Programs::get(&setup, &args.backends, !args.no_build)?;

    let mut tables = Vec::new();
    for config in &configs {
        let mut programs = vec![Program::pytorch(workspace, args, config)];
        for backend in &args.backends {
            programs.push(Program::hearth(backend, &built, args, config));
        }
        tables.push((config, programs));
    }

    println!("| recipe | program | tokens/s | ms a step | peak MB | ratio to PyTorch |");
    println!("|---|---|---|---|---|---|");
    for (config, mut programs) in tables {
        for round in 1..=args.rounds {
            for program in &mut programs {
                eprintln!("round {round} of {}: {}", args.rounds, program.name);
                program.measure()?;
            }
        }
        let recipe = config.file_stem().unwrap_or_default().to_string_lossy();
        let pytorch = programs[0].readings.clone();
        for program in &programs {
            println!("{}", row(&recipe, program, &pytorch)?);
        }
    }
    println!();
    println!(
        "Medians over rounds: {}, steps: {}, threads: {}. A ratio is the median of the rounds' own.",
        args.rounds, args.steps, args.threads
    );
    Ok(true)
}

/// A program that times training steps, and what it said so far, a reading a round.
struct Program {
    name: String,
    command: Command,
    readings: Vec<Reading>,
}

impl Program {
    fn pytorch(workspace: &Workspace, args: &BenchTrainArgs, config: &Path) -> Self {
        let mut command = Command::new(&args.python);
        command
            .arg(workspace.root().join("xtask/python/bench_train.py"))
            .arg("--config")
            .arg(config)
            .args(["--steps", &args.steps.to_string()])
            .args(["--threads", &args.threads.to_string()]);
        Self::new("PyTorch", command, args)
    }

    fn hearth(backend: &str, built: &Programs, args: &BenchTrainArgs, config: &Path) -> Self {
        let name = format!("hearth-{backend}");
        let mut command = Command::new(built.path(backend));
        command
            .args(["bench", "train", "--config"])
            .arg(config)
            .args(["--steps", &args.steps.to_string()])
            .args(["--json", "--quiet"]);
        Self::new(&name, command, args)
    }

    fn new(name: &str, mut command: Command, args: &BenchTrainArgs) -> Self {
        for variable in THREAD_POOLS {
            command.env(variable, args.threads.to_string());
        }
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        Self {
            name: name.to_owned(),
            command,
            readings: Vec::new(),
        }
    }

    fn measure(&mut self) -> anyhow::Result<()> {
        let line = shown(&self.command);
        let output = self
            .command
            .output()
            .with_context(|| format!("cannot run `{line}`"))?;
        ensure!(output.status.success(), "`{line}` failed");
        let reading = Reading::parse(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("cannot read what `{line}` printed"))?;
        self.readings.push(reading);
        Ok(())
    }
}

/// What one run measured.
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    tokens_per_s: f64,
    ms_per_step: f64,
    /// None where the system does not tell.
    peak_mb: Option<f64>,
    n_parameters: u64,
}

impl Reading {
    /// Reads the last line of a program's output, which is JSON.
    fn parse(output: &str) -> anyhow::Result<Self> {
        let line = output.trim_end().lines().last().unwrap_or_default();
        let json: Value =
            serde_json::from_str(line).with_context(|| format!("{line:?} is no JSON"))?;
        let number = |key: &str| {
            let value = json.get(key).and_then(Value::as_f64);
            value.with_context(|| format!("{line} has no number {key}"))
        };
        Ok(Self {
            tokens_per_s: number("tokens_per_s")?,
            ms_per_step: number("ms_per_step")?,
            peak_mb: json.get("peak_mb").and_then(Value::as_f64),
            n_parameters: json
                .get("n_parameters")
                .and_then(Value::as_u64)
                .with_context(|| format!("{line} has no count n_parameters"))?,
        })
    }
}

/// One row of the table. An error if the two did not train models of one size, whose speeds say nothing of each other.
fn row(recipe: &str, program: &Program, pytorch: &[Reading]) -> anyhow::Result<String> {
    let readings = &program.readings;
    for (ours, theirs) in readings.iter().zip(pytorch) {
        ensure!(
            ours.n_parameters == theirs.n_parameters,
            "{recipe}: {} trained {} parameters, PyTorch {}",
            program.name,
            ours.n_parameters,
            theirs.n_parameters
        );
    }
    let of = |value: fn(&Reading) -> f64| median(readings.iter().map(value).collect());
    let peaks: Option<Vec<f64>> = readings.iter().map(|reading| reading.peak_mb).collect();
    let peak = peaks.map_or("-".to_owned(), |peaks| format!("{:.0}", median(peaks)));
    Ok(format!(
        "| {recipe} | {} | {:.0} | {:.1} | {peak} | {:.2} |",
        program.name,
        of(|reading| reading.tokens_per_s),
        of(|reading| reading.ms_per_step),
        ratio(readings, pytorch),
    ))
}

/// How much faster `ours` is: the median over the rounds of the ratio within a round.
fn ratio(ours: &[Reading], theirs: &[Reading]) -> f64 {
    let rounds = ours.iter().zip(theirs);
    median(
        rounds
            .map(|(ours, theirs)| ours.tokens_per_s / theirs.tokens_per_s)
            .collect(),
    )
}

/// The value in the middle, or the mean of the two there.
///
/// # Panics
/// If there is no value.
fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "the median of 0 values");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(rates: &[f64]) -> Vec<Reading> {
        let reading = |&tokens_per_s: &f64| Reading {
            tokens_per_s,
            ms_per_step: 1000.0 / tokens_per_s,
            peak_mb: Some(200.0),
            n_parameters: 7,
        };
        rates.iter().map(reading).collect()
    }

    #[test]
    fn a_round_on_a_busy_machine_moves_neither_the_median_nor_the_ratio() {
        assert_eq!(median(vec![5.0, 1.0, 4.0]), 4.0);
        assert_eq!(median(vec![5.0, 1.0, 4.0, 2.0]), 3.0);
        // In its second round the machine did half as much for both.
        let (ours, theirs) = (
            readings(&[50.0, 25.0, 60.0]),
            readings(&[100.0, 50.0, 100.0]),
        );
        assert_eq!(ratio(&ours, &theirs), 0.5);

        let program = Program {
            name: "hearth-x".to_owned(),
            command: Command::new("hearth-x"),
            readings: ours,
        };
        let row = row("small", &program, &theirs).expect("models of one size");
        assert_eq!(row, "| small | hearth-x | 50 | 20.0 | 200 | 0.50 |");
    }

    #[test]
    fn models_of_different_sizes_are_not_compared() {
        let mut program = Program {
            name: "hearth-x".to_owned(),
            command: Command::new("hearth-x"),
            readings: readings(&[1.0]),
        };
        program.readings[0].n_parameters = 8;
        let error = row("small", &program, &readings(&[1.0])).expect_err("8 is not 7");
        assert_eq!(
            error.to_string(),
            "small: hearth-x trained 8 parameters, PyTorch 7"
        );
    }

    #[test]
    fn a_reading_is_the_last_line_of_the_output() -> anyhow::Result<()> {
        let line = r#"{"tokens_per_s": 8, "ms_per_step": 2.5, "peak_mb": null, "n_parameters": 7, "threads": 2}"#;
        let reading = Reading::parse(&format!("a word before it\n{line}\n"))?;
        let expected = Reading {
            tokens_per_s: 8.0,
            ms_per_step: 2.5,
            peak_mb: None,
            n_parameters: 7,
        };
        assert_eq!(reading, expected);

        let without = line.replace("ms_per_step", "ms");
        let error = Reading::parse(&without).expect_err("a number is missing");
        assert!(error.to_string().ends_with("has no number ms_per_step"));
        let error = Reading::parse("").expect_err("there is no line");
        assert!(error.to_string().contains("is no JSON"));
        Ok(())
    }
}
