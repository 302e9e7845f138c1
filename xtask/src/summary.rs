//! The totals of a test run, read from what `cargo test` prints and what tests announce.

use std::fmt;

/// Adds up the `test result:` lines of all test binaries as they go by.
///
/// A binary that says `running N tests` and never gives its result has crashed (an abort, a signal): that is one failure
/// more, which no line of libtest's counts.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    n_passed: usize,
    n_failed: usize,
    n_ignored: usize,
    n_announced: usize,
    running: bool,
}

impl Summary {
    /// Reads one line of the standard output of `cargo test`.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.n_passed += count(result, "passed");
            self.n_failed += count(result, "failed");
            self.n_ignored += count(result, "ignored");
            self.running = false;
        } else if is_start(line) {
            self.close();
            self.running = true;
        }
    }

    /// Tells that a test which libtest counts as passed announced that it had nothing to test on.
    pub(crate) fn announce_skip(&mut self) {
        self.n_announced += 1;
    }

    /// Closes the run: a binary still running has crashed.
    pub(crate) fn close(&mut self) {
        self.n_failed += usize::from(self.running);
        self.running = false;
    }

    pub(crate) fn failed(&self) -> bool {
        self.n_failed > 0
    }
}

/// The closing line, `tests: N passed, N failed, N skipped`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_passed = self.n_passed.saturating_sub(self.n_announced);
        let n_skipped = self.n_ignored + self.n_announced;
        write!(
            f,
            "tests: {n_passed} passed, {} failed, {n_skipped} skipped",
            self.n_failed
        )
    }
}

/// The number before `what` in `ok. 3 passed; 0 failed; 1 ignored; …`.
fn count(result: &str, what: &str) -> usize {
    let words: Vec<&str> = result
        .split([' ', ';', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    let number = words
        .windows(2)
        .find(|pair| pair[1] == what)
        .and_then(|pair| pair[0].parse().ok());
    number.unwrap_or(0)
}

/// Whether the line is `running N tests` (or `running 1 test`).
fn is_start(line: &str) -> bool {
    let rest = line
        .strip_prefix("running ")
        .and_then(|rest| rest.split_once(' '));
    rest.is_some_and(|(number, what)| {
        number.parse::<usize>().is_ok() && matches!(what.trim_end(), "test" | "tests")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(output: &str) -> Summary {
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.read(line));
        summary.close();
        summary
    }

    #[test]
    fn binaries_are_summed() {
        let summary = summary(
            "running 4 tests\ntest a ... ok\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             running 3 tests\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.20s\n",
        );
        assert_eq!(summary.to_string(), "tests: 4 passed, 2 failed, 1 skipped");
        assert!(summary.failed());
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        let died = "running 2 tests\ntest a ... ok\n";
        let lived = "running 1 test\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(
            summary(&format!("{died}{lived}")).to_string(),
            "tests: 1 passed, 1 failed, 0 skipped"
        );
        assert_eq!(
            summary(&format!("{lived}{died}")).to_string(),
            "tests: 1 passed, 1 failed, 0 skipped"
        );
    }

    #[test]
    fn an_announced_skip_is_not_a_pass() {
        let mut summary = summary(
            "running 3 tests\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n",
        );
        summary.announce_skip();
        assert_eq!(summary.to_string(), "tests: 2 passed, 0 failed, 1 skipped");
        assert!(!summary.failed());
    }

    #[test]
    fn other_lines_count_nothing() {
        let summary = summary(
            "running on two cores\n   Compiling a v0.1.0\ntests: 7 passed, 1 failed, 0 skipped\n",
        );
        assert_eq!(summary.to_string(), "tests: 0 passed, 0 failed, 0 skipped");
    }
}
