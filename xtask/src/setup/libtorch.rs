//! libtorch for the CPU, of the one version that torch-sys builds against.
//!
//! In this order: what the person chose by torch-sys's own variables; the folder that an earlier setup made in the user's
//! cache; on Linux, a new folder there; elsewhere torch-sys downloads libtorch while it is built.

mod cache;
mod given;
mod manifest;
mod wheels;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf, absolute},
};

use anyhow::Context;

use super::{LIBTORCH, say};

pub(super) const VERSION: &str = "2.9.0";

/// Set to anything, it makes torch-sys take the libtorch of Python's torch.
const USE_PYTORCH: &str = "LIBTORCH_USE_PYTORCH";

/// Set to anything, it makes torch-sys take any version.
const ANY_VERSION: &str = "LIBTORCH_BYPASS_VERSION_CHECK";

/// Whether there are wheels to make libtorch from: they are for Linux with glibc.
const CAN_MAKE: bool = cfg!(all(
    target_os = "linux",
    target_arch = "x86_64",
    target_env = "gnu"
));

/// Where libtorch comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// torch-sys asks Python.
    Pytorch,
    /// The person's own folder, which will do.
    Given(PathBuf),
    /// Made by an earlier setup, and whole.
    Cached(PathBuf),
    /// To be made there.
    ToMake(PathBuf),
    /// torch-sys downloads it.
    LeftToBuild,
}

/// What decides.
struct Circumstances {
    use_pytorch: bool,
    given: Option<OsString>,
    any_version: bool,
    can_make: bool,
    cache: Option<PathBuf>,
}

impl Source {
    pub(super) fn find() -> anyhow::Result<Self> {
        Self::decide(&Circumstances {
            use_pytorch: env::var_os(USE_PYTORCH).is_some(),
            given: env::var_os(LIBTORCH).filter(|given| !given.is_empty()),
            any_version: env::var_os(ANY_VERSION).is_some(),
            can_make: CAN_MAKE,
            cache: dirs::cache_dir(),
        })
    }

    fn decide(circumstances: &Circumstances) -> anyhow::Result<Self> {
        if circumstances.use_pytorch {
            return Ok(Self::Pytorch);
        }
        let cached = circumstances.cache.as_deref().map(folder_in);
        // What setup itself told a shell to export is not the person's own: it is looked after below.
        let given = circumstances.given.as_ref();
        if let Some(given) = given.filter(|given| cached.as_deref() != Some(Path::new(given))) {
            // A relative path would mean another folder to each build script.
            let folder = absolute(given).with_context(|| format!("cannot resolve {given:?}"))?;
            given::check(&folder, circumstances.any_version)
                .with_context(|| format!("{LIBTORCH} is {}", folder.display()))?;
            return Ok(Self::Given(folder));
        }
        if !circumstances.can_make {
            return Ok(Self::LeftToBuild);
        }
        let folder = cached.with_context(|| format!("no cache folder: set HOME, or {LIBTORCH}"))?;
        Ok(match manifest::check(&folder) {
            Ok(()) => Self::Cached(folder),
            Err(flaw) => {
                if folder.exists() {
                    say(&format!("libtorch: made anew, since {flaw:#}"));
                }
                Self::ToMake(folder)
            }
        })
    }

    /// Makes libtorch if it must be made. Returns what `LIBTORCH` is to be, if anything.
    pub(super) fn provide(self) -> anyhow::Result<Option<PathBuf>> {
        let folder = match self {
            Self::Pytorch => {
                say(&format!(
                    "libtorch: that of Python's torch, says {USE_PYTORCH}"
                ));
                return Ok(None);
            }
            Self::LeftToBuild => {
                say("libtorch: torch-sys downloads it while it is built");
                return Ok(None);
            }
            Self::Given(folder) => {
                say(&format!("libtorch: {}, says {LIBTORCH}", folder.display()));
                folder
            }
            Self::Cached(folder) => {
                say(&format!("libtorch: {}", folder.display()));
                folder
            }
            Self::ToMake(folder) => {
                cache::make(&folder)?;
                folder
            }
        };
        Ok(Some(folder))
    }
}

/// The folder in the user's cache, which all checkouts share.
fn folder_in(cache: &Path) -> PathBuf {
    cache.join("hearth").join(format!("libtorch-{VERSION}-cpu"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn circumstances(cache: &Path) -> Circumstances {
        Circumstances {
            use_pytorch: false,
            given: None,
            any_version: false,
            can_make: true,
            cache: Some(cache.to_owned()),
        }
    }

    /// A folder with one library.
    fn libtorch(folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder.join("lib"))?;
        fs::write(folder.join("lib/libtorch_cpu.so"), "library")?;
        Ok(())
    }

    #[test]
    fn python_comes_first_as_it_does_for_torch_sys() -> anyhow::Result<()> {
        let cache = tempfile::tempdir()?;
        let decided = Source::decide(&Circumstances {
            use_pytorch: true,
            given: Some("no/such/folder".into()),
            ..circumstances(cache.path())
        })?;
        assert_eq!(decided, Source::Pytorch);
        Ok(())
    }

    #[test]
    fn a_given_folder_is_taken_or_refused_but_never_passed_over() -> anyhow::Result<()> {
        let cache = tempfile::tempdir()?;
        let own = cache.path().join("own");
        libtorch(&own)?;
        let given = |folder: &Path| {
            Source::decide(&Circumstances {
                given: Some(folder.into()),
                ..circumstances(cache.path())
            })
        };
        assert_eq!(given(&own)?, Source::Given(own));

        let error = given(&cache.path().join("gone")).expect_err("it is not there");
        let text = format!("{error:#}");
        assert!(
            text.starts_with("LIBTORCH is /") && text.contains("libtorch_cpu"),
            "{text}"
        );
        Ok(())
    }

    #[test]
    fn the_cache_is_used_only_while_it_is_whole() -> anyhow::Result<()> {
        let cache = tempfile::tempdir()?;
        let folder = cache.path().join("hearth/libtorch-2.9.0-cpu");
        let decide = || Source::decide(&circumstances(cache.path()));
        assert_eq!(decide()?, Source::ToMake(folder.clone()));
        libtorch(&folder)?;
        assert_eq!(decide()?, Source::ToMake(folder.clone()));
        manifest::write(&folder)?;
        assert_eq!(decide()?, Source::Cached(folder.clone()));
        fs::write(folder.join("lib/libtorch_cpu.so"), "libr")?;
        assert_eq!(decide()?, Source::ToMake(folder.clone()));
        // Nor is it the person's own where they export it, as setup tells them to.
        let exported = Source::decide(&Circumstances {
            given: Some(folder.clone().into()),
            ..circumstances(cache.path())
        })?;
        assert_eq!(exported, Source::ToMake(folder));
        Ok(())
    }

    #[test]
    fn without_wheels_for_the_platform_the_build_downloads() -> anyhow::Result<()> {
        let cache = tempfile::tempdir()?;
        let decided = Source::decide(&Circumstances {
            can_make: false,
            ..circumstances(cache.path())
        })?;
        assert_eq!(decided, Source::LeftToBuild);
        assert_eq!(decided.provide()?, None);
        Ok(())
    }
}
