//! Patterns for the names of parameters, as a recipe gives them.

/// Whether a run of the names in a path is what a pattern says: `query`, `layers.0`, `encoder.layers.*.feed_forward`. A `*` stands
/// for any one name.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let names: Vec<&str> = path.split('.').collect();
    let fits = |(pattern, name): (&&str, &&str)| *pattern == "*" || pattern == name;
    names
        .windows(pattern.len())
        .any(|run| pattern.iter().zip(run).all(fits))
}

/// Whether any of some patterns is found in a path.
pub(crate) fn any_matches(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, path))
}

/// The first of some patterns that is found in no path.
pub(crate) fn unknown<'a>(patterns: &'a [String], paths: &[String]) -> Option<&'a String> {
    let is_found = |pattern: &str| paths.iter().any(|path| matches(pattern, path));
    patterns.iter().find(|pattern| !is_found(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_in_a_row_are_found() {
        let path = "decoder.layers.12.self_attention.query.weight";
        for pattern in ["query", "layers.12", "decoder.layers.*", "*", "weight"] {
            assert!(matches(pattern, path), "{pattern}");
        }
        for pattern in [
            "quer",
            "layers.1",
            "layers.query",
            "",
            "encoder",
            "layers.*.query",
        ] {
            assert!(!matches(pattern, path), "{pattern}");
        }
    }
}
