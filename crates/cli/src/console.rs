//! The two streams: results on stdout, words for people on stderr. The only place that prints.
#![allow(clippy::print_stderr)]

use crate::error::CliError;
use std::error::Error;
use std::io::{IsTerminal, Write};

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
}

impl Console {
    pub(crate) fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        Self {
            json,
            quiet,
            verbose,
        }
    }

    /// A line for people.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", line.as_ref());
        }
    }

    /// A line for people who want to know more.
    pub(crate) fn detail(&self, line: impl AsRef<str>) {
        if self.verbose {
            self.say(line);
        }
    }

    /// What went wrong, with its causes; `-q` does not silence it.
    pub(crate) fn error(&self, error: &CliError) {
        eprintln!("error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprintln!("  because: {error}");
            cause = error.source();
        }
    }

    /// A result: the JSON object with `--json`, else the text.
    pub(crate) fn result(
        &self,
        json: &serde_json::Value,
        text: impl AsRef<str>,
    ) -> Result<(), CliError> {
        if self.json {
            self.write(&format!("{json}\n"))
        } else {
            self.write(&format!("{}\n", text.as_ref()))
        }
    }

    /// Text as it is, at once.
    pub(crate) fn write(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(CliError::Output)
    }

    /// Whether a person watches stderr.
    pub(crate) fn watched(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (n, expected) in cases {
            assert_eq!(thousands(n), expected);
        }
    }
}
