//! The command line of `hearth-wgpu`, from end to end.

#[path = "../../../cli/tests/suite/mod.rs"]
mod suite;

suite::tests!(
    env!("CARGO_BIN_EXE_hearth-wgpu"),
    slow: "a software adapter takes seconds to compile the kernels of each program"
);
