//! Replacing a directory or a file whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::error::HubError;

/// Writes a directory by `write`, which is given an empty one beside it, and puts it in its place: all of it, or,
/// where anything fails, nothing. Everything is on the disk when this returns.
///
/// What stands at `dir` may be nothing, an empty directory, or a model directory (a `config.json` with a `model_type`,
/// and no subdirectory): the latter is replaced with all that is in it. Where `dir` is a link, what it points to is
/// replaced.
///
/// On Linux the two directories are swapped by one system call, so that at any moment, a power cut included, `dir` is the
/// old one or the new one. On other systems, and file systems that do not swap, the old one is renamed away before
/// the new one is renamed to `dir`: whoever dies between these two finds no `dir`, but both directories whole beside it,
/// as `.NAME.….old` and `.NAME.…`. Such siblings of a killed process are not cleaned up.
///
/// # Errors
/// What `write` returns, or [`HubError`] if something else stands at `dir` or the system refuses.
pub fn replace_directory<E: From<HubError>>(
    dir: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let Target {
        path,
        parent,
        prefix,
    } = Target::new(dir)?;
    let exists = check_replaceable(&path)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let writing = |source| HubError::writing(&path, source);
    let staging = builder.tempdir_in(&parent).map_err(writing)?;
    write(staging.path())?;
    sync(staging.path()).map_err(writing)?;
    if exists {
        swap(staging, &path).map_err(writing)?;
    } else {
        fs::rename(staging.path(), &path).map_err(writing)?;
        let _ = staging.keep();
    }
    Ok(sync_entries(&parent).map_err(writing)?)
}

/// Writes a file by `write`, which is given the path of another one beside it, and puts it in its place: all of it, or, where
/// anything fails, nothing. It is on the disk when this returns.
///
/// # Errors
/// What `write` returns, or [`HubError`] if the system refuses.
pub fn replace_file<E: From<HubError>>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let Target {
        path,
        parent,
        prefix,
    } = Target::new(path)?;
    let writing = |source| HubError::writing(&path, source);
    if path.is_dir() {
        return Err(writing(io::ErrorKind::IsADirectory.into()).into());
    }
    let staging = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&parent)
        .map_err(writing)?;
    let temporary = staging.path().join("file");
    write(&temporary)?;
    File::open(&temporary)
        .and_then(|file| file.sync_all())
        .map_err(writing)?;
    fs::rename(&temporary, &path).map_err(writing)?;
    Ok(sync_entries(&parent).map_err(writing)?)
}

/// Where something is to stand.
struct Target {
    path: PathBuf,
    parent: PathBuf,
    /// How the names of its temporary siblings begin.
    prefix: OsString,
}

impl Target {
    fn new(path: &Path) -> Result<Self, HubError> {
        let writing = |source| HubError::writing(path, source);
        let path = if path.exists() {
            path.canonicalize().map_err(writing)?
        } else {
            path.into()
        };
        let Some(name) = path.file_name() else {
            return Err(writing(io::ErrorKind::InvalidInput.into()));
        };
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(writing)?;
        Ok(Self {
            path,
            parent,
            prefix,
        })
    }
}

/// Whether there is something to replace; refuses what is no model.
fn check_replaceable(path: &Path) -> Result<bool, HubError> {
    let occupied = |found| {
        Err(HubError::Occupied {
            path: path.into(),
            found,
        })
    };
    if fs::symlink_metadata(path).is_err() {
        return Ok(false);
    }
    if !path.is_dir() {
        return occupied("it is a file");
    }
    let reading = |source| HubError::reading(path, source);
    let mut is_empty = true;
    for entry in fs::read_dir(path).map_err(reading)? {
        is_empty = false;
        if entry
            .and_then(|entry| entry.file_type())
            .map_err(reading)?
            .is_dir()
        {
            return occupied("it is a directory with others in it");
        }
    }
    let is_model = || {
        let config: Value =
            serde_json::from_slice(&fs::read(path.join("config.json")).ok()?).ok()?;
        config.get("model_type")?.as_str()?;
        Some(())
    };
    if is_empty || is_model().is_some() {
        return Ok(true);
    }
    occupied("it is a directory whose config.json names no model_type")
}

