//! English sentences and their French translations, which have no split of their own: one is made by the English sentence, so
//! that no source of the test was trained on, whatever its translations.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

/// One English sentence in so many is tested on.
const ONE_IN: u64 = 50;

pub(super) fn cut(from: &Path, to: &Path) -> anyhow::Result<String> {
    let pairs = super::unpacked(&from.join("tatoeba_fra_eng/eng-fra.tsv.gz"))?;
    let pairs: Vec<(&str, &str)> = pairs.lines().filter_map(|l| l.split_once('\t')).collect();
    let (tested, trained): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .partition(|(english, _)| is_tested(english));
    // Of a sentence with several translations, the first is the reference.
    let mut test: BTreeMap<&str, &str> = BTreeMap::new();
    for (english, french) in tested {
        test.entry(english).or_insert(french);
    }
    super::write(&to.join("train.tsv"), &lines(trained.iter().copied()))?;
    super::write(
        &to.join("test.tsv"),
        &lines(test.iter().map(|(&e, &f)| (e, f))),
    )?;
    let (n_train, n_test) = (trained.len(), test.len());
    Ok(format!(
        "{n_train} pairs to train on, {n_test} English sentences to test on"
    ))
}

/// By the sentence as anyone would write it: its capitals do not move it to the other side.
fn is_tested(english: &str) -> bool {
    let hash = Sha256::digest(english.trim().to_lowercase());
    let start = hash[..8].try_into().map_or(0, u64::from_be_bytes);
    start % ONE_IN == 1
}

fn lines<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs.map(|(a, b)| format!("{a}\t{b}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_on_one_side_however_it_is_written() {
        let sentences: Vec<String> = (0..5000).map(|n| format!("Sentence {n}.")).collect();
        let tested = sentences.iter().filter(|one| is_tested(one)).count();
        assert!((60..140).contains(&tested), "{tested}");
        for one in &sentences {
            assert_eq!(
                is_tested(one),
                is_tested(&format!(" {}", one.to_uppercase()))
            );
        }
    }
}
