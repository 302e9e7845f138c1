//! The release programs of the backends: building them, finding them.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{setup::Setup, step::succeeds, workspace::shown};

/// The programs of some backends.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds the programs for release, all at once so that they share their dependencies; or takes them as they lie in
    /// the target folder.
    pub(crate) fn get(setup: &Setup, backends: &[String], build: bool) -> anyhow::Result<Self> {
        if build {
            let mut cargo = setup.cargo();
            cargo.args(["build", "--release"]);
            for backend in backends {
                cargo.args(["--package", &format!("hearth-{backend}")]);
            }
            ensure!(succeeds(&mut cargo)?, "`{}` failed", shown(&cargo));
        }
        let folder = target_folder(setup.cargo())?.join("release");
        let programs = Self { folder };
        for backend in backends {
            let path = programs.path(backend);
            ensure!(
                path.is_file(),
                "{} is missing: run this without --no-build",
                path.display()
            );
        }
        Ok(programs)
    }

    /// `…/release/hearth-flex`.
    pub(crate) fn path(&self, backend: &str) -> PathBuf {
        let suffix = std::env::consts::EXE_SUFFIX;
        self.folder.join(format!("hearth-{backend}{suffix}"))
    }
}

/// Where Cargo puts what it builds here, CARGO_TARGET_DIR and a person's configuration considered.
pub(crate) fn target_folder(mut cargo: Command) -> anyhow::Result<PathBuf> {
    cargo
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .stderr(Stdio::inherit());
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "`{}` failed", shown(&cargo));
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`{}` printed no JSON", shown(&cargo)))?;
    let folder = metadata["target_directory"].as_str();
    Ok(folder
        .context("cargo metadata names no target_directory")?
        .into())
}
