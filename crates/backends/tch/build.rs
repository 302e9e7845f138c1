//! Writes where libtorch lies into the programs, so that they run without `LD_LIBRARY_PATH`, and turns its own
//! differentiation off in the engine.

use std::path::Path;

/// Run before `main`.
const INFERENCE_MODE: &str = "src/inference_mode.cpp";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={INFERENCE_MODE}");
    // Said by torch-sys, which found libtorch.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-env=HEARTH_LIBTORCH_LIB={folder}");
        if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("unix") {
            println!("cargo::rustc-link-arg-bins=-Wl,-rpath,{folder}");
        }
        let objects = cc::Build::new()
            .cpp(true)
            .std("c++17")
            .warnings(false)
            .include(Path::new(&folder).with_file_name("include"))
            .file(INFERENCE_MODE)
            .compile_intermediates();
        // The object itself, not a library: nothing asks for it by name, and a linker would leave it out.
        for object in objects {
            println!(
                "cargo::rustc-link-arg-bin=hearth-tch-engine={}",
                object.display()
            );
        }
    }
}
