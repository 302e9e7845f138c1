//! `cargo xtask check`: everything a machine can say about the code without running it.
//!
//! The cheap steps come first. `clippy` and `docs` use the same features and the same profile, so they share one
//! metadata-only build of the dependencies. They build every backend, so the machine is set up before them. `reuse` has a
//! workspace and a lock file of its own, and so a build of its own, of one backend.

use clap::{Args, ValueEnum};

use crate::{
    programs::target_folder,
    setup::{self, Setup, SetupArgs},
    step::{Step, run_all, succeeds},
    tidy,
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Run these steps only, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<CheckStep>,
    #[command(flatten)]
    setup: SetupArgs,
}

impl CheckArgs {
    /// All steps.
    pub(crate) fn all(setup: SetupArgs) -> Self {
        Self {
            only: Vec::new(),
            setup,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckStep {
    /// The formatting is rustfmt's
    Fmt,
    /// The rules of the workspace: floors, file lengths, where backends may be named, …
    Tidy,
    /// The example outside the workspace: its formatting, and no lint of clippy's
    Reuse,
    /// No lint of clippy's or the workspace's
    Clippy,
    /// The documentation builds without a warning
    Docs,
}

/// The steps that need nothing but Rust.
const PLAIN: [(CheckStep, Step<Workspace>); 3] = [
    (
        CheckStep::Fmt,
        Step {
            name: "fmt",
            run: fmt,
        },
    ),
    (
        CheckStep::Tidy,
        Step {
            name: "tidy",
            run: tidy,
        },
    ),
    (
        CheckStep::Reuse,
        Step {
            name: "reuse",
            run: reuse,
        },
    ),
];

/// The steps that build every backend.
const BUILDING: [(CheckStep, Step<Setup>); 2] = [
    (
        CheckStep::Clippy,
        Step {
            name: "clippy",
            run: clippy,
        },
    ),
    (
        CheckStep::Docs,
        Step {
            name: "docs",
            run: docs,
        },
    ),
];

/// A program that uses the model crate as anyone's would, from outside the workspace.
const REUSE: &str = "examples/reuse-model-crate/Cargo.toml";

/// Runs the steps and returns whether all passed.
pub(crate) fn run(workspace: &Workspace, args: &CheckArgs) -> bool {
    let passed = run_all("check", &picked(&PLAIN, &args.only), workspace);
    let building = picked(&BUILDING, &args.only);
    if building.is_empty() {
        return passed;
    }
    match setup::run(workspace, &args.setup) {
        Ok(setup) => run_all("check", &building, &setup) && passed,
        Err(error) => {
            let skipped: Vec<&str> = building.iter().map(|step| step.name).collect();
            println!(
                "check setup: failed, so {} did not run: {error:#}",
                skipped.join(" and ")
            );
            false
        }
    }
}

/// The steps to run, in their own order however they were named; all of them if none was.
fn picked<'a, C>(steps: &'a [(CheckStep, Step<C>)], only: &[CheckStep]) -> Vec<&'a Step<C>> {
    let wanted = |step| only.is_empty() || only.contains(step);
    let steps = steps.iter().filter(|(step, _)| wanted(step));
    steps.map(|(_, step)| step).collect()
}

fn fmt(workspace: &Workspace) -> anyhow::Result<bool> {
    succeeds(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn tidy(workspace: &Workspace) -> anyhow::Result<bool> {
    let problems = tidy::problems(&tidy::Tree::read(workspace.root())?);
    for problem in &problems {
        println!("{problem}");
    }
    Ok(problems.is_empty())
}

fn reuse(workspace: &Workspace) -> anyhow::Result<bool> {
    let formatted = succeeds(
        workspace
            .cargo()
            .args(["fmt", "--check", "--manifest-path", REUSE]),
    )?;
    let mut cargo = workspace.cargo();
    cargo.args(["clippy", "--locked", "--all-targets", "--manifest-path"]);
    cargo.args([REUSE, "--target-dir"]);
    cargo.arg(target_folder(workspace.cargo())?);
    Ok(succeeds(cargo.args(["--", "-D", "warnings"]))? && formatted)
}

fn clippy(setup: &Setup) -> anyhow::Result<bool> {
    let mut cargo = setup.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets"]);
    succeeds(cargo.args(setup.features()).args(["--", "-D", "warnings"]))
}

fn docs(setup: &Setup) -> anyhow::Result<bool> {
    succeeds(
        setup
            .cargo()
            .args(["doc", "--workspace", "--no-deps"])
            .args(setup.features())
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[CheckStep]) -> Vec<&'static str> {
        let reading = picked(&PLAIN, only).into_iter().map(|step| step.name);
        let building = picked(&BUILDING, only).into_iter().map(|step| step.name);
        reading.chain(building).collect()
    }

    #[test]
    fn all_steps_run_unless_some_are_picked() {
        assert_eq!(names(&[]), ["fmt", "tidy", "reuse", "clippy", "docs"]);
        assert_eq!(names(&[CheckStep::Docs, CheckStep::Fmt]), ["fmt", "docs"]);
    }

    #[test]
    fn every_step_can_be_picked() {
        for step in CheckStep::value_variants() {
            assert_eq!(names(&[*step]).len(), 1);
        }
    }
}
