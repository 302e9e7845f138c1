//! Every manifest takes what the workspace decides: lints, licence, and the version of every dependency.

use toml::{Table, Value};

use super::{Problem, Tree};

const DEPENDENCY_TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.manifests() {
        match text.parse::<Table>() {
            Ok(manifest) => {
                problems.extend(broken_rules(&manifest).map(|what| Problem::in_file(path, what)))
            }
            Err(error) => problems.push(Problem::in_file(
                path,
                format!("cannot be read: {}", error.message()),
            )),
        }
    }
    problems
}

fn broken_rules(manifest: &Table) -> impl Iterator<Item = String> {
    let lints = manifest
        .get("lints")
        .is_none_or(|lints| !of_workspace(lints));
    let license = manifest
        .get("package")
        .and_then(|package| package.get("license"))
        .is_none_or(|l| !of_workspace(l));
    let versions = dependencies(manifest, &DEPENDENCY_TABLES).filter(|(_, value)| !of_workspace(value)).map(|(name, _)| {
        format!("{name} has a version or a path of its own: name it in the root manifest and say `workspace = true` here")
    });
    let lints = lints.then(|| "lacks `[lints] workspace = true`".to_owned());
    let license = license.then(|| "lacks `license.workspace = true`".to_owned());
    lints
        .into_iter()
        .chain(license)
        .chain(versions.collect::<Vec<_>>())
}

fn of_workspace(value: &Value) -> bool {
    value.get("workspace") == Some(&Value::Boolean(true))
}

/// The dependencies in the named tables, those of `[target.….…]` included.
pub(super) fn dependencies<'a>(
    manifest: &'a Table,
    tables: &'a [&str],
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(|targets| targets.values());
    std::iter::once(manifest)
        .chain(targets.filter_map(Value::as_table))
        .flat_map(|table| {
            tables
                .iter()
                .filter_map(|name| table.get(*name)?.as_table())
        })
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "[package]\nname = \"hearth-data\"\nlicense.workspace = true\n[lints]\nworkspace = true\n";

    fn found(manifest: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\n"),
            ("crates/data/Cargo.toml", manifest),
        ]);
        problems(&tree)
            .into_iter()
            .map(|problem| problem.what)
            .collect()
    }

    #[test]
    fn a_manifest_that_inherits_all_is_fine() {
        let rest = "[dependencies]\nserde.workspace = true\nburn = { workspace = true, features = [\"std\"] }\n";
        assert!(found(&format!("{GOOD}{rest}")).is_empty());
    }

    #[test]
    fn lints_and_licence_must_be_inherited() {
        let own = "[package]\nlicense = \"MIT\"\n[lints.clippy]\nall = \"warn\"\n";
        for bad in [
            "[package]\nname = \"a\"\n",
            own,
            "[package]\n[lints]\nworkspace = false\n",
        ] {
            assert_eq!(
                found(bad),
                [
                    "lacks `[lints] workspace = true`",
                    "lacks `license.workspace = true`"
                ]
            );
        }
    }

    #[test]
    fn a_version_of_its_own_is_caught_in_every_table() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            for own in [
                "serde = \"1\"",
                "serde = { path = \"../serde\" }",
                "serde = { version = \"1\" }",
            ] {
                let found = found(&format!("{GOOD}[{table}]\n{own}\n"));
                assert!(
                    found.len() == 1 && found[0].starts_with("serde "),
                    "{table}, {own}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn a_broken_manifest_is_a_problem_and_not_a_panic() {
        assert!(found("[package\n")[0].starts_with("cannot be read"));
    }
}
