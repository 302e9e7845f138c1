//! Runs of neighbouring items and how often they occur: what BLEU and chrF compare.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;

/// How often each run of n items occurs.
pub(super) type Counts<'a, T> = HashMap<&'a [T], usize>;

/// The runs of `n` items.
pub(super) fn ngrams<T: Eq + Hash>(items: &[T], n: usize) -> Counts<'_, T> {
    let mut counts = Counts::new();
    for run in items.windows(n) {
        *counts.entry(run).or_default() += 1;
    }
    counts
}

/// How many runs both have, each as often as the one that has it less often.
pub(super) fn n_common<T: Eq + Hash>(a: &Counts<'_, T>, b: &Counts<'_, T>) -> usize {
    let common = |(run, n): (_, &usize)| b.get(run).map_or(0, |m| *n.min(m));
    a.iter().map(common).sum()
}

/// What lies between spaces, as Python splits: its spaces are those of Unicode and four separators of ASCII.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The text as it is to be compared.
pub(super) fn folded(text: &str, lowercase: bool) -> Cow<'_, str> {
    match lowercase {
        true => text.to_lowercase().into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_common_as_often_as_both_have_them() {
        let (a, b) = (ngrams(b"aaab", 2), ngrams(b"aabb", 2));
        assert_eq!((a[b"aa".as_slice()], a.len()), (2, 2));
        assert_eq!(n_common(&a, &b), 2);
        assert!(ngrams(b"a", 2).is_empty());
    }

    #[test]
    fn words_lie_between_all_that_python_calls_space() {
        let found: Vec<_> = words(" a\u{a0}b\x1cc\u{3000}\t d\u{200b}").collect();
        assert_eq!(found, ["a", "b", "c", "d\u{200b}"]);
    }
}
