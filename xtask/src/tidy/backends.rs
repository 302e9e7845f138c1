//! A concrete backend is named in binaries, in tests, in one file of the façade and in one of macros that binaries expand, and nowhere else.
//!
//! Everything else is generic over `B: Backend`, so that a backend can come or go without touching the models. Looked at
//! are the libraries' sources without comments and test code.

use super::{
    Problem, Tree,
    source::{Code, is_test_only, words},
};

/// The crates that must be generic throughout.
const GENERIC: [&str; 9] = [
    "data", "kernels", "model", "batch", "hub", "train", "infer", "serve", "cli",
];

/// The one file of the façade that may choose.
const CHOOSER: &str = "crates/hearth/src/backend.rs";

/// The macros that say how a backend's tensors are read, for crates that have it.
const READERS: &str = "crates/kernels/src/in_memory/readers.rs";

/// Names that stand for a backend in Rust code, whole words.
const NAMES: [&str; 12] = [
    "burn_ndarray",
    "burn_flex",
    "burn_wgpu",
    "burn_tch",
    "NdArray",
    "Flex",
    "Wgpu",
    "LibTorch",
    "NdArrayDevice",
    "FlexDevice",
    "WgpuDevice",
    "LibTorchDevice",
];

/// The features that choose one, as in `#[cfg(feature = "wgpu")]`.
const FEATURES: [&str; 4] = ["ndarray", "flex", "wgpu", "tch"];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let generic = GENERIC.iter().flat_map(|name| {
        tree.rust_files(&format!("crates/{name}/src/"))
            .collect::<Vec<_>>()
    });
    let facade = tree
        .rust_files("crates/hearth/src/")
        .filter(|(path, _)| *path != CHOOSER);
    generic
        .chain(facade)
        .filter(|(path, _)| *path != READERS && !is_test_only(tree, path))
        .flat_map(|(path, text)| named_backends(path, &Code::of_library(text)))
        .collect()
}

fn named_backends(path: &str, code: &Code) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, word) in words(&code.bare) {
        if NAMES.contains(&word) {
            problems.push(Problem::at(
                path,
                line,
                format!("{word} is a concrete backend: be generic over B here"),
            ));
        }
    }
    for feature in FEATURES {
        let quoted = format!("\"{feature}\"");
        for (at, _) in code.with_strings.match_indices(&quoted) {
            let before = &code.with_strings[..at];
            let asked = before
                .trim_end()
                .strip_suffix('=')
                .is_some_and(|before| before.trim_end().ends_with("feature"));
            if asked {
                let line = before.matches('\n').count() + 1;
                let what =
                    format!("asks for the feature {feature} of a backend: only {CHOOSER} may");
                problems.push(Problem::at(path, line, what));
            }
        }
    }
    problems
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
    fn a_concrete_backend_in_library_code_is_caught() {
        for line in [
            "use burn_ndarray::NdArray;",
            "type B = burn_flex::Flex<f32>;",
            "fn f(x: Tensor<Wgpu, 2>) {}",
            "let device = LibTorchDevice::Cpu;",
            "#[cfg(feature = \"wgpu\")]",
            "#[cfg(any(feature=\"tch\", test))]",
        ] {
            for crate_name in [
                "data", "kernels", "model", "batch", "hub", "train", "infer", "serve", "cli",
                "hearth",
            ] {
                let found = found(
                    &format!("crates/{crate_name}/src/deep/x.rs"),
                    &format!("//! Doc.\n{line}\n"),
                );
                assert!(!found.is_empty(), "{crate_name}: {line}");
                assert!(
                    found.iter().all(|(at, _)| *at == Some(2)),
                    "{crate_name}: {line}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn comments_strings_tests_and_longer_words_are_free() {
        let text = "//! use burn_flex::Flex;\n\
                    /* NdArray<f32> */\n\
                    const ADVICE: &str = \"build hearth-wgpu for the Wgpu backend\";\n\
                    struct Flexible<B>(B);\n\
                    #[cfg(feature = \"mpi\")]\n\
                    fn f() {}\n\
                    #[cfg(test)]\n\
                    pub(crate) type TestBackend = burn_flex::Flex;\n\
                    #[cfg(test)]\n\
                    mod tests {\n    type B = burn_ndarray::NdArray<f32>;\n}\n";
        assert_eq!(found("crates/model/src/lib.rs", text), []);
    }

    #[test]
    fn binaries_examples_the_chooser_and_macros_are_free() {
        let text = "type B = burn_wgpu::Wgpu;\n#[cfg(feature = \"flex\")]\nfn f() {}\n";
        for path in [
            CHOOSER,
            READERS,
            "crates/backends/wgpu/src/main.rs",
            "examples/hello/src/main.rs",
            "crates/model/tests/t.rs",
        ] {
            assert_eq!(found(path, text), [], "{path}");
        }
    }
}
