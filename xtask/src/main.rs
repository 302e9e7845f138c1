//! The workspace's own tasks, run as `cargo xtask <task>`.
//!
//! Rust instead of shell, so that a contributor needs nothing but Cargo and every rule has a test. `check` and `test` are
//! what CI runs; `hf-check` is by hand, because it needs Python with Hugging Face transformers.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person at the terminal"
)]

mod check;
mod hf_check;
mod step;
mod summary;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The workspace's own tasks"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, lints, documentation and the rules of CONVENTIONS.md; runs every step even if one fails
    Check(check::CheckArgs),
    /// The whole test suite, closed by one line with the totals
    Test(test::TestArgs),
    /// Check, then test, as CI runs it
    Ci,
    /// Compare a model directory's logits with Hugging Face transformers (needs Python with torch)
    HfCheck(hf_check::HfCheckArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all went well; an error is what kept a task from being carried out at all.
fn run(task: Task) -> anyhow::Result<bool> {
    let workspace = Workspace::find()?;
    match task {
        Task::Check(args) => Ok(check::run(&workspace, &args)),
        Task::Test(args) => test::run(&workspace, &args),
        Task::Ci => {
            let checked = check::run(&workspace, &check::CheckArgs::default());
            // The tests tell more about a broken change than a lint does, so they run all the same.
            let tested = test::run(&workspace, &test::TestArgs::default())?;
            Ok(checked && tested)
        }
        Task::HfCheck(args) => hf_check::run(&workspace, &args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