/// Puts the new directory in the old one's place, and removes the old one. That it cannot be removed is no failure:
/// the new one is in place.
fn swap(new: TempDir, old: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new.path(), CWD, old, RenameFlags::EXCHANGE).is_ok() {
            // The old one has the temporary name now.
            let _ = new.close();
            return Ok(());
        }
    }
    swap_in_two_steps(new, old)
}

fn swap_in_two_steps(new: TempDir, old: &Path) -> io::Result<()> {
    let mut aside = new.path().as_os_str().to_owned();
    aside.push(".old");
    fs::rename(old, &aside)?;
    if let Err(error) = fs::rename(new.path(), old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    let _ = new.keep();
    let _ = fs::remove_dir_all(&aside);
    Ok(())
}

/// Makes a directory and all in it durable.
fn sync(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_entries(dir)
}

/// Makes the names in a directory durable. Elsewhere than on Unix a directory cannot be opened.
fn sync_entries(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"model_type": "x"}"#;

    fn write(text: &str) -> impl FnOnce(&Path) -> Result<(), HubError> {
        move |dir| {
            fs::write(dir.join("config.json"), CONFIG)
                .map_err(|source| HubError::writing(dir, source))?;
            fs::write(dir.join("text"), text).map_err(|source| HubError::writing(dir, source))
        }
    }

    fn read(dir: &Path) -> String {
        fs::read_to_string(dir.join("text")).expect("a text")
    }

    fn names(dir: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(dir).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").file_name())
            .collect()
    }

    #[test]
    fn a_directory_is_made_and_replaced_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("a/model");
        for text in ["first", "second"] {
            replace_directory(&dir, write(text)).expect("replaced");
            assert_eq!(read(&dir), text);
            assert_eq!(names(&folder.path().join("a")), ["model"]);
        }
    }

    #[test]
    fn a_failure_leaves_the_old_directory_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("model");
        replace_directory(&dir, write("first")).expect("replaced");
        let error = replace_directory(&dir, |dir| {
            write("second")(dir)?;
            Err(HubError::writing(dir, io::ErrorKind::StorageFull.into()))
        });
        assert!(error.is_err_and(|error| error.is_io()));
        assert_eq!(read(&dir), "first");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[test]
    fn two_steps_do_the_same_where_a_swap_is_unknown() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("model");
        replace_directory(&dir, write("first")).expect("replaced");
        let new = tempfile::tempdir_in(folder.path()).expect("a folder");
        write("second")(new.path()).expect("written");
        swap_in_two_steps(new, &dir).expect("swapped");
        assert_eq!(read(&dir), "second");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[test]
    fn what_is_no_model_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("model");
        let refused = |what: &str| {
            let error = replace_directory(&dir, write("new")).expect_err(what);
            assert!(
                matches!(error, HubError::Occupied { .. }),
                "{what}: {error}"
            );
        };
        fs::write(&dir, "a file").expect("written");
        refused("a file");
        fs::remove_file(&dir).expect("removed");
        fs::create_dir(&dir).expect("made");
        fs::write(dir.join("thesis.tex"), "years of work").expect("written");
        refused("another's directory");
        fs::write(dir.join("config.json"), "{}").expect("written");
        refused("another program's config");
        fs::write(dir.join("config.json"), CONFIG).expect("written");
        fs::create_dir(dir.join("src")).expect("made");
        refused("a directory with others in it");
        fs::remove_dir(dir.join("src")).expect("removed");
        replace_directory(&dir, write("new")).expect("replaced");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (dir, link) = (folder.path().join("model"), folder.path().join("link"));
        replace_directory(&dir, write("first")).expect("replaced");
        std::os::unix::fs::symlink(&dir, &link).expect("linked");
        replace_directory(&link, write("second")).expect("replaced");
        assert_eq!(read(&dir), "second");
        assert!(link.is_symlink());
    }
}
