//! Programs that libtorch needs: a C++ compiler for torch-sys, and pip, which downloads the wheels.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::packages::Need;

pub(super) const COMPILER: Need = Need {
    name: "C++ compiler",
    reason: "torch-sys, below the libtorch backend, is partly C++",
    find: compiler,
    debian: &["g++"],
    fedora: &["gcc-c++"],
    arch: &["gcc"],
};

pub(super) const PIP: Need = Need {
    name: "pip",
    reason: "libtorch is made from wheels that `python3 -m pip` downloads",
    find: pip,
    debian: &["python3-pip"],
    fedora: &["python3-pip"],
    arch: &["python-pip"],
};

/// Python, to be followed by pip's command.
pub(super) fn pip_command() -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip"]);
    command
}

/// A program's whole path, as a shell would find it.
pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    look_up(program, &env::var_os("PATH")?)
}

fn look_up(program: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path)
        .filter(|folder| folder != Path::new(""))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// What the `cc` crate will call: `CXX`, or `c++`. On Windows it finds Visual Studio by the registry.
fn compiler() -> anyhow::Result<Option<String>> {
    if cfg!(windows) {
        return Ok(Some("Visual Studio's, found when building".into()));
    }
    let chosen = env::var("CXX").ok().filter(|chosen| !chosen.is_empty());
    let chosen = chosen.map(|chosen| format!("{chosen}, says CXX"));
    Ok(chosen.or_else(|| in_path("c++").map(|file| file.display().to_string())))
}

fn pip() -> anyhow::Result<Option<String>> {
    // Python without pip, and no Python at all, are the same to us.
    let output = pip_command()
        .arg("--version")
        .stderr(Stdio::null())
        .output();
    Ok(output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| version(&String::from_utf8_lossy(&output.stdout))))
}

/// `pip 23.0 from FOLDER (python 3.11)` without the folder, which tells nobody anything.
fn version(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| *word != "pip");
    Some(format!("{} {}", words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_is_found_in_the_first_folder_that_has_it() -> anyhow::Result<()> {
        let [empty, first, second] = [
            tempfile::tempdir()?,
            tempfile::tempdir()?,
            tempfile::tempdir()?,
        ];
        for folder in [&first, &second] {
            fs::write(folder.path().join("c++"), "")?;
        }
        fs::create_dir(empty.path().join("c++"))?;
        let path = env::join_paths([empty.path(), first.path(), second.path()])?;
        assert_eq!(look_up("c++", &path), Some(first.path().join("c++")));
        assert_eq!(look_up("g++", &path), None);
        assert_eq!(look_up("c++", OsStr::new("")), None);
        Ok(())
    }

    #[test]
    fn a_version_is_read_from_what_pip_says() {
        let line = "pip 23.0.1 from /usr/lib/python3/dist-packages/pip (python 3.11)\n";
        assert_eq!(version(line).as_deref(), Some("pip 23.0.1"));
        assert_eq!(version("No module named pip"), None);
        assert_eq!(version(""), None);
    }
}
