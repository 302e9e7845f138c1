//! The list that is written last into a finished libtorch folder, by which a later setup knows that it is whole.
//!
//! Names and sizes of the libraries: a copy that broke off shows in them, and to compare them takes no time, which hashes of
//! half a gigabyte would.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, bail, ensure};
use toml::{Table, Value};

const FILE: &str = "hearth-manifest.toml";
const TABLE: &str = "libraries";

/// Lists what lies in `lib` now.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let lib = folder.join("lib");
    let mut libraries = BTreeMap::new();
    let entries = fs::read_dir(&lib).with_context(|| format!("cannot read {}", lib.display()))?;
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let size = size(&lib, &name)?;
        libraries.insert(name, Value::Integer(size));
    }
    let libraries = Table::from_iter(libraries);
    let text = format!(
        "# Written last by `cargo xtask setup`, which makes this folder anew if its libraries differ from these.\n{}",
        Table::from_iter([(TABLE.to_owned(), Value::Table(libraries))])
    );
    let file = folder.join(FILE);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Checks that every library listed is there in its size. The error says what is wrong.
pub(super) fn check(folder: &Path) -> anyhow::Result<()> {
    let file = folder.join(FILE);
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: Table = text
        .parse()
        .with_context(|| format!("cannot understand {}", file.display()))?;
    let libraries = manifest
        .get(TABLE)
        .and_then(Value::as_table)
        .filter(|libraries| !libraries.is_empty());
    let Some(libraries) = libraries else {
        bail!("{} lists no libraries", file.display());
    };
    let lib = folder.join("lib");
    for (name, expected) in libraries {
        let found = size(&lib, name)?;
        ensure!(
            expected.as_integer() == Some(found),
            "{} has {found} bytes, expected are {expected}",
            lib.join(name).display()
        );
    }
    Ok(())
}

/// The size of a library, or of what a link leads to.
fn size(lib: &Path, name: &str) -> anyhow::Result<i64> {
    let file = lib.join(name);
    let metadata =
        fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(i64::try_from(metadata.len())?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder() -> anyhow::Result<TempDir> {
        let folder = tempfile::tempdir()?;
        let lib = folder.path().join("lib");
        fs::create_dir(&lib)?;
        fs::write(lib.join("libtorch_cpu.so"), "the library")?;
        fs::write(lib.join("libgomp.so.1"), "threads")?;
        write(folder.path())?;
        Ok(folder)
    }

    fn flaw(folder: &TempDir) -> String {
        check(folder.path()).map_or_else(|error| format!("{error:#}"), |()| "none".into())
    }

    #[test]
    fn a_finished_folder_is_whole() -> anyhow::Result<()> {
        let folder = folder()?;
        check(folder.path())?;
        // What somebody adds is their business.
        fs::write(folder.path().join("lib/other.so"), "")?;
        check(folder.path())?;
        let text = fs::read_to_string(folder.path().join(FILE))?;
        assert!(
            text.ends_with("[libraries]\n\"libgomp.so.1\" = 7\n\"libtorch_cpu.so\" = 11\n"),
            "{text}"
        );
        Ok(())
    }

    #[test]
    fn a_truncated_library_is_named_with_both_sizes() -> anyhow::Result<()> {
        let folder = folder()?;
        fs::write(folder.path().join("lib/libtorch_cpu.so"), "the lib")?;
        let flaw = flaw(&folder);
        assert!(
            flaw.contains("libtorch_cpu.so has 7 bytes, expected are 11"),
            "{flaw}"
        );
        Ok(())
    }

    #[test]
    fn a_missing_library_is_named() -> anyhow::Result<()> {
        let folder = folder()?;
        fs::remove_file(folder.path().join("lib/libgomp.so.1"))?;
        let flaw = flaw(&folder);
        assert!(
            flaw.contains("cannot read") && flaw.contains("libgomp.so.1"),
            "{flaw}"
        );
        Ok(())
    }

    #[test]
    fn a_manifest_that_is_missing_broken_or_empty_vouches_for_nothing() -> anyhow::Result<()> {
        let folder = folder()?;
        for (text, what) in [
            ("[libraries\n", "cannot understand"),
            ("", "lists no libraries"),
            ("[libraries]\n", "lists no libraries"),
            ("[libraries]\n\"libgomp.so.1\" = \"7\"\n", "expected are"),
        ] {
            fs::write(folder.path().join(FILE), text)?;
            let flaw = flaw(&folder);
            assert!(flaw.contains(what), "{flaw}");
        }
        fs::remove_file(folder.path().join(FILE))?;
        assert!(flaw(&folder).contains("cannot read"));
        Ok(())
    }
}
