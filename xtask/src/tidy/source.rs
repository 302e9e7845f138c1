//! Rust source as the rules see it: without comments, without test code, with strings kept apart.
//!
//! What is dropped becomes spaces, so that every line keeps its number.

use super::{
    Tree,
    lexer::{Kind, blanked, is_name, kinds},
};

/// A file's library code in two views of the same length.
pub(super) struct Code {
    /// Without comments and test items.
    pub(super) with_strings: String,
    /// And without what stands in string and character literals.
    pub(super) bare: String,
}

impl Code {
    pub(super) fn of_library(text: &str) -> Self {
        let mut kinds = kinds(text);
        let bare = blanked(text, &kinds, |kind| kind == Kind::Code);
        for (start, end) in test_items(&bare) {
            kinds[start..end].fill(Kind::Comment);
        }
        Self {
            with_strings: blanked(text, &kinds, |kind| kind != Kind::Comment),
            bare: blanked(text, &kinds, |kind| kind == Kind::Code),
        }
    }
}

/// The names and keywords in bare code, each with its line, counted from 1.
pub(super) fn words(bare: &str) -> impl Iterator<Item = (usize, &str)> {
    bare.lines().enumerate().flat_map(|(number, line)| {
        line.split(|c: char| !is_name(c))
            .filter(|word| !word.is_empty())
            .map(move |word| (number + 1, word))
    })
}

/// Whether a file is a module that its parent declares under `#[cfg(test)]`, or lies below such a one.
pub(super) fn is_test_only(tree: &Tree, path: &str) -> bool {
    let Some((folder, file)) = path.rsplit_once('/') else {
        return false;
    };
    if file == "mod.rs" || file == "lib.rs" || file == "main.rs" {
        return file == "mod.rs" && is_test_only(tree, &format!("{folder}.rs"));
    }
    let name = file.trim_end_matches(".rs");
    let parents = ["lib.rs", "main.rs", "mod.rs"].map(|parent| format!("{folder}/{parent}"));
    let declared = |parent: &String| {
        tree.text(parent)
            .is_some_and(|text| declares_test_module(text, name))
    };
    // A parent beside its folder: `attention.rs` for `attention/cache.rs`.
    let beside = format!("{folder}.rs");
    parents.iter().chain([&beside]).any(declared)
        || (folder.contains("/src/") && is_test_only(tree, &beside))
}

fn declares_test_module(text: &str, name: &str) -> bool {
    let bare = blanked(text, &kinds(text), |kind| kind == Kind::Code);
    test_items(&bare).into_iter().any(|(start, end)| {
        bare[start..end]
            .trim_end()
            .ends_with(&format!("mod {name};"))
    })
}

/// The byte ranges of the items under `#[cfg(test)]`, attribute included: up to the closing brace or the semicolon.
fn test_items(bare: &str) -> Vec<(usize, usize)> {
    let mut items = Vec::new();
    let mut from = 0;
    if bare.contains("#![cfg(test)]") {
        items.push((0, bare.len()));
        from = bare.len();
    }
    while let Some(at) = ["#[cfg(test)]", "#[cfg(all(test"]
        .iter()
        .filter_map(|cfg| bare[from..].find(cfg))
        .min()
    {
        let start = from + at;
        from = item_end(bare, start);
        items.push((start, from));
    }
    items
}

/// Where the item ends that starts here with an attribute.
fn item_end(bare: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in bare[start..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' {
                    // `use a::{b, c};` goes on to its semicolon.
                    let end = start + at + 1;
                    return if bare[end..].starts_with(';') {
                        end + 1
                    } else {
                        end
                    };
                }
            }
            ';' if depth == 0 => return start + at + 1,
            _ => {}
        }
    }
    bare.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> String {
        let code = Code::of_library(text);
        assert_eq!(code.bare.len(), text.len());
        assert_eq!(code.with_strings.len(), text.len());
        code.bare.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn strings_are_kept_in_their_own_view() {
        let code = Code::of_library("f(\"a\") // \"b\"");
        assert_eq!(code.with_strings.trim_end(), "f(\"a\")");
    }

    #[test]
    fn test_items_end_where_they_end() {
        assert_eq!(
            bare("#[cfg(test)]\nmod tests { fn t() { \"}\"; } }\nfn f() {}"),
            "fn f() {}"
        );
        assert_eq!(bare("#[cfg(test)] use a::{b, c};\nfn f() {}"), "fn f() {}");
        assert_eq!(
            bare("#[cfg(test)] type X = [u8; 3];\nfn f() {}"),
            "fn f() {}"
        );
        assert_eq!(
            bare("#[cfg(all(test, unix))]\n#[allow(x)]\nfn t(a: [u8; 2]) {}\nfn f() {}"),
            "fn f() {}"
        );
        assert_eq!(bare("#![cfg(test)]\nfn f() {}"), "");
        assert_eq!(
            bare("#[cfg(not(test))]\nfn f() {}"),
            "#[cfg(not(test))] fn f() {}"
        );
    }

    #[test]
    fn a_module_declared_for_tests_is_test_only_with_all_below_it() {
        let tree = Tree::of(&[
            (
                "crates/a/src/lib.rs",
                "mod real;\n#[cfg(test)]\nmod testing;\n#[cfg(test)]\npub(crate) mod golden;\n",
            ),
            (
                "crates/a/src/real.rs",
                "#[cfg(test)]\nmod tests;\nmod part;\n",
            ),
        ]);
        for path in [
            "testing.rs",
            "golden.rs",
            "golden/mod.rs",
            "testing/deep.rs",
            "real/tests.rs",
        ] {
            assert!(
                is_test_only(&tree, &format!("crates/a/src/{path}")),
                "{path}"
            );
        }
        for path in ["lib.rs", "real.rs", "real/part.rs", "real/mod.rs"] {
            assert!(
                !is_test_only(&tree, &format!("crates/a/src/{path}")),
                "{path}"
            );
        }
    }
}
