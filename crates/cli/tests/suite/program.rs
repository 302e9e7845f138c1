//! Running the program under test.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

/// A hearth binary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    pub(crate) path: &'static str,
}

impl Program {
    pub(crate) fn at(path: &'static str) -> Self {
        Self { path }
    }

    /// `hearth-flex` and the like.
    pub(crate) fn name(self) -> &'static str {
        let stem = Path::new(self.path).file_stem().and_then(OsStr::to_str);
        stem.expect("a name in UTF-8")
    }

    /// Runs a command to its end, with nothing on standard input.
    pub(crate) fn run<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.run_with(arguments, "")
    }

    /// Runs a command to its end.
    pub(crate) fn run_with<A: AsRef<OsStr>>(
        self,
        arguments: impl IntoIterator<Item = A>,
        stdin: impl Into<Vec<u8>>,
    ) -> Finished {
        // From a file, so that a program that does not read it blocks nobody.
        let mut input = tempfile::tempfile().expect("a file");
        input.write_all(&stdin.into()).expect("a full file");
        input.rewind().expect("its beginning");
        let output = Command::new(self.path)
            .args(arguments)
            .stdin(input)
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("output in UTF-8");
        Finished {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The same, if the command succeeded.
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Standard output as JSON objects, one a line and nothing between them.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| -> Value {
            let value = serde_json::from_str(line);
            value.unwrap_or_else(|error| panic!("{error}: {line:?}"))
        };
        let lines: Vec<Value> = self.stdout.lines().map(parse).collect();
        assert!(lines.iter().all(Value::is_object), "{}", self.stdout);
        lines
    }

    /// Standard output as the one JSON object it is.
    pub(crate) fn json(&self) -> Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{}", self.stdout);
        lines.remove(0)
    }
}

/// The arguments of a command line without spaces inside any.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
