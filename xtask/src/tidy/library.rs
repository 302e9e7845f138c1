//! Library code neither prints nor panics on what a user can cause, and is finished.

use super::{
    Problem, Tree,
    source::{Code, is_test_only},
};

/// The crates whose caller reports: every one but the commands and the binaries.
const LIBRARIES: [&str; 8] = [
    "data", "model", "batch", "hub", "train", "infer", "serve", "hearth",
];

/// What must not stand there, and what to do instead.
const FORBIDDEN: [(&str, &str); 8] = [
    (
        ".unwrap()",
        "return an error, or `expect` with the reason why it cannot fail",
    ),
    ("println!", "the caller reports"),
    ("eprintln!", "the caller reports"),
    ("print!", "the caller reports"),
    ("eprint!", "the caller reports"),
    ("todo!", "finish it"),
    ("unimplemented!", "finish it, or refuse it with an error"),
    ("dbg!", "remove it"),
];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    LIBRARIES
        .iter()
        .flat_map(|name| {
            tree.rust_files(&format!("crates/{name}/src/"))
                .collect::<Vec<_>>()
        })
        .filter(|(path, _)| !is_test_only(tree, path))
        .flat_map(|(path, text)| forbidden(path, &Code::of_library(text)))
        .collect()
}

fn forbidden(path: &str, code: &Code) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in code.bare.lines().enumerate() {
        for (what, instead) in FORBIDDEN {
            if line
                .match_indices(what)
                .any(|(at, _)| starts_a_word(line, at))
            {
                problems.push(Problem::at(
                    path,
                    number + 1,
                    format!("`{what}` in library code: {instead}"),
                ));
            }
        }
    }
    problems
}

/// Whether no name runs on into this place, as `eprintln!` does into `println!`.
fn starts_a_word(line: &str, at: usize) -> bool {
    line[at..].starts_with('.') || !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(Option<usize>, String)> {
        let tree = Tree::of(&[(path, text)]);
        problems(&tree)
            .into_iter()
            .map(|problem| (problem.line, problem.what))
            .collect()
    }

    #[test]
    fn each_forbidden_word_is_caught_once_and_in_its_line() {
        for (word, _) in FORBIDDEN {
            let text = format!(
                "fn f() {{\n    let x = y{}{word};\n}}\n",
                if word == ".unwrap()" { "" } else { " + " }
            );
            for name in LIBRARIES {
                let found = found(&format!("crates/{name}/src/lib.rs"), &text);
                assert!(
                    found.len() == 1 && found[0].0 == Some(2),
                    "{name}, {word}: {found:?}"
                );
                assert!(
                    found[0].1.starts_with(&format!("`{word}`")),
                    "{word}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn tests_comments_strings_and_cousins_are_free() {
        let text = "//! `x.unwrap()` and println!\n\
                    fn f() { x.unwrap_or(0); writeln!(out, \"todo! dbg!\"); }\n\
                    /// ```\n/// f().unwrap();\n/// ```\n\
                    fn g() {}\n\
                    #[cfg(test)]\n\
                    mod tests {\n    fn t() { g().unwrap(); println!(\"}\"); }\n}\n";
        assert_eq!(found("crates/data/src/lib.rs", text), []);
    }

    #[test]
    fn code_after_the_tests_is_looked_at_again() {
        let text = "#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn f() { dbg!(1); }\n";
        assert_eq!(found("crates/hub/src/lib.rs", text).len(), 1);
    }

    #[test]
    fn commands_binaries_and_test_files_may_print() {
        let text = "fn f() { println!(\"hello\"); }\n";
        for path in [
            "crates/cli/src/lib.rs",
            "crates/backends/flex/src/main.rs",
            "crates/data/tests/t.rs",
            "xtask/src/main.rs",
        ] {
            assert_eq!(found(path, text), [], "{path}");
        }
    }
}
