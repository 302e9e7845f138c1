//! What `hearth-tch` says of a libtorch that is there, missing, or another one.

use std::path::Path;
use std::process::{Command, Output};

fn devices(program: &str, libtorch: Option<&Path>) -> Output {
    let mut command = Command::new(program);
    command.arg("devices").env_remove("LD_LIBRARY_PATH");
    match libtorch {
        Some(folder) => command.env("LIBTORCH", folder),
        None => command.env_remove("LIBTORCH"),
    };
    command.output().expect("the program starts")
}

fn refused(folder: &Path) -> String {
    let output = devices(env!("CARGO_BIN_EXE_hearth-tch"), Some(folder));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn both_programs_run_without_a_search_path() {
    for program in [
        env!("CARGO_BIN_EXE_hearth-tch"),
        env!("CARGO_BIN_EXE_hearth-tch-engine"),
    ] {
        let output = devices(program, None);
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("cpu"));
    }
}

#[test]
fn a_folder_without_libtorch_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = refused(folder.path());
    assert!(told.contains("there is no libtorch"), "{told}");
    assert!(told.contains(&*folder.path().to_string_lossy()), "{told}");
    assert!(told.contains("cargo xtask setup"), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn another_version_is_named_beside_the_expected_one() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("lib")).expect("lib");
    std::fs::write(folder.path().join("lib/libtorch_cpu.so"), "").expect("a library");
    std::fs::write(folder.path().join("build-version"), "2.4.1+cpu\n").expect("a version");
    let told = refused(folder.path());
    assert!(told.contains("libtorch 2.4.1+cpu, expected 2.9"), "{told}");
}
