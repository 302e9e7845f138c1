//! Where the workspace lies, and how Cargo is called in it.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

/// The root folder of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the root from what `cargo run` tells its program. A path fixed at build time would be wrong as soon as two
    /// checkouts share one target folder.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .context("run this as `cargo xtask`, inside the workspace")?;
        let root = Path::new(&manifest)
            .parent()
            .context("the xtask folder has no parent")?;
        ensure!(
            root.join("Cargo.toml").is_file(),
            "no Cargo.toml in {}",
            root.display()
        );
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo, to be run in the root folder, with the environment that a person's own call would have: what the outer
    /// `cargo run` set for xtask must not make build scripts believe that something changed.
    pub(crate) fn cargo(&self) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let set_by_cargo = name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            });
            if set_by_cargo {
                command.env_remove(name);
            }
        }
        command
    }
}

/// A command as one would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_without_its_folder() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["fmt", "--all"]);
        assert_eq!(shown(&command), "cargo fmt --all");
    }

    #[test]
    fn the_root_is_the_folder_above_xtask() -> anyhow::Result<()> {
        assert!(
            Workspace::find()?
                .root()
                .join("xtask/src/main.rs")
                .is_file()
        );
        Ok(())
    }
}
