//! Where the tests find real data, which is never copied into the project.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Says that a test is skipped, and why: on stderr, and in the file that HEARTH_SKIP_LOG names, from which
/// `cargo xtask test` counts.
pub(crate) fn skip(why: &str) {
    eprintln!("skipped: {why}");
    let Some(log) = env::var_os("HEARTH_SKIP_LOG") else {
        return;
    };
    let file = fs::OpenOptions::new().append(true).create(true).open(log);
    if let Ok(mut file) = file {
        let _ = file.write_all(format!("skipped: {why}\n").as_bytes());
    }
}

/// A file or folder below `shared/`, which lies beside the repository, or `None`, said on stderr, where it is absent: such a
/// test is skipped, not failed.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let beside = || {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut above = package.ancestors();
        let root = above.find(|folder| folder.join("Cargo.lock").is_file());
        root.unwrap_or(package).join("../shared")
    };
    let shared = env::var_os("HEARTH_SHARED").map_or_else(beside, PathBuf::from);
    let path = shared.join(name);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("{} is absent (set HEARTH_SHARED)", path.display()));
    None
}

/// The same below `shared/data/`.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    shared(&format!("data/{name}"))
}
