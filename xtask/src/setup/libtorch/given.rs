//! A libtorch that the person chose: refused here, in a sentence, rather than by a compiler later.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};

use super::{ANY_VERSION, VERSION};
use crate::setup::say;

/// What the library is called on Linux, macOS and Windows.
const LIBRARIES: [&str; 3] = ["libtorch_cpu.so", "libtorch_cpu.dylib", "torch_cpu.dll"];

/// The version that a folder says it has, and where it says so.
#[derive(Debug, PartialEq, Eq)]
struct Stated {
    version: String,
    file: PathBuf,
    /// Whether torch-sys reads this file too. It then takes one version only.
    strict: bool,
}

/// Checks that the folder has a libtorch that torch-sys can be built with.
pub(super) fn check(folder: &Path, any_version: bool) -> anyhow::Result<()> {
    let lib = folder.join("lib");
    ensure!(
        LIBRARIES.iter().any(|name| lib.join(name).is_file()),
        "no libtorch is there: expected {} in {} (libtorch {VERSION} for the CPU, unpacked)",
        LIBRARIES.join(" or "),
        lib.display()
    );
    let stated = stated(folder)?;
    match stated {
        None => say(&format!(
            "{} does not say its version; expected is libtorch {VERSION}",
            folder.display()
        )),
        Some(stated) if !any_version && !fits(&stated) => bail!(
            "{} says libtorch {}, expected is {VERSION}: unpack that one, or unset the variable, or set {ANY_VERSION}=1",
            stated.file.display(),
            stated.version
        ),
        Some(_) => {}
    }
    Ok(())
}

/// Patch releases share their interface, but torch-sys refuses them where it sees the version.
fn fits(stated: &Stated) -> bool {
    let version = stated.version.split('+').next().unwrap_or_default();
    let release = |version: &str| {
        version
            .rsplit_once('.')
            .map(|(release, _)| release.to_owned())
    };
    version == VERSION || (!stated.strict && release(version) == release(VERSION))
}

/// Reads `build-version`, as an unpacked libtorch has it, or `version.py`, as Python's torch does.
fn stated(folder: &Path) -> anyhow::Result<Option<Stated>> {
    let file = folder.join("build-version");
    if let Some(text) = read(&file)? {
        let version = text.trim().to_owned();
        return Ok(Some(Stated {
            version,
            file,
            strict: true,
        }));
    }
    let file = folder.join("version.py");
    let version = read(&file)?.and_then(|text| assigned(&text));
    Ok(version.map(|version| Stated {
        version,
        file,
        strict: false,
    }))
}

fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// What Python's text assigns to `__version__`.
fn assigned(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        // There may be a type between the two.
        let name = name.split(':').next()?.trim();
        let version = value.trim().trim_matches(['\'', '"']);
        (name == "__version__" && !version.is_empty()).then(|| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error for a folder with the given file.
    fn error(file: Option<(&str, &str)>, any_version: bool) -> anyhow::Result<Option<String>> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("lib"))?;
        fs::write(folder.path().join("lib/libtorch_cpu.so"), "")?;
        if let Some((name, text)) = file {
            fs::write(folder.path().join(name), text)?;
        }
        Ok(check(folder.path(), any_version)
            .err()
            .map(|error| error.to_string()))
    }

    fn version_py(version: &str) -> String {
        format!(
            "from typing import Optional\n\n__all__ = ['__version__', 'debug']\n\
             __version__ = '{version}'\ndebug = False\ncuda: Optional[str] = '12.8'\n"
        )
    }

    #[test]
    fn versions_that_fit_are_taken() -> anyhow::Result<()> {
        for text in ["2.9.0", "2.9.0+cpu\n", "2.9.0+cu128"] {
            assert_eq!(
                error(Some(("build-version", text)), false)?,
                None,
                "{text:?}"
            );
        }
        for version in ["2.9.0+cu128", "2.9.1"] {
            assert_eq!(
                error(Some(("version.py", &version_py(version))), false)?,
                None,
                "{version}"
            );
        }
        assert_eq!(error(None, false)?, None);
        Ok(())
    }

    #[test]
    fn another_version_is_an_error_that_names_both() -> anyhow::Result<()> {
        for (file, text, found) in [
            ("build-version", "2.8.0+cpu\n".to_owned(), "2.8.0+cpu"),
            // torch-sys reads this file, and takes 2.9.0 only.
            ("build-version", "2.9.1\n".to_owned(), "2.9.1"),
            ("build-version", String::new(), ""),
            ("version.py", version_py("2.10.0"), "2.10.0"),
            ("version.py", version_py("12.9.0"), "12.9.0"),
        ] {
            let error_text = error(Some((file, &text)), false)?.unwrap_or_default();
            let sentence = format!("{file} says libtorch {found}, expected is 2.9.0: ");
            assert!(error_text.contains(&sentence), "{error_text:?}");
            assert_eq!(error(Some((file, &text)), true)?, None);
        }
        Ok(())
    }

    #[test]
    fn an_annotated_version_is_read_and_others_are_not() {
        assert_eq!(
            assigned("__version__: str = \"2.9.0\"\n").as_deref(),
            Some("2.9.0")
        );
        assert_eq!(assigned("git_version = '2.9.0'\n"), None);
        assert_eq!(assigned("__version__ = ''\n"), None);
    }

    #[test]
    fn a_folder_without_the_library_is_refused() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let error = check(folder.path(), true)
            .expect_err("it is empty")
            .to_string();
        assert!(
            error.contains("libtorch_cpu.so") && error.contains("2.9.0"),
            "{error}"
        );
        Ok(())
    }
}
