//! One concept a file: a Rust file of more than 400 lines holds two.

use super::{Problem, Tree};

const MOST_LINES: usize = 400;

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    tree.rust_files("")
        .filter_map(|(path, text)| too_long(path, text))
        .collect()
}

fn too_long(path: &str, text: &str) -> Option<Problem> {
    let n_lines = text.lines().count();
    (n_lines > MOST_LINES).then(|| {
        Problem::in_file(
            path,
            format!("{n_lines} lines, and {MOST_LINES} is the most: one concept a file, split it"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_file_allowed_passes_and_one_line_more_does_not() {
        let longest = "//\n".repeat(MOST_LINES);
        let too_long = "//\n".repeat(MOST_LINES + 1);
        let tree = Tree::of(&[
            ("a.rs", &longest),
            ("b/b.rs", &too_long),
            ("c.md", &too_long),
        ]);
        let paths: Vec<String> = problems(&tree)
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        assert_eq!(paths, ["b/b.rs"]);
    }
}
