//! A task is a list of named steps; all of them run, and each closes with one line.

use std::{process::Command, time::Instant};

use anyhow::Context;

use crate::workspace::shown;

/// One named piece of a task, which works on `C`.
pub(crate) struct Step<C> {
    pub(crate) name: &'static str,
    /// Returns whether the step passed; an error is what kept it from running.
    pub(crate) run: fn(&C) -> anyhow::Result<bool>,
}

/// Runs every step, even after one that failed, and says for each how long it took and how it went. Returns whether all
/// passed.
pub(crate) fn run_all<C>(task: &str, steps: &[&Step<C>], context: &C) -> bool {
    let mut passed = true;
    for step in steps {
        let started = Instant::now();
        let ok = (step.run)(context).unwrap_or_else(|error| {
            println!("{task} {}: {error:#}", step.name);
            false
        });
        println!(
            "{task} {}: {:.1} s, {}",
            step.name,
            started.elapsed().as_secs_f64(),
            if ok { "ok" } else { "failed" }
        );
        passed &= ok;
    }
    passed
}

/// Runs a command with its output going straight through. Returns whether it exited with 0.
pub(crate) fn succeeds(command: &mut Command) -> anyhow::Result<bool> {
    let status = command
        .status()
        .with_context(|| format!("cannot run `{}`", shown(command)))?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How many steps ran.
    type Runs = Cell<usize>;

    fn passes(runs: &Runs) -> anyhow::Result<bool> {
        runs.set(runs.get() + 1);
        Ok(true)
    }

    #[test]
    fn a_failed_step_fails_the_task_but_the_rest_still_runs() {
        let good = Step {
            name: "good",
            run: passes,
        };
        let bad = Step {
            name: "bad",
            run: |_: &Runs| Ok(false),
        };
        let broken = Step {
            name: "broken",
            run: |_: &Runs| anyhow::bail!("no such program"),
        };

        let runs = Runs::new(0);
        assert!(run_all("test", &[&good], &runs));
        assert!(!run_all("test", &[&bad, &broken, &good], &runs));
        assert_eq!(runs.get(), 2);
    }

    #[test]
    fn a_command_that_cannot_start_is_an_error_that_names_it() {
        let error =
            succeeds(&mut Command::new("no-such-program-here")).expect_err("it does not exist");
        assert!(format!("{error:#}").contains("no-such-program-here"));
    }
}
