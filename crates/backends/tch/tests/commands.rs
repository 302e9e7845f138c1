//! The command line of `hearth-tch`, from end to end.

#[path = "../../../cli/tests/suite/mod.rs"]
mod suite;

suite::tests!(env!("CARGO_BIN_EXE_hearth-tch"));
