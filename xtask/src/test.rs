//! `cargo xtask test`: the whole test suite, closed by one line with the totals.
//!
//! A test whose data is absent appends a line that says why to the file named by the environment variable
//! `HEARTH_SKIP_LOG`, where that is set, and returns. Printing would not do: libtest swallows what a passing test prints.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::Context;
use clap::Args;

use crate::{
    setup::{self, SetupArgs},
    summary::Summary,
    workspace::{Workspace, shown},
};

/// The environment variable that names the file for the reasons of skipped tests.
const SKIP_LOG: &str = "HEARTH_SKIP_LOG";

#[derive(Args)]
pub(crate) struct TestArgs {
    /// Test what the release profile builds
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    setup: SetupArgs,
    /// Run only the tests whose path contains one of these
    filters: Vec<String>,
}

impl TestArgs {
    /// All tests, in the dev profile.
    pub(crate) fn all(setup: SetupArgs) -> Self {
        Self {
            release: false,
            setup,
            filters: Vec::new(),
        }
    }
}

/// Sets up, runs the suite and returns whether every test passed.
pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> anyhow::Result<bool> {
    let setup = setup::run(workspace, &args.setup)?;

    let mut command = setup.cargo();
    add_arguments(&mut command, args, setup.features());
    let profile = if args.release {
        "release"
    } else {
        "dev profile, its dependencies optimised"
    };
    println!("test: {} ({profile})", shown(&command));

    let started = Instant::now();
    let skip_log = tempfile::NamedTempFile::new()
        .context("cannot make a file for the reasons of skipped tests")?;
    let mut summary = Summary::default();
    command.env(SKIP_LOG, skip_log.path());
    let cargo_succeeded = stream(&mut command, &mut io::stdout(), |line| summary.read(line))?;
    summary.close();

    let announced =
        fs::read(skip_log.path()).context("cannot read the reasons of skipped tests")?;
    for reason in reasons(&String::from_utf8_lossy(&announced)) {
        println!("skipped: {reason}");
        summary.announce_skip();
    }
    if !cargo_succeeded && !summary.failed() {
        println!("test: cargo failed though no test did; its error is above");
    }
    println!("test: {:.1} s", started.elapsed().as_secs_f64());
    println!("{summary}");
    Ok(cargo_succeeded && !summary.failed())
}

fn add_arguments(command: &mut Command, args: &TestArgs, features: &[&str]) {
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command.args(features);
    if args.release {
        command.arg("--release");
    }
    if !args.filters.is_empty() {
        // Cargo itself takes one filter, the test binaries take any number.
        command.arg("--").args(&args.filters);
    }
}

/// Runs a command, passes its standard output on to `out` and shows each line to `read`. Returns whether it exited with 0.
fn stream(
    command: &mut Command,
    out: &mut impl Write,
    mut read: impl FnMut(&str),
) -> anyhow::Result<bool> {
    let line_of_command = shown(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line_of_command}`"))?;
    let output = child.stdout.take().context("the output was not piped")?;
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    // By bytes: a test may print what is no UTF-8.
    while output.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        out.flush()?;
        read(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line_of_command}`"))?;
    Ok(status.success())
}

/// The reasons in a skip log, one a line, with or without the word `skipped:` before them.
fn reasons(log: &str) -> impl Iterator<Item = &str> {
    log.lines()
        .map(|line| line.trim())
        .map(|line| line.strip_prefix("skipped:").unwrap_or(line).trim_start())
        .filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_go_to_the_test_binaries() {
        let with = |args, features: &[&str]| {
            let mut command = Command::new("cargo");
            add_arguments(&mut command, &args, features);
            shown(&command)
        };
        let line = |args| with(args, &[]);
        let all = TestArgs::all(SetupArgs::default());
        let picked = TestArgs {
            release: true,
            filters: vec!["mask".into(), "loss".into()],
            ..TestArgs::all(SetupArgs::default())
        };
        assert_eq!(
            line(picked),
            "cargo test --workspace --no-fail-fast --release -- mask loss"
        );
        assert_eq!(line(all), "cargo test --workspace --no-fail-fast");
        let filtered = TestArgs {
            filters: vec!["ranks".into()],
            ..TestArgs::all(SetupArgs::default())
        };
        assert_eq!(
            with(filtered, &["--features", "a/b"]),
            "cargo test --workspace --no-fail-fast --features a/b -- ranks"
        );
    }

    #[test]
    fn reasons_are_read_with_and_without_their_word() {
        let log = "skipped: no corpus\n\nno Vulkan\n";
        assert_eq!(reasons(log).collect::<Vec<_>>(), ["no corpus", "no Vulkan"]);
    }

    #[cfg(unix)]
    #[test]
    fn every_line_is_read_and_the_exit_code_is_kept() -> anyhow::Result<()> {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; printf 'tw\\377o\\n'; printf three; exit 3"]);
        let mut passed_on = Vec::new();
        assert!(!stream(&mut command, &mut passed_on, |line| lines
            .push(line.to_owned()))?);
        assert_eq!(passed_on, b"one\ntw\xffo\nthree");
        assert_eq!(lines, ["one", "tw\u{fffd}o", "three"]);
        Ok(())
    }
}
