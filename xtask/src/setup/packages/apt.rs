//! apt-get, as root or by sudo, without questions of its own.

use std::{fs, io, path::Path, process::Command};

use anyhow::ensure;

use crate::{setup::tools, step::succeeds, workspace::shown};

/// Where apt keeps the lists of what can be installed. Images of containers come without them.
const LISTS: &str = "/var/lib/apt/lists";

pub(super) struct Apt {
    root: bool,
}

impl Apt {
    /// Finds apt, on Debian and what descends from it.
    pub(super) fn find() -> Option<Self> {
        tools::in_path("apt-get")?;
        let id = Command::new("id").arg("-u").output();
        let root = id.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
        Some(Self { root })
    }

    pub(super) fn install(&self, packages: &[&str]) -> Command {
        let mut command = self.get("install");
        command.args(["--yes", "--no-install-recommends"]);
        command.args(packages);
        command
    }

    fn update(&self) -> Command {
        self.get("update")
    }

    /// The environment is set inside of sudo, which would not let it through.
    fn get(&self, what: &str) -> Command {
        let mut command = Command::new(if self.root { "env" } else { "sudo" });
        if !self.root {
            command.arg("env");
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        // Another one may be at work, in a second setup for instance: wait for it.
        command.args(["-o", "DPkg::Lock::Timeout=300", what]);
        command
    }

    /// Installs the packages, with new lists if there are none or if they are too old to find the packages by.
    pub(super) fn run(&self, packages: &[&str]) -> anyhow::Result<()> {
        let lists = have_lists(Path::new(LISTS));
        self.run_by(packages, lists, |command| {
            // stdout is for what a shell may evaluate.
            succeeds(command.stdout(io::stderr()))
        })
    }

    fn run_by(
        &self,
        packages: &[&str],
        have_lists: bool,
        mut run: impl FnMut(&mut Command) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        if have_lists && run(&mut self.install(packages))? {
            return Ok(());
        }
        for mut command in [self.update(), self.install(packages)] {
            ensure!(run(&mut command)?, "`{}` failed", shown(&command));
        }
        Ok(())
    }
}

fn have_lists(folder: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is run, by its last but one word, with the given results.
    fn run(have_lists: bool, results: &[bool]) -> (Vec<String>, Result<(), String>) {
        let mut lines = Vec::new();
        let mut results = results.iter();
        let result = Apt { root: true }.run_by(&["g++"], have_lists, |command| {
            let line = shown(command);
            let what = ["update", "install"]
                .into_iter()
                .find(|what| line.split(' ').any(|word| word == *what));
            lines.extend(what.map(str::to_owned));
            Ok(*results.next().expect("a result for each command"))
        });
        (lines, result.map_err(|error| error.to_string()))
    }

    #[test]
    fn the_command_line_is_whole_and_can_be_typed() {
        assert_eq!(
            shown(&Apt { root: true }.install(&["mesa-vulkan-drivers", "libvulkan1"])),
            "env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install \
             --yes --no-install-recommends mesa-vulkan-drivers libvulkan1"
        );
        assert_eq!(
            shown(&Apt { root: false }.update()),
            "sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update"
        );
    }

    #[test]
    fn lists_are_fetched_where_there_are_none_or_they_do_not_do() {
        assert_eq!(run(true, &[true]), (vec!["install".into()], Ok(())));
        let (lines, result) = run(true, &[false, true, true]);
        assert_eq!(
            (lines.join(" "), result),
            ("install update install".into(), Ok(()))
        );
        let (lines, result) = run(false, &[true, true]);
        assert_eq!((lines.join(" "), result), ("update install".into(), Ok(())));
    }

    #[test]
    fn a_failure_is_an_error_that_names_the_command() {
        let (lines, result) = run(false, &[false]);
        assert_eq!(lines, ["update"]);
        assert!(result.is_err_and(|error| error.ends_with("update` failed")));
        let (_, result) = run(true, &[false, true, false]);
        assert!(result.is_err_and(|error| error.ends_with("g++` failed")));
    }

    #[test]
    fn lists_are_recognised() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("partial"))?;
        fs::write(folder.path().join("lock"), "")?;
        assert!(!have_lists(folder.path()));
        fs::write(
            folder
                .path()
                .join("mirror_dists_stable_main_binary-amd64_Packages.lz4"),
            "",
        )?;
        assert!(have_lists(folder.path()));
        assert!(!have_lists(&folder.path().join("absent")));
        Ok(())
    }
}
