//! Where two configs differ, for people.

use serde::Serialize;
use serde_json::Value;

use crate::config_file::brief;

/// Each field that differs, as `decoder.n_layers is 2, not 3`: what `second` has, and what `first` has.
pub(crate) fn differences<T: Serialize>(first: &T, second: &T) -> Vec<String> {
    let mut found = Vec::new();
    // What does not become JSON is no config.
    if let (Ok(first), Ok(second)) = (serde_json::to_value(first), serde_json::to_value(second)) {
        compare("", Some(&first), Some(&second), &mut found);
    }
    found
}

fn compare(path: &str, first: Option<&Value>, second: Option<&Value>, found: &mut Vec<String>) {
    if first == second {
        return;
    }
    if let (Some(Value::Object(left)), Some(Value::Object(right))) = (first, second) {
        let only_right = right.keys().filter(|key| !left.contains_key(*key));
        for key in left.keys().chain(only_right) {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            compare(&path, left.get(key), right.get(key), found);
        }
        return;
    }
    let text = |value: Option<&Value>| value.map_or("missing".into(), brief);
    found.push(format!("{path} is {}, not {}", text(second), text(first)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_that_differs_is_named_with_both_values() {
        let first =
            json!({"gpt": {"vocab": 7, "tied": true, "decoder": {"norm": "before"}}, "a": 1});
        let second = json!({"gpt": {"vocab": 8, "tied": true, "decoder": {"norm": null}}, "b": 2});
        assert_eq!(
            differences(&first, &second),
            [
                "gpt.vocab is 8, not 7",
                "gpt.decoder.norm is null, not \"before\"",
                "a is missing, not 1",
                "b is 2, not missing",
            ]
        );
        assert!(differences(&first, &first).is_empty());
    }
}
