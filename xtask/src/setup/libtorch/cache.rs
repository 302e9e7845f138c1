//! Makes the libtorch folder in the user's cache: beside its place, then by one rename, so that nobody sees half of it.

use std::{
    fs, io,
    path::Path,
    process::{self, Command},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, bail, ensure};

use super::{VERSION, manifest, wheels};
use crate::{setup::say, step::succeeds, workspace::shown};

/// A scratch folder that has not changed for so long belongs to a setup that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes libtorch at `target`.
pub(super) fn make(target: &Path) -> anyhow::Result<()> {
    let parent = target.parent().context("libtorch needs a parent folder")?;
    let name = target.file_name().context("libtorch needs a name")?;
    let prefix = format!("{}.making-", name.to_string_lossy());
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    remove_abandoned(parent, &prefix, SystemTime::now());

    // On the file system of the target, for the rename. Dropped, it takes the wheels with it.
    let scratch = tempfile::Builder::new()
        .prefix(&format!("{prefix}{}-", process::id()))
        .tempdir_in(parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let [downloads, libtorch] = ["wheels", "libtorch"].map(|name| scratch.path().join(name));
    for folder in [&downloads, &libtorch] {
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }

    say(&format!(
        "libtorch: downloading {} of wheels, to be kept in part in {}",
        wheels::DOWNLOAD,
        target.display()
    ));
    let started = Instant::now();
    must(
        wheels::download(&downloads)?
            // pip's own temporary files are as large; `/tmp` may be memory.
            .env("TMPDIR", scratch.path()),
    )?;
    let downloaded = started.elapsed();

    let started = Instant::now();
    let n_bytes = wheels::unpack_all(&downloads, &libtorch)?;
    finish(&libtorch)?;
    publish(&libtorch, target, scratch.path())?;
    say(&format!(
        "libtorch: downloaded in {:.1} s; {} MB of it unpacked in {:.1} s to {}",
        downloaded.as_secs_f64(),
        n_bytes / 1_000_000,
        started.elapsed().as_secs_f64(),
        target.display()
    ));
    Ok(())
}

/// Adds what torch-sys looks for and the wheels lack, then the manifest.
fn finish(libtorch: &Path) -> anyhow::Result<()> {
    let lib = libtorch.join("lib");
    fs::write(libtorch.join("build-version"), format!("{VERSION}\n"))
        .context("cannot write build-version")?;
    // What `-lgomp` finds at link time.
    link("libgomp.so.1", &lib.join("libgomp.so")).context("cannot link libgomp.so")?;
    must(&mut stub(&lib))?;
    manifest::write(libtorch)
}

/// The command that makes a `libtorch.so`. The wheel's own wants CUDA; like it, this one holds no code, and only names the
/// libraries that do.
fn stub(lib: &Path) -> Command {
    let mut command = Command::new("cc");
    command
        .current_dir(lib)
        .args(["-shared", "-o", "libtorch.so", "-Wl,--no-as-needed"])
        .args(["-L.", "-ltorch_cpu", "-lc10"])
        .args(["-Wl,-soname,libtorch.so", "-Wl,-rpath,$ORIGIN"]);
    command
}

/// Moves a finished folder to its place, unless another setup has put one there meanwhile.
fn publish(libtorch: &Path, target: &Path, scratch: &Path) -> anyhow::Result<()> {
    let mut last = None;
    for attempt in 0..3 {
        if attempt > 0 {
            // A broken one is in the way. That this fails, since another setup did it first, is as good.
            let _ = fs::rename(target, scratch.join(format!("broken-{attempt}")));
        }
        match fs::rename(libtorch, target) {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
        if manifest::check(target).is_ok() {
            return Ok(());
        }
    }
    let moving = format!("cannot move the finished folder to {}", target.display());
    match last {
        Some(error) => Err(error).context(moving),
        None => bail!(moving),
    }
}

/// Removes what setups that were killed have left: it is over a gigabyte each. As well as can be, it is no one's need.
fn remove_abandoned(parent: &Path, prefix: &str, now: SystemTime) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| now.duration_since(modified).ok());
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if ours && age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(unix)]
fn link(to: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, link)
}

/// Never called: where there are no wheels, nothing is made.
#[cfg(not(unix))]
fn link(_: &str, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Runs a command whose failure ends the setup. stdout is for what a shell may evaluate.
fn must(command: &mut Command) -> anyhow::Result<()> {
    ensure!(
        succeeds(command.stdout(io::stderr()))?,
        "`{}` failed",
        shown(command)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A finished folder whose library holds the given text.
    fn finished(folder: &Path, library: &str) -> anyhow::Result<()> {
        fs::create_dir_all(folder.join("lib"))?;
        fs::write(folder.join("lib/libtorch_cpu.so"), library)?;
        manifest::write(folder)
    }

    fn library(folder: &Path) -> io::Result<String> {
        fs::read_to_string(folder.join("lib/libtorch_cpu.so"))
    }

    #[test]
    fn the_first_of_two_setups_wins() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let [first, second, target, scratch] =
            ["first", "second", "target", "scratch"].map(|name| parent.path().join(name));
        fs::create_dir(&scratch)?;
        finished(&first, "first")?;
        finished(&second, "second")?;
        publish(&first, &target, &scratch)?;
        publish(&second, &target, &scratch)?;
        assert_eq!(library(&target)?, "first");
        assert!(!first.exists() && second.exists());
        Ok(())
    }

    #[test]
    fn a_broken_folder_is_replaced() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let [made, target, scratch] =
            ["made", "target", "scratch"].map(|name| parent.path().join(name));
        fs::create_dir(&scratch)?;
        finished(&made, "new")?;
        finished(&target, "whole")?;
        fs::write(target.join("lib/libtorch_cpu.so"), "half")?;
        publish(&made, &target, &scratch)?;
        assert_eq!(library(&target)?, "new");
        assert_eq!(library(&scratch.join("broken-1"))?, "half");
        Ok(())
    }

    #[test]
    fn a_rename_that_cannot_be_is_an_error_that_names_the_place() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        let target = parent.path().join("target");
        let error = publish(&parent.path().join("gone"), &target, parent.path())
            .expect_err("there is nothing to move");
        assert!(error.to_string().contains("target"), "{error}");
        Ok(())
    }

    #[test]
    fn only_old_scratch_folders_are_removed() -> anyhow::Result<()> {
        let parent = tempfile::tempdir()?;
        for name in ["a.making-1-x", "a", "b.making-1-x"] {
            fs::create_dir(parent.path().join(name))?;
            fs::write(parent.path().join(name).join("file"), "")?;
        }
        let there = |name: &str| parent.path().join(name).exists();
        remove_abandoned(parent.path(), "a.making-", SystemTime::now());
        assert!(there("a.making-1-x"));
        remove_abandoned(
            parent.path(),
            "a.making-",
            SystemTime::now() + 2 * ABANDONED,
        );
        assert!(!there("a.making-1-x") && there("a") && there("b.making-1-x"));
        Ok(())
    }

    #[test]
    fn the_stub_names_its_libraries_and_where_they_lie() {
        assert_eq!(
            shown(&stub(Path::new("lib"))),
            "cc -shared -o libtorch.so -Wl,--no-as-needed -L. -ltorch_cpu -lc10 \
             -Wl,-soname,libtorch.so -Wl,-rpath,$ORIGIN"
        );
    }
}
