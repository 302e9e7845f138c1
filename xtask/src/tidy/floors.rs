//! The arrows between crates point down: DESIGN's floors, read from the manifests.
//!
//! An arrow is a dependency in `[dependencies]` or `[build-dependencies]`; what only tests need (`[dev-dependencies]`) is
//! free. The same manifests say who may know Burn at all, and who may know a concrete backend of it.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Problem, Tree, manifests::dependencies};

/// The folders below `crates/`, floor by floor from the ground. Backends and examples are the floor above these.
const FLOORS: [&[&str]; 5] = [
    &["kernels"],
    &["data", "model"],
    &["batch", "hub"],
    &["train", "infer"],
    &["cli", "serve", "hearth"],
];

/// Burn's backends, as in `burn-ndarray`, and as in burn's own features.
const BURN_BACKENDS: [&str; 4] = ["ndarray", "flex", "wgpu", "tch"];

const ARROWS: [&str; 2] = ["dependencies", "build-dependencies"];

/// A member of the workspace and how high it stands.
struct Member<'a> {
    path: &'a str,
    manifest: Table,
    floor: usize,
}

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut members = BTreeMap::new();
    for (path, text) in tree.manifests() {
        // What cannot be read is reported by `manifests`.
        let Ok(manifest) = text.parse::<Table>() else {
            continue;
        };
        let Some(floor) = floor(path) else {
            let what = "stands on no floor: draw it in DESIGN and name it in FLOORS (xtask/src/tidy/floors.rs)";
            problems.push(Problem::in_file(path, what));
            continue;
        };
        if let Some(name) = manifest
            .get("package")
            .and_then(|package| package.get("name")?.as_str())
        {
            members.insert(
                name.to_owned(),
                Member {
                    path,
                    manifest,
                    floor,
                },
            );
        }
    }
    for member in members.values() {
        for (name, value) in dependencies(&member.manifest, &ARROWS) {
            let broken = arrow(member, name, &members).or_else(|| burn(member, name, value));
            problems.extend(broken.map(|what| Problem::in_file(member.path, what)));
        }
    }
    problems
}

/// The floor of a member by its manifest's path. `xtask` stands on the ground: it may use none of the others.
fn floor(path: &str) -> Option<usize> {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["xtask", _] => Some(0),
        ["crates", folder, _] => FLOORS.iter().position(|floor| floor.contains(&folder)),
        ["crates", "backends", _, _] | ["examples", _, _] => Some(FLOORS.len()),
        _ => None,
    }
}

fn arrow(from: &Member<'_>, name: &str, members: &BTreeMap<String, Member<'_>>) -> Option<String> {
    let to = members.get(name)?;
    (to.floor >= from.floor).then(|| {
        let direction = if to.floor == from.floor {
            "sideways"
        } else {
            "up"
        };
        format!(
            "depends {direction}, on {name}: floor {} may use only what is below it",
            from.floor
        )
    })
}

