//! Where the tests find real data, which is never copied into the project.

use std::{env, path::PathBuf};

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
    #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
    {
        eprintln!("skipped: {} is absent (set HEARTH_SHARED)", path.display());
    }
    None
}
