//! Examples are all of one shape, so that who knows one knows all: `main.rs`, `lib.rs`, a README and a test. A folder without
//! Rust, such as one of scripts, needs its README alone.

use std::collections::BTreeSet;

use super::{Problem, Tree};

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let folders: BTreeSet<&str> = tree
        .files()
        .filter_map(|(path, _)| path.strip_prefix("examples/")?.split_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    folders
        .into_iter()
        .flat_map(|folder| lacks(tree, &format!("examples/{folder}")))
        .collect()
}

fn lacks(tree: &Tree, folder: &str) -> Vec<Problem> {
    let is_program = tree.rust_files(&format!("{folder}/")).next().is_some()
        || tree.text(&format!("{folder}/Cargo.toml")).is_some();
    let needed: &[&str] = match is_program {
        true => &["src/main.rs", "src/lib.rs", "README.md"],
        false => &["README.md"],
    };
    let missing = needed
        .iter()
        .filter(|file| tree.text(&format!("{folder}/{file}")).is_none());
    let mut problems: Vec<Problem> = missing
        .map(|file| Problem::in_file(folder, format!("lacks {file}, which every example has")))
        .collect();

    let in_library = tree
        .text(&format!("{folder}/src/lib.rs"))
        .is_some_and(|text| text.contains("#[test]"));
    let in_folder = tree
        .rust_files(&format!("{folder}/tests/"))
        .next()
        .is_some();
    if is_program && !in_library && !in_folder {
        problems.push(Problem::in_file(
            folder,
            "lacks a test: tests/smoke.rs, or one in src/lib.rs",
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 4] = [
        ("examples/hello/src/main.rs", "fn main() {}\n"),
        ("examples/hello/src/lib.rs", "pub fn run() {}\n"),
        ("examples/hello/README.md", "# Hello\n"),
        (
            "examples/hello/tests/smoke.rs",
            "#[test]\nfn it_runs() {}\n",
        ),
    ];

    #[test]
    fn a_whole_example_is_fine_and_a_file_beside_the_folders_is_none() {
        let mut files = WHOLE.to_vec();
        files.push(("examples/README.md", "# Examples\n"));
        assert_eq!(problems(&Tree::of(&files)), []);

        files[1].1 = "#[test]\nfn it_runs() {}\n";
        files.remove(3);
        assert_eq!(problems(&Tree::of(&files)), []);
    }

    #[test]
    fn scripts_need_a_readme_and_nothing_else() {
        let mut files = vec![("examples/cluster/run.sh", "true\n")];
        let found = problems(&Tree::of(&files));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("README.md"), "{found:?}");
        files.push(("examples/cluster/README.md", "# Cluster\n"));
        assert_eq!(problems(&Tree::of(&files)), []);
    }

    #[test]
    fn each_missing_piece_is_named() {
        for (piece, word) in WHOLE
            .iter()
            .zip(["src/main.rs", "src/lib.rs", "README.md", "test"])
        {
            let rest: Vec<_> = WHOLE.into_iter().filter(|file| file != piece).collect();
            let found = problems(&Tree::of(&rest));
            assert_eq!(found.len(), 1, "{piece:?}: {found:?}");
            assert_eq!(found[0].path, "examples/hello");
            assert!(found[0].what.contains(word), "{found:?}");
        }
    }
}
