//! `cargo xtask setup`: finds or installs what the tests of all backends need, a Vulkan driver and libtorch.
//!
//! Two backends need only Rust. The wgpu backend needs a Vulkan adapter, which on Linux is a package of the system; the
//! libtorch backend needs libtorch and a C++ compiler. MPI is welcome, and nobody has to have it. What builds or runs all of them calls [`run`] first and takes
//! [`Setup::cargo`]. Everything said goes to stderr: stdout is for the line that a shell may evaluate.

mod consent;
mod libtorch;
mod mpi;
mod packages;
mod tools;
mod vulkan;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::Context;
use clap::Args;

use crate::workspace::Workspace;

use self::{libtorch::Source, packages::Need};

/// The environment variable by which torch-sys finds libtorch.
const LIBTORCH: &str = "LIBTORCH";

/// So that the loader finds it too, after the line that exports it.
const SEARCHED: &str =
    r#"export LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}""#;

#[derive(Args, Debug, Clone, Copy, Default)]
pub(crate) struct SetupArgs {
    /// Install missing packages of the system without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

/// A machine on which every crate of the workspace builds and tests.
#[derive(Debug)]
pub(crate) struct Setup {
    workspace: Workspace,
    /// None where torch-sys finds or downloads libtorch itself.
    libtorch: Option<PathBuf>,
    has_mpi: bool,
}

impl Setup {
    /// What cargo is to be told to build or test what this machine can of all features.
    pub(crate) fn features(&self) -> &'static [&'static str] {
        match self.has_mpi {
            true => &["--features", mpi::FEATURES],
            false => &[],
        }
    }

    /// Cargo, as [`Workspace::cargo`] gives it, told where libtorch lies. Always the same place, so that torch-sys is not
    /// built anew.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = self.workspace.cargo();
        if let Some(libtorch) = &self.libtorch {
            command.env(LIBTORCH, libtorch);
        }
        command
    }
}

/// Makes the machine ready. Where it is already, this takes some milliseconds.
pub(crate) fn run(workspace: &Workspace, args: &SetupArgs) -> anyhow::Result<Setup> {
    let started = Instant::now();
    let libtorch = Source::find()?;
    packages::provide(&needs(&libtorch), args.yes)?;
    let has_mpi = mpi::provide(args.yes)?;
    let libtorch = libtorch.provide().with_context(|| {
        format!(
            "cannot get libtorch ready; try again, or set {LIBTORCH} to an unpacked libtorch {} for the CPU",
            libtorch::VERSION
        )
    })?;
    say(&format!("ready, {:.1} s", started.elapsed().as_secs_f64()));
    Ok(Setup {
        workspace: workspace.clone(),
        libtorch,
        has_mpi,
    })
}

/// The task itself: makes the machine ready, and tells a shell what Cargo needs to know if called without xtask.
pub(crate) fn task(workspace: &Workspace, args: &SetupArgs) -> anyhow::Result<bool> {
    match run(workspace, args)?.libtorch {
        Some(folder) => {
            say(
                "`cargo xtask` and hearth-tch know all this. To call cargo by hand, and to run programs of your own on libtorch: \
                 eval \"$(cargo xtask setup)\"",
            );
            println!("{}", export(&folder));
            println!("{SEARCHED}");
        }
        None => say("cargo can be called by hand as it is: nothing to export"),
    }
    Ok(true)
}

fn needs(libtorch: &Source) -> Vec<&'static Need> {
    let mut needs = vec![&vulkan::NEED, &tools::COMPILER];
    if matches!(libtorch, Source::ToMake(_)) {
        needs.push(&tools::PIP);
    }
    needs
}

/// A line for a POSIX shell.
fn export(folder: &Path) -> String {
    let quoted = folder.display().to_string().replace('\'', r"'\''");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if quoted.chars().all(plain) {
        format!("export {LIBTORCH}={quoted}")
    } else {
        format!("export {LIBTORCH}='{quoted}'")
    }
}

fn say(what: &str) {
    eprintln!("setup: {what}");
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn cargo_is_told_of_libtorch_only_where_there_is_one() -> anyhow::Result<()> {
        let told = |libtorch: Option<&str>| -> anyhow::Result<Vec<String>> {
            let setup = Setup {
                workspace: Workspace::find()?,
                libtorch: libtorch.map(PathBuf::from),
                has_mpi: false,
            };
            let command = setup.cargo();
            let values = command
                .get_envs()
                .filter(|(name, _)| *name == OsStr::new(LIBTORCH));
            Ok(values
                .filter_map(|(_, value)| Some(value?.to_string_lossy().into_owned()))
                .collect())
        };
        assert_eq!(told(Some("/cache/libtorch"))?, ["/cache/libtorch"]);
        assert!(told(None)?.is_empty());
        Ok(())
    }

    #[test]
    fn the_exported_line_survives_a_shell() {
        for (folder, line) in [
            (
                "/cache/libtorch-2.9.0",
                "export LIBTORCH=/cache/libtorch-2.9.0",
            ),
            ("/my cache/lib", "export LIBTORCH='/my cache/lib'"),
            ("/it's/$x", r"export LIBTORCH='/it'\''s/$x'"),
        ] {
            assert_eq!(export(Path::new(folder)), line);
        }
    }

    #[test]
    fn pip_is_needed_only_to_make_libtorch() {
        let names = |source| -> Vec<&str> { needs(&source).iter().map(|need| need.name).collect() };
        assert_eq!(
            names(Source::ToMake("a".into())),
            ["Vulkan", "C++ compiler", "pip"]
        );
        assert_eq!(
            names(Source::Cached("a".into())),
            ["Vulkan", "C++ compiler"]
        );
    }
}
