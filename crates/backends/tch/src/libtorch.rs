//! Where libtorch lies on this machine, and whether it is the version that this program was built for.

use std::fmt;
use std::path::{Path, PathBuf};

/// The libtorch that the crate `torch-sys` speaks to.
const VERSION: &str = "2.9";

/// The library that everything else hangs on.
#[cfg(target_os = "linux")]
const LIBRARY: &str = "libtorch_cpu.so";
#[cfg(target_os = "macos")]
const LIBRARY: &str = "libtorch_cpu.dylib";
#[cfg(windows)]
const LIBRARY: &str = "torch_cpu.dll";

/// The variable in which the system's loader looks for folders.
#[cfg(target_os = "linux")]
pub(crate) const SEARCHED: &str = "LD_LIBRARY_PATH";
#[cfg(target_os = "macos")]
pub(crate) const SEARCHED: &str = "DYLD_LIBRARY_PATH";
#[cfg(windows)]
pub(crate) const SEARCHED: &str = "PATH";

/// Where to look, the user's own word first.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// `LIBTORCH`, an unpacked libtorch.
    asked_for: Option<PathBuf>,
    /// Folders of libraries.
    usual: Vec<PathBuf>,
}

/// Why libtorch cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Missing { looked_in: Vec<PathBuf> },
    Version { folder: PathBuf, found: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { looked_in } => {
                write!(f, "there is no libtorch: {LIBRARY} is in none of")?;
                for folder in looked_in {
                    write!(f, "\n    {}", folder.display())?;
                }
            }
            Self::Version { folder, found } => write!(
                f,
                "{} is libtorch {found}, expected {VERSION}",
                folder.display()
            )?,
        }
        write!(
            f,
            "\n  to mend it: set LIBTORCH to an unpacked libtorch {VERSION}, or run `cargo xtask setup` in hearth's sources"
        )
    }
}

impl Places {
    /// `LIBTORCH`, the folder that was there when this program was built, those that the loader searches, and the one
    /// that `cargo xtask setup` fills.
    pub(crate) fn of_this_machine() -> Self {
        let built_with = option_env!("HEARTH_LIBTORCH_LIB").map(PathBuf::from);
        let searched = std::env::var_os(SEARCHED);
        let searched = searched.iter().flat_map(std::env::split_paths);
        let set_up = dirs::cache_dir().map(|cache| cache.join("hearth/libtorch-2.9.0-cpu/lib"));
        Self {
            asked_for: std::env::var_os("LIBTORCH").map(PathBuf::from),
            usual: built_with
                .into_iter()
                .chain(searched)
                .chain(set_up)
                .collect(),
        }
    }

    /// The folder of the libraries.
    pub(crate) fn find(self) -> Result<PathBuf, Problem> {
        let places = match self.asked_for {
            Some(root) => vec![root.join("lib")],
            None => self.usual,
        };
        let Some(folder) = places.iter().find(|folder| folder.join(LIBRARY).is_file()) else {
            return Err(Problem::Missing { looked_in: places });
        };
        match version(folder) {
            Some(found) if !is_right(&found) => Err(Problem::Version {
                folder: folder.clone(),
                found,
            }),
            _ => Ok(folder.clone()),
        }
    }
}

/// What the file beside the folder says; a libtorch without one is taken at its word.
fn version(folder: &Path) -> Option<String> {
    let written = std::fs::read_to_string(folder.parent()?.join("build-version")).ok()?;
    Some(written.trim().to_owned())
}

fn is_right(version: &str) -> bool {
    version
        .strip_prefix(VERSION)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libtorch(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("lib")).expect("lib");
        std::fs::write(folder.path().join("lib").join(LIBRARY), "").expect("a library");
        std::fs::write(folder.path().join("build-version"), version).expect("a version");
        folder
    }

    fn usual(folders: &[&Path]) -> Places {
        Places {
            asked_for: None,
            usual: folders.iter().map(|folder| folder.join("lib")).collect(),
        }
    }

    #[test]
    fn the_first_folder_with_the_library_is_taken() {
        let (empty, whole) = (
            tempfile::tempdir().expect("a folder"),
            libtorch("2.9.1+cpu\n"),
        );
        let found = usual(&[empty.path(), whole.path()]).find();
        assert_eq!(found, Ok(whole.path().join("lib")));
    }

    #[test]
    fn a_missing_library_is_told_with_every_place_and_the_remedy() {
        let empty = tempfile::tempdir().expect("a folder");
        let problem = usual(&[empty.path()]).find().expect_err("nothing there");
        let text = problem.to_string();
        assert!(
            text.contains(&empty.path().join("lib").display().to_string()),
            "{text}"
        );
        assert!(text.contains("cargo xtask setup"), "{text}");
    }

    #[test]
    fn another_version_is_refused_by_its_name() {
        for other in ["2.8.0", "2.90.0+cpu", "1.2.9"] {
            let wrong = libtorch(other);
            let problem = usual(&[wrong.path()]).find().expect_err("another version");
            assert!(
                problem
                    .to_string()
                    .contains(&format!("libtorch {other}, expected 2.9"))
            );
        }
    }

    #[test]
    fn what_the_user_asks_for_is_not_passed_over() {
        let (asked_for, whole) = (tempfile::tempdir().expect("a folder"), libtorch("2.9.0"));
        let places = Places {
            asked_for: Some(asked_for.path().to_owned()),
            ..usual(&[whole.path()])
        };
        assert!(matches!(places.find(), Err(Problem::Missing { .. })));
    }
}
