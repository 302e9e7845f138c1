//! MPI: the feature `mpi` and its tests need a library, its launcher, and libclang, which reads the library's header.
//!
//! Nobody has to have it. Where it is installed, or apt can install it, programs are built and tested with the feature, and
//! without it elsewhere.

use std::{env, fs, path::PathBuf};

use super::{
    packages::{self, Need},
    say,
    tools::in_path,
};

const NEED: Need = Need {
    name: "MPI",
    reason: "the feature mpi and its tests need a library, mpirun and libclang",
    find: || Ok(find()),
    debian: &["libopenmpi-dev", "openmpi-bin", "libclang-dev"],
    fedora: &["openmpi-devel", "clang-devel"],
    arch: &["openmpi", "clang"],
};

/// The features of the workspace that MPI allows: one program that has it gives it to all that are built with it.
pub(super) const FEATURES: &str = "hearth-flex/mpi";

/// The variable by which bindgen is told where libclang lies.
const LIBCLANG_PATH: &str = "LIBCLANG_PATH";

/// Whether there is MPI, if need be installed now.
pub(super) fn provide(yes: bool) -> anyhow::Result<bool> {
    let there = packages::provide_if_possible(&NEED, yes)?;
    if !there {
        say("no MPI here: its feature is neither built nor tested");
    }
    Ok(there)
}

fn find() -> Option<String> {
    let compiler = in_path("mpicc")?;
    let launcher = in_path("mpirun")?;
    has_libclang().then(|| format!("{}, {}", compiler.display(), launcher.display()))
}

/// Where clang-sys looks, as far as packages put it there.
fn has_libclang() -> bool {
    let named = env::var_os(LIBCLANG_PATH).map(PathBuf::from);
    let mut folders: Vec<PathBuf> = ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"]
        .map(PathBuf::from)
        .into();
    folders.push("/usr/lib/aarch64-linux-gnu".into());
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let versions = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"));
    folders.extend(versions.map(|entry| entry.path().join("lib")));
    let is_libclang = |name: &str| {
        (name.starts_with("libclang.so") || name.starts_with("libclang-")) && !name.contains("cpp")
    };
    named.into_iter().chain(folders).any(|folder| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name())
            .any(|name| is_libclang(&name.to_string_lossy()))
    })
}
