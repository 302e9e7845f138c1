//! The files of the repository that a rule looks at, held in memory, so that rules touch no disk.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, ensure};

/// The text files by their path from the root, with `/` between folders. Binary files are left out.
#[derive(Debug)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads what git tracks or would track: a file not yet added counts, an ignored one does not.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let listing = Command::new("git")
            .current_dir(root)
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .output()
            .context("cannot run git")?;
        ensure!(
            listing.status.success(),
            "git ls-files: {}",
            String::from_utf8_lossy(&listing.stderr).trim()
        );

        let mut files = BTreeMap::new();
        for path in String::from_utf8_lossy(&listing.stdout)
            .split('\0')
            .filter(|path| !path.is_empty())
        {
            let on_disk = root.join(path);
            // Git lists a deleted file until the deletion is staged, and a submodule as if it were a file.
            if !on_disk.is_file() {
                continue;
            }
            let bytes = fs::read(&on_disk).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.insert(path.to_owned(), text);
            }
        }
        Ok(Self { files })
    }

    /// Each file's path and text, ordered by path.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The Rust files below a folder, such as `crates/data/src/`.
    pub(super) fn rust_files(&self, folder: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files()
            .filter(move |(path, _)| path.starts_with(folder) && path.ends_with(".rs"))
    }

    /// The manifests of the workspace's members: all but the root's own, and that of a program outside, which is a root too.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files()
            .filter(|(path, text)| path.ends_with("/Cargo.toml") && !is_root(text))
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|&(path, text)| (path.to_owned(), text.to_owned()));
        Self {
            files: files.collect(),
        }
    }
}

/// Whether a manifest begins a workspace of its own.
fn is_root(manifest: &str) -> bool {
    manifest
        .lines()
        .any(|line| line.trim_end() == "[workspace]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_are_read_and_ignored_binary_and_deleted_ones_are_not() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let git = |args: &[&str]| {
            Command::new("git")
                .current_dir(folder.path())
                .args(args)
                .output()
        };
        git(&["init", "--quiet"])?;
        fs::create_dir_all(folder.path().join("target"))?;
        for (path, bytes) in [
            (".gitignore", b"target/\n".as_slice()),
            ("added.rs", b"fn a() {}\n"),
            ("added and deleted.rs", b"fn b() {}\n"),
            ("new.rs", b"fn c() {}\n"),
            ("weights.bin", b"\xff\xfe\0"),
            ("target/built.rs", b"fn d() {}\n"),
        ] {
            fs::write(folder.path().join(path), bytes)?;
        }
        git(&["add", "added.rs", "added and deleted.rs"])?;
        fs::remove_file(folder.path().join("added and deleted.rs"))?;

        let tree = Tree::read(folder.path())?;
        let paths: Vec<&str> = tree.files().map(|(path, _)| path).collect();
        assert_eq!(paths, [".gitignore", "added.rs", "new.rs"]);
        assert_eq!(tree.text("new.rs"), Some("fn c() {}\n"));
        Ok(())
    }

    #[test]
    fn a_program_with_a_workspace_of_its_own_is_no_member() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n"),
            (
                "crates/data/Cargo.toml",
                "[package]\nedition.workspace = true\n",
            ),
            (
                "examples/alone/Cargo.toml",
                "# Alone.\n[workspace]\n\n[package]\n",
            ),
        ]);
        let members: Vec<&str> = tree.manifests().map(|(path, _)| path).collect();
        assert_eq!(members, ["crates/data/Cargo.toml"]);
    }

    #[test]
    fn a_folder_outside_git_is_an_error() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        assert!(Tree::read(folder.path()).is_err());
        Ok(())
    }
}
