//! Steps whose loss or gradient is no number. A program cannot be made to take one at will without code for it, so that the
//! loop itself is tried, with an objective of its tests: the campaign only chooses the steps.

use std::process::Stdio;

use anyhow::Context;

use super::{Random, Row};
use crate::setup::Setup;

/// The test, and how it hears which steps to spoil.
const TEST: &str = "trainer::tests::a_spoiled_step_is_caught_in_that_step";
const STEPS: &str = "HEARTH_SPOILED_STEPS";

/// Of how many steps one is spoiled.
const N_STEPS: u64 = 30;

pub(super) fn spoiled(setup: &Setup, n: u32, random: &mut Random) -> anyhow::Result<Row> {
    let steps: Vec<String> = (0..n).map(|_| random.below(N_STEPS).to_string()).collect();
    let mut cargo = setup.cargo();
    cargo.args(["test", "--package", "hearth-train", "--lib", "--"]);
    cargo.args(["--exact", TEST, "--nocapture"]);
    let output = cargo
        .env(STEPS, steps.join(","))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let told = String::from_utf8_lossy(&output.stdout);
    // libtest begins the first line with the name of the test.
    let caught = told.lines().filter(|line| line.contains("caught: step "));
    let n_held = u32::try_from(caught.count())?;
    if n_held < n {
        eprintln!("{told}");
    }
    Ok(Row {
        what: "a loss or a gradient that is NaN or infinite at a random step: caught in that step",
        n_tried: n,
        n_held,
        note: format!("steps {}", steps.join(", ")),
    })
}
