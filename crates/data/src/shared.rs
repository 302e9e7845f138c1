//! Where the tests find real data, which is never copied into the project.

use std::io::Write;
use std::{env, fs, path::PathBuf};

/// Says that a test is skipped, and why: on stderr, and in the file that HEARTH_SKIP_LOG names, from which
/// `cargo xtask test` counts.
fn skip(why: &str) {
    eprintln!("skipped: {why}");
    let Some(log) = env::var_os("HEARTH_SKIP_LOG") else {
        return;
    };
    let file = fs::OpenOptions::new().append(true).create(true).open(log);
    if let Ok(mut file) = file {
        let _ = file.write_all(format!("skipped: {why}\n").as_bytes());
    }
}

/// A file below `shared/data/`, or `None`, said on stderr, where it is absent: such a test is skipped, not failed.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let shared = env::var_os("HEARTH_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("data").join(name);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is absent (set HEARTH_SHARED)", path.display()));
    None
}
