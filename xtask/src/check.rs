//! `cargo xtask check`: everything a machine can say about the code without running it.
//!
//! The cheap steps come first. `clippy` and `docs` use the same features and the same profile, so they share one
//! metadata-only build of the dependencies.

use clap::{Args, ValueEnum};

use crate::{
    step::{Step, run_all, succeeds},
    tidy,
    workspace::Workspace,
};

#[derive(Args, Default)]
pub(crate) struct CheckArgs {
    /// Run these steps only, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<CheckStep>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckStep {
    /// The formatting is rustfmt's
    Fmt,
    /// The rules of the workspace: floors, file lengths, where backends may be named, …
    Tidy,
    /// No lint of clippy's or the workspace's
    Clippy,
    /// The documentation builds without a warning
    Docs,
}

impl CheckStep {
    fn step(self) -> Step {
        match self {
            Self::Fmt => Step {
                name: "fmt",
                run: fmt,
            },
            Self::Tidy => Step {
                name: "tidy",
                run: tidy,
            },
            Self::Clippy => Step {
                name: "clippy",
                run: clippy,
            },
            Self::Docs => Step {
                name: "docs",
                run: docs,
            },
        }
    }
}

/// Runs the steps and returns whether all passed.
pub(crate) fn run(workspace: &Workspace, args: &CheckArgs) -> bool {
    run_all("check", &picked(&args.only), workspace)
}

/// The steps to run, in their own order however they were named; all of them if none was.
fn picked(only: &[CheckStep]) -> Vec<Step> {
    let all = CheckStep::value_variants().iter();
    all.filter(|step| only.is_empty() || only.contains(step))
        .map(|step| step.step())
        .collect()
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

fn clippy(workspace: &Workspace) -> anyhow::Result<bool> {
    succeeds(workspace.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn docs(workspace: &Workspace) -> anyhow::Result<bool> {
    succeeds(
        workspace
            .cargo()
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[CheckStep]) -> Vec<&'static str> {
        picked(only).iter().map(|step| step.name).collect()
    }

    #[test]
    fn all_steps_run_unless_some_are_picked() {
        assert_eq!(names(&[]), ["fmt", "tidy", "clippy", "docs"]);
        assert_eq!(names(&[CheckStep::Docs, CheckStep::Fmt]), ["fmt", "docs"]);
    }
}
