//! No file tells of one machine: no absolute path of it, and no host of the package registry it happens to use.
//!
//! What is built and tested here must build anywhere, behind any mirror. A `Cargo.lock` is Cargo's own and is left out.

use super::{Problem, Tree};

// Put together from pieces, so that this file obeys its own rule.

/// Folders at the root of a file system that a person or a job works in.
const FOLDERS: [&str; 4] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
    concat!("/", "farm/"),
];

/// Hosts of registries. Those below one of these are caught by it.
const HOSTS: [&str; 9] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("archive.ubuntu", ".com"),
    concat!("registry.npmjs", ".org"),
    concat!("registry.yarnpkg", ".com"),
    concat!("proxy.golang", ".org"),
];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| !is_lock_file(path)) {
        for (number, line) in text.lines().enumerate() {
            for folder in FOLDERS.iter().filter(|folder| holds_path(line, folder)) {
                problems.push(Problem::at(
                    path,
                    number + 1,
                    format!("{folder}… is a path of one machine"),
                ));
            }
            for host in HOSTS.iter().filter(|host| line.contains(**host)) {
                problems.push(Problem::at(
                    path,
                    number + 1,
                    format!("{host} is a registry's host: name the package"),
                ));
            }
        }
    }
    problems
}

fn is_lock_file(path: &str) -> bool {
    path.rsplit('/').next() == Some("Cargo.lock")
}

/// Whether the line has this folder at the start of a path, not inside a longer one such as `src/home/`.
fn holds_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line[..at].ends_with(|c: char| {
            c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '~' | '}' | ')' | '*')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<Option<usize>> {
        problems(&Tree::of(&[(path, text)]))
            .into_iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn a_path_of_one_machine_is_caught_in_any_file() {
        for folder in FOLDERS {
            for path in ["README.md", "src/a.rs", ".ci/run"] {
                for around in ["at {}x", "{}", "\"{}data\"", "file://{}a", "(see {}a)"] {
                    let line = around.replace("{}", folder);
                    assert_eq!(found(path, &format!("fine\n{line}\n")), [Some(2)], "{line}");
                }
            }
        }
    }

    #[test]
    fn a_registry_host_is_caught_in_any_file() {
        for host in HOSTS {
            assert_eq!(
                found("docs/a.md", &format!("from https://x.{host}/y\n")),
                [Some(1)],
                "{host}"
            );
        }
    }

    #[test]
    fn paths_that_any_machine_has_are_fine() {
        for folder in FOLDERS {
            for before in ["~", "src", "$HOME", "${HOME}", "..", "*"] {
                assert_eq!(
                    found("a.sh", &format!("{before}{folder}x\n")),
                    [],
                    "{before}{folder}"
                );
            }
        }
        assert_eq!(
            found(
                "a.md",
                "/tmp/x, /usr/lib, Cargo's registry, crates.iter()\n"
            ),
            []
        );
    }

    #[test]
    fn lock_files_are_left_out() {
        for path in ["Cargo.lock", "examples/alone/Cargo.lock"] {
            assert_eq!(found(path, HOSTS[0]), [], "{path}");
        }
    }
}
