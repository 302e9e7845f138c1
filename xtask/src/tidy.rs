//! The rules of CONVENTIONS.md that a machine can hold: one file a rule, each a pure function over the tree.
//!
//! A rule is here because the architecture rests on it (which crate may know which, where a backend may be named) or
//! because a reader does (short files, examples of one shape, no trace of one machine).

mod backends;
mod examples;
mod floors;
mod length;
mod lexer;
mod library;
mod manifests;
mod portable;
mod source;
mod tree;

use std::fmt;

pub(crate) use tree::Tree;

/// A place where the tree breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: String,
    /// Counted from 1; none where the whole file or folder is meant.
    line: Option<usize>,
    what: String,
}

impl Problem {
    fn in_file(path: &str, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            what: what.into(),
        }
    }

    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: Some(line),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// Everything that breaks a rule, ordered by place.
pub(crate) fn problems(tree: &Tree) -> Vec<Problem> {
    let rules = [
        manifests::problems,
        floors::problems,
        length::problems,
        backends::problems,
        library::problems,
        portable::problems,
        examples::problems,
    ];
    let mut problems: Vec<Problem> = rules.iter().flat_map(|rule| rule(tree)).collect();
    problems.sort();
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_all_rules_come_in_the_order_of_their_places() {
        let tree = Tree::of(&[
            ("examples/hello/src/main.rs", "fn main() {}\n"),
            ("crates/data/src/lib.rs", "fn f() {\n    todo!()\n}\n"),
            ("crates/data/Cargo.toml", "[package\n"),
        ]);
        let shown: Vec<String> = problems(&tree).iter().map(Problem::to_string).collect();
        assert!(
            shown[0].starts_with("crates/data/Cargo.toml: "),
            "{shown:?}"
        );
        assert!(
            shown[1].starts_with("crates/data/src/lib.rs:2: "),
            "{shown:?}"
        );
        assert!(shown[2].starts_with("examples/hello: "), "{shown:?}");
    }
}
