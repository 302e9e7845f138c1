//! `cargo xtask parity`: the numbers of every backend beside those of the libraries that saved the reference models.
//!
//! Each backend's own program compares, by its command `parity`; here they are built, run one after another and put into
//! one table, a row a case, a column a backend.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    programs::Programs,
    setup::{self, SetupArgs},
    workspace::{Workspace, shown},
};

/// Where the reference models lie.
const FIXTURES: &str = "crates/hub/tests/fixtures";

#[derive(Args)]
pub(crate) struct ParityArgs {
    /// The backends to compare
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "ndarray,flex,wgpu,tch"
    )]
    backends: Vec<String>,
    /// The device of every backend that has it, such as gpu:0; the others use their default
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Take the programs as they lie in the target folder
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    setup: SetupArgs,
}

/// Prints the table; returns whether every case of every backend passes.
pub(crate) fn run(workspace: &Workspace, args: &ParityArgs) -> anyhow::Result<bool> {
    let setup = setup::run(workspace, &args.setup)?;
    let programs = Programs::get(&setup, &args.backends, !args.no_build)?;
    let fixtures = fixtures(workspace)?;
    let mut columns = Vec::new();
    for backend in &args.backends {
        eprintln!("parity: {backend}");
        let mut command = Command::new(programs.path(backend));
        if let Some(device) = &args.device
            && has(&programs, backend, device)?
        {
            command.args(["--device", device]);
        }
        command.args(["parity", "--json"]).args(&fixtures);
        columns.push(cases(&mut command)?);
    }
    println!("{}", table(&columns)?);
    Ok(columns.iter().flatten().all(|case| case.passes))
}

fn fixtures(workspace: &Workspace) -> anyhow::Result<Vec<PathBuf>> {
    let folder = workspace.root().join(FIXTURES);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {FIXTURES}"))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|error: std::io::Error| error)?;
    paths.sort();
    Ok(paths)
}

fn has(programs: &Programs, backend: &str, device: &str) -> anyhow::Result<bool> {
    let mut command = Command::new(programs.path(backend));
    command.args(["devices", "--json"]);
    let devices = lines(&mut command)?;
    Ok(devices.iter().any(|entry| entry["name"] == device))
}

/// What a program said of one case.
#[derive(Debug, Clone, PartialEq)]
struct Case {
    backend: String,
    device: String,
    model: String,
    name: String,
    value: Option<f64>,
    limit: f64,
    passes: bool,
}

impl Case {
    fn parse(json: &Value) -> anyhow::Result<Self> {
        let text = |key: &str| {
            let value = json[key].as_str().map(str::to_owned);
            value.with_context(|| format!("{json} has no text {key}"))
        };
        Ok(Self {
            backend: text("backend")?,
            device: text("device")?,
            model: text("model")?,
            name: text("case")?,
            // JSON knows no NaN: such a value is null.
            value: json["value"].as_f64(),
            limit: json["limit"].as_f64().context("a case without a limit")?,
            passes: json["passes"]
                .as_bool()
                .context("a case without a verdict")?,
        })
    }

    /// `1.2e-6`, and for what is counted `equal` or how many are not.
    fn shown(&self) -> String {
        let value = match self.value {
            None => "NaN".to_owned(),
            Some(0.0) if self.limit == 0.0 => "equal".to_owned(),
            Some(value) if self.limit == 0.0 => format!("{value} differ"),
            Some(value) => format!("{value:.1e}"),
        };
        if self.passes {
            value
        } else {
            format!("**{value}**")
        }
    }
}

/// Runs a program's `parity`. Cases that fail are no error: they are for the table.
fn cases(command: &mut Command) -> anyhow::Result<Vec<Case>> {
    let cases = lines(command)?;
    let cases: Vec<Case> = cases.iter().map(Case::parse).collect::<Result<_, _>>()?;
    ensure!(!cases.is_empty(), "`{}` compared nothing", shown(command));
    Ok(cases)
}

/// The JSON lines that a program prints.
fn lines(command: &mut Command) -> anyhow::Result<Vec<Value>> {
    let line = shown(command);
    command.stderr(std::process::Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |text: &str| {
        serde_json::from_str(text).with_context(|| format!("`{line}` printed {text:?}"))
    };
    text.lines().map(parse).collect()
}

/// In Markdown: a row a case, a column a backend.
fn table(columns: &[Vec<Case>]) -> anyhow::Result<String> {
    let first = columns.first().context("no backend to compare")?;
    let mut text = "| model | case | at most |".to_owned();
    for column in columns {
        let case = column.first().context("a backend without a case")?;
        text += &format!(" {} ({}) |", case.backend, case.device);
    }
    text += &format!("\n|---|---|---|{}", "---|".repeat(columns.len()));
    for (i, case) in first.iter().enumerate() {
        let limit = if case.limit == 0.0 {
            "equal".to_owned()
        } else {
            format!("{:.0e}", case.limit)
        };
        text += &format!("\n| {} | {} | {limit} |", case.model, case.name);
        for column in columns {
            let there = column
                .get(i)
                .filter(|there| (&there.model, &there.name) == (&case.model, &case.name));
            let there = there
                .with_context(|| format!("a backend lacks {} of {}", case.name, case.model))?;
            text += &format!(" {} |", there.shown());
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(backend: &str, name: &str, value: &str, limit: &str, passes: bool) -> Case {
        let json = format!(
            r#"{{"backend":"{backend}","device":"cpu","model":"gpt2","case":"{name}","value":{value},"limit":{limit},"passes":{passes}}}"#
        );
        Case::parse(&serde_json::from_str(&json).expect("JSON")).expect("a case")
    }

    #[test]
    fn the_table_has_a_row_a_case_and_marks_what_fails() -> anyhow::Result<()> {
        let columns = [
            vec![
                case("flex", "logits", "1.31e-6", "1e-4", true),
                case("flex", "greedy ids", "0.0", "0.0", true),
            ],
            vec![
                case("wgpu", "logits", "null", "1e-4", false),
                case("wgpu", "greedy ids", "3.0", "0.0", false),
            ],
        ];
        let expected = "| model | case | at most | flex (cpu) | wgpu (cpu) |\n\
                        |---|---|---|---|---|\n\
                        | gpt2 | logits | 1e-4 | 1.3e-6 | **NaN** |\n\
                        | gpt2 | greedy ids | equal | equal | **3 differ** |";
        assert_eq!(table(&columns)?, expected);
        Ok(())
    }

    #[test]
    fn a_backend_that_lacks_a_case_is_an_error() {
        let whole = vec![
            case("flex", "logits", "0.0", "1e-4", true),
            case("flex", "gradients", "0.0", "1e-3", true),
        ];
        let part = vec![case("tch", "logits", "0.0", "1e-4", true)];
        let error = table(&[whole, part]).expect_err("no gradients");
        assert_eq!(error.to_string(), "a backend lacks gradients of gpt2");
    }
}
