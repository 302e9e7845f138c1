//! chrF: how many runs of characters a translation shares with a reference.

use super::ngrams::{Counts, folded, is_space, n_common, ngrams, words};
use super::{Segment, VERSION, case};
use std::hash::Hash;

/// The longest runs of characters.
const CHARACTER_ORDER: usize = 6;

/// How many times as much recall counts as precision.
const BETA: f64 = 2.0;

/// chrF over a corpus, `100 · (1 + β²) P R / (β² P + R)` with β = 2, as sacrebleu computes it.
///
/// `P` and `R` are the means, over the lengths of runs, of the part of a hypothesis's runs that its reference has and of
/// the part of the reference's that the hypothesis has. Runs are of one to six characters, spaces left out, and for chrF++ of
/// one and two words besides. Of several references the one with the best score of its sentence counts.
///
/// Popović 2015 <https://aclanthology.org/W15-3049>, 2017 <https://aclanthology.org/W17-4770>.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chrf {
    /// The longest runs of words: 0 for chrF, 2 for chrF++.
    pub word_order: usize,
    /// Whether `The` is `the`.
    pub lowercase: bool,
}

/// How many runs of one length there are, and how many both sides have.
#[derive(Debug, Clone, Copy, Default)]
struct Overlap {
    hypothesis: usize,
    reference: usize,
    common: usize,
}

impl Chrf {
    /// chrF++.
    pub fn plus_plus() -> Self {
        Self {
            word_order: 2,
            lowercase: false,
        }
    }

    /// The score of a corpus, from 0 to 100: runs are counted over all of it.
    pub fn corpus<'a>(&self, segments: impl IntoIterator<Item = Segment<'a>>) -> f64 {
        let mut sums = vec![Overlap::default(); CHARACTER_ORDER + self.word_order];
        for segment in segments {
            for (sum, overlap) in sums.iter_mut().zip(self.best(&segment)) {
                sum.hypothesis += overlap.hypothesis;
                sum.reference += overlap.reference;
                sum.common += overlap.common;
            }
        }
        f_score(&sums)
    }

    /// The score of one sentence, from 0 to 100.
    pub fn sentence(&self, segment: &Segment<'_>) -> f64 {
        f_score(&self.best(segment))
    }

    /// How a score came about, in sacrebleu's form: to be given with every score.
    pub fn signature(&self, n_references: usize) -> String {
        let (case, words) = (case(self.lowercase), self.word_order);
        format!(
            "nrefs:{n_references}|case:{case}|eff:yes|nc:{CHARACTER_ORDER}|nw:{words}|space:no|{VERSION}"
        )
    }

    /// What the hypothesis shares with the reference that it is most like.
    fn best(&self, segment: &Segment<'_>) -> Vec<Overlap> {
        let hypothesis = Units::of(segment.hypothesis, self.lowercase);
        let mut best = (-1.0, Vec::new());
        for reference in &segment.references {
            let reference = Units::of(reference, self.lowercase);
            let of_characters = (1..=CHARACTER_ORDER)
                .map(|n| Overlap::of(&hypothesis.characters, &reference.characters, n));
            let of_words =
                (1..=self.word_order).map(|n| Overlap::of(&hypothesis.words, &reference.words, n));
            let overlaps: Vec<_> = of_characters.chain(of_words).collect();
            let score = f_score(&overlaps);
            if score > best.0 {
                best = (score, overlaps);
            }
        }
        best.1
    }
}

/// What runs are made of.
struct Units {
    characters: Vec<char>,
    words: Vec<String>,
}

impl Units {
    fn of(text: &str, lowercase: bool) -> Self {
        let text = folded(text, lowercase);
        Self {
            characters: text.chars().filter(|c| !is_space(*c)).collect(),
            words: words(&text).flat_map(apart).map(str::to_owned).collect(),
        }
    }
}

/// A word and the one mark of punctuation behind it or, if there is none, before it.
fn apart(word: &str) -> impl Iterator<Item = &str> {
    let is_mark = |c: char| c.is_ascii_punctuation();
    let is_single = word.chars().nth(1).is_none();
    let at = match is_single {
        false if word.ends_with(is_mark) => word.len() - 1,
        false if word.starts_with(is_mark) => 1,
        _ => word.len(),
    };
    let (before, behind) = word.split_at(at);
    [before, behind].into_iter().filter(|part| !part.is_empty())
}

impl Overlap {
    fn of<T: Eq + Hash>(hypothesis: &[T], reference: &[T], n: usize) -> Self {
        let size = |runs: &Counts<'_, T>| runs.values().sum();
        let (hypothesis, reference) = (ngrams(hypothesis, n), ngrams(reference, n));
        Self {
            // Runs that no reference is long enough for are not held against a hypothesis.
            hypothesis: if reference.is_empty() {
                0
            } else {
                size(&hypothesis)
            },
            reference: size(&reference),
            common: n_common(&hypothesis, &reference),
        }
    }
}

fn f_score(overlaps: &[Overlap]) -> f64 {
    let (mut precision, mut recall, mut order) = (0.0, 0.0, 0.0);
    let both = |overlap: &&Overlap| overlap.hypothesis > 0 && overlap.reference > 0;
    for overlap in overlaps.iter().filter(both) {
        let common = overlap.common as f64;
        precision += common / overlap.hypothesis as f64;
        recall += common / overlap.reference as f64;
        order += 1.0;
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall, factor) = (precision / order, recall / order, BETA * BETA);
    100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment<'a>(hypothesis: &'a str, references: &[&'a str]) -> Segment<'a> {
        Segment {
            hypothesis,
            references: references.to_vec(),
        }
    }

    /// `abc` beside `abd`: precision and recall are 2/3, 1/2 and 0 for runs of one, two and three.
    #[test]
    fn a_score_worked_out_by_hand() {
        let score = Chrf::default().sentence(&segment("a bc", &["ab d"]));
        let mean = (2.0 / 3.0 + 1.0 / 2.0) / 3.0;
        assert!((score - 100.0 * mean).abs() < 1e-9, "{score}");
    }

    #[test]
    fn the_reference_most_like_it_counts() {
        let chrf = Chrf::plus_plus();
        let score = chrf.sentence(&segment("the cat", &["a dog", "the cat"]));
        assert!((score - 100.0).abs() < 1e-9);
        assert!(chrf.sentence(&segment("the cat", &["a dog"])) < 10.0);
    }

    #[test]
    fn one_mark_stands_apart_from_its_word() {
        let apart = |word| apart(word).collect::<Vec<_>>();
        assert_eq!(apart("(hi)"), ["(hi", ")"]);
        assert_eq!(apart("(hi"), ["(", "hi"]);
        assert_eq!(apart("."), ["."]);
        assert_eq!(apart("»où"), ["»où"]);
        assert_eq!(apart("où?"), ["où", "?"]);
    }

    #[test]
    fn nothing_in_common_and_nothing_at_all_are_zero() {
        let chrf = Chrf::plus_plus();
        assert_eq!(chrf.sentence(&segment("abc", &["xyz"])), 0.0);
        assert_eq!(chrf.sentence(&segment("", &["xyz"])), 0.0);
        assert_eq!(chrf.sentence(&segment("abc", &[""])), 0.0);
        assert_eq!(chrf.corpus([]), 0.0);
    }
}