fn burn(from: &Member<'_>, name: &str, value: &Value) -> Option<String> {
    if name != "burn" && !name.starts_with("burn-") {
        return None;
    }
    if from.path == "crates/data/Cargo.toml" {
        return Some(format!("depends on {name}: data sees no tensor"));
    }
    let chooses =
        from.path.starts_with("crates/backends/") || from.path == "crates/hearth/Cargo.toml";
    let features = value
        .get("features")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut named = name.strip_prefix("burn-").into_iter().chain(features);
    let backend = named.find(|name| BURN_BACKENDS.contains(name))?;
    (!chooses).then(|| {
        format!(
            "depends on Burn's {backend}: only a backend's binary and the façade choose a backend"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with one member that has these lines, among members of every floor.
    fn found(path: &str, lines: &str) -> Vec<String> {
        let mut files: Vec<(String, String)> = [
            ("crates/kernels", "hearth-kernels"),
            ("crates/data", "hearth-data"),
            ("crates/model", "hearth-model"),
            ("crates/hub", "hearth-hub"),
            ("crates/train", "hearth-train"),
            ("crates/infer", "hearth-infer"),
            ("crates/cli", "hearth-cli"),
            ("crates/hearth", "hearth"),
            ("crates/backends/flex", "hearth-flex"),
            ("examples/hello", "hello"),
            ("xtask", "xtask"),
        ]
        .iter()
        .map(|(folder, name)| {
            (
                format!("{folder}/Cargo.toml"),
                format!("[package]\nname = \"{name}\"\n"),
            )
        })
        .collect();
        for (of, text) in &mut files {
            if of == path {
                text.push_str(lines);
            }
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        problems(&Tree::of(&files))
            .into_iter()
            .map(|problem| format!("{}: {}", problem.path, problem.what))
            .collect()
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        for (from, to) in [
            ("crates/model", "hearth-kernels"),
            ("crates/hub", "hearth-model"),
            ("crates/train", "hearth-data"),
            ("crates/cli", "hearth-train"),
            ("crates/backends/flex", "hearth-cli"),
            ("examples/hello", "hearth"),
        ] {
            let found = found(
                &format!("{from}/Cargo.toml"),
                &format!("[dependencies]\n{to}.workspace = true\n"),
            );
            assert!(found.is_empty(), "{from} -> {to}: {found:?}");
        }
    }

    #[test]
    fn arrows_that_point_up_or_sideways_are_caught() {
        for (from, to, direction) in [
            ("crates/kernels", "hearth-model", "up"),
            ("crates/data", "hearth-hub", "up"),
            ("crates/model", "hearth-data", "sideways"),
            ("crates/train", "hearth-infer", "sideways"),
            ("crates/infer", "hearth-cli", "up"),
            ("crates/hearth", "hearth-cli", "sideways"),
            ("examples/hello", "hearth-flex", "sideways"),
            ("xtask", "hearth-data", "up"),
        ] {
            for table in [
                "dependencies",
                "build-dependencies",
                "target.'cfg(unix)'.dependencies",
            ] {
                let found = found(
                    &format!("{from}/Cargo.toml"),
                    &format!("[{table}]\n{to}.workspace = true\n"),
                );
                assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
                assert!(
                    found[0].contains(&format!("depends {direction}, on {to}")),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn what_only_tests_need_is_free() {
        let lines = "[dev-dependencies]\nhearth-cli.workspace = true\nburn-flex.workspace = true\n";
        assert!(found("crates/model/Cargo.toml", lines).is_empty());
    }

    #[test]
    fn a_crate_that_design_does_not_know_is_caught() {
        let tree = Tree::of(&[(
            "crates/helpers/Cargo.toml",
            "[package]\nname = \"hearth-helpers\"\n",
        )]);
        assert_eq!(problems(&tree).len(), 1);
    }

    #[test]
    fn data_knows_nothing_of_burn() {
        for burn in ["burn", "burn-core", "burn-flex"] {
            let found = found(
                "crates/data/Cargo.toml",
                &format!("[dependencies]\n{burn}.workspace = true\n"),
            );
            assert!(
                found.len() == 1 && found[0].contains("no tensor"),
                "{burn}: {found:?}"
            );
        }
    }

    #[test]
    fn only_binaries_and_the_facade_choose_a_backend() {
        for line in [
            "burn-ndarray.workspace = true",
            "burn-wgpu = { workspace = true, optional = true }",
            "burn = { workspace = true, features = [\"tch\"] }",
        ] {
            let lines = format!("[dependencies]\n{line}\n");
            for free in ["crates/backends/flex", "crates/hearth"] {
                assert!(
                    found(&format!("{free}/Cargo.toml"), &lines).is_empty(),
                    "{free}: {line}"
                );
            }
            for bound in ["crates/model", "crates/cli", "examples/hello"] {
                let found = found(&format!("{bound}/Cargo.toml"), &lines);
                assert!(
                    found.len() == 1 && found[0].contains("choose a backend"),
                    "{bound}, {line}: {found:?}"
                );
            }
        }
        assert!(
            found(
                "crates/model/Cargo.toml",
                "[dependencies]\nburn.workspace = true\n"
            )
            .is_empty()
        );
    }
}
