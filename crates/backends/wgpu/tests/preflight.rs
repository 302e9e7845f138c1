//! What `hearth-wgpu` says of a machine without a graphics driver.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

fn run_without_a_driver(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hearth-wgpu"))
        .args(arguments)
        .env("VK_DRIVER_FILES", "/nonexistent.json")
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .output()
        .expect("the program starts")
}

#[test]
fn without_a_driver_the_remedy_is_told() {
    for arguments in [
        &["devices"][..],
        &["quickstart", "--out", "/nonexistent/run"],
    ] {
        let output = run_without_a_driver(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("no driver offers an adapter"), "{told}");
        assert!(told.contains("mesa-vulkan-drivers"), "{told}");
        assert!(!told.contains("panicked"), "{told}");
    }
}

#[test]
fn what_computes_nothing_needs_no_driver() {
    let output = run_without_a_driver(&["completions", "bash"]);
    assert!(output.status.success(), "{output:?}");
}
