//! The workspace's own tasks, run as `cargo xtask <task>`.
//!
//! Rust instead of shell, so that a contributor needs nothing but Cargo and every rule has a test. `check` and `test` are
//! what CI runs, and `setup` readies a machine for them; `parity` shows that backends agree. `hf-check` and `bench-train`
//! need Python with torch.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person at the terminal"
)]

mod bench_train;
#[cfg(unix)]
mod campaign;
mod check;
mod data;
mod hf_check;
mod parity;
mod programs;
mod results;
mod setup;
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
    /// Check, then test, as CI runs it: installs missing packages of the system without asking
    Ci,
    /// Find or install what all tests need (a Vulkan driver, libtorch), and print what to export for cargo
    Setup(setup::SetupArgs),
    /// The numbers of every backend beside those of the libraries that saved the reference models, as a table
    Parity(parity::ParityArgs),
    /// Compare a model directory's logits with Hugging Face transformers (needs Python with torch)
    HfCheck(hf_check::HfCheckArgs),
    /// How fast hearth trains a recipe's model, beside eager PyTorch (needs Python with torch)
    BenchTrain(bench_train::BenchTrainArgs),
    /// Cut up the real data sets that do not come as recipes want them, below runs/data
    Data,
    /// Train and evaluate the recipes of results/experiments.toml on real data, and write RESULTS.md (takes hours)
    Results(results::ResultsArgs),
    /// Kill, starve and damage training runs, and see them go on (takes minutes)
    #[cfg(unix)]
    Campaign(campaign::CampaignArgs),
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
            let setup = setup::SetupArgs { yes: true };
            let checked = check::run(&workspace, &check::CheckArgs::all(setup));
            // The tests tell more about a broken change than a lint does, so they run all the same.
            let tested = test::run(&workspace, &test::TestArgs::all(setup))?;
            Ok(checked && tested)
        }
        Task::Setup(args) => setup::task(&workspace, &args),
        Task::Parity(args) => parity::run(&workspace, &args),
        Task::HfCheck(args) => hf_check::run(&workspace, &args),
        Task::BenchTrain(args) => bench_train::run(&workspace, &args),
        Task::Data => data::run(&workspace),
        Task::Results(args) => results::run(&workspace, &args),
        #[cfg(unix)]
        Task::Campaign(args) => campaign::run(&workspace, &args),
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
