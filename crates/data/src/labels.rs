//! The names of classes, and their numbers.

use std::collections::{BTreeSet, HashMap};

/// Each name once: by value where all are whole numbers, else by code points. A label's number is its place here, so it
/// depends on which labels there are and not on the order in which they came.
pub(crate) fn sorted_labels<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let numbers = |name: &String| name.parse::<i64>().ok();
    if names.iter().all(|name| numbers(name).is_some()) {
        names.sort_by_key(numbers);
    }
    names
}

/// The number of each label.
pub(crate) fn label_numbers(labels: &[String]) -> HashMap<&str, usize> {
    labels.iter().map(String::as_str).zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_by_value_and_names_by_code_points() {
        assert_eq!(
            sorted_labels(["10", "9", "-1", "9"]),
            ["-1", "9", "10"].map(String::from)
        );
        assert_eq!(
            sorted_labels(["b", "10", "a", "9"]),
            ["10", "9", "a", "b"].map(String::from)
        );
    }
}
