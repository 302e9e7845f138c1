//! BLEU: how many runs of one to four words a translation shares with its references.

use super::ngrams::{folded, is_space, n_common, ngrams, words};
use super::{Segment, Tokenization, VERSION, case};

/// The longest runs that are looked at.
const ORDER: usize = 4;

/// BLEU over a corpus, `100 · BP · exp(Σ ln pₙ / 4)`, as sacrebleu computes it.
///
/// `pₙ` is the part of the hypotheses' runs of n words that a reference has too, each at most as often as there; and
/// `BP = min(1, exp(1 - r / c))`, `c` words being written where `r` were expected: the length of the reference next to the
/// hypothesis's, the shorter one of two. A precision of nothing is smoothed: the k-th such one counts as `1 / 2ᵏ` matches.
///
/// Papineni et al. 2002, §2 <https://aclanthology.org/P02-1040>; Post 2018 <https://aclanthology.org/W18-6319>; smoothing is
/// method 3 of Chen and Cherry 2014, §3 <https://aclanthology.org/W14-3346>.
///
/// ```
/// use hearth_data::{Bleu, Segment};
///
/// let segment = |hypothesis| Segment { hypothesis, references: vec!["The cat is on the mat."] };
/// assert!(Bleu::default().corpus([segment("The cat is on the mat.")]).score > 99.9);
/// assert!(Bleu::default().corpus([segment("The cat sat on the mat.")]).score < 50.0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bleu {
    /// What a word is.
    pub tokenization: Tokenization,
    /// Whether `The` is `the`.
    pub lowercase: bool,
}

/// BLEU and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct BleuScore {
    /// BLEU, from 0 to 100.
    pub score: f64,
    /// The precision of runs of one to four words, smoothed, from 0 to 100.
    pub precisions: [f64; ORDER],
    /// What a corpus that is too short is multiplied by, from 0 to 1.
    pub brevity_penalty: f64,
    /// Words written.
    pub hypothesis_len: usize,
    /// Words expected.
    pub reference_len: usize,
}

/// What is summed over a corpus.
#[derive(Debug, Default)]
struct Counts {
    matches: [usize; ORDER],
    totals: [usize; ORDER],
    hypothesis_len: usize,
    reference_len: usize,
}

impl Bleu {
    /// The score of a corpus: runs and words are counted over all of it.
    pub fn corpus<'a>(&self, segments: impl IntoIterator<Item = Segment<'a>>) -> BleuScore {
        let mut counts = Counts::default();
        for segment in segments {
            self.count(&segment, &mut counts);
        }
        counts.score(false)
    }

    /// The score of one sentence, in which runs longer than the sentence do not count ("effective order").
    pub fn sentence(&self, segment: &Segment<'_>) -> BleuScore {
        let mut counts = Counts::default();
        self.count(segment, &mut counts);
        counts.score(true)
    }

    /// How the score of a corpus came about, in sacrebleu's form: to be given with every score.
    pub fn signature(&self, n_references: usize) -> String {
        let (case, tokenization) = (case(self.lowercase), self.tokenization.name());
        format!("nrefs:{n_references}|case:{case}|eff:no|tok:{tokenization}|smooth:exp|{VERSION}")
    }

    fn count(&self, segment: &Segment<'_>, counts: &mut Counts) {
        let prepared = |text: &str| {
            let text = folded(text, self.lowercase);
            let text = self.tokenization.apply(text.trim_end_matches(is_space));
            words(&text).map(str::to_owned).collect::<Vec<_>>()
        };
        let hypothesis = prepared(segment.hypothesis);
        let references: Vec<_> = segment
            .references
            .iter()
            .map(|text| prepared(text))
            .collect();
        let len = hypothesis.len();
        let lengths = references.iter().map(Vec::len);
        let nearest = lengths.min_by_key(|reference| (reference.abs_diff(len), *reference));
        counts.hypothesis_len += len;
        counts.reference_len += nearest.unwrap_or(0);
        for n in 1..=ORDER {
            // A run is right as often as in the reference that has it most often.
            let mut right = ngrams(&[], n);
            for reference in &references {
                for (run, count) in ngrams(reference, n) {
                    let most = right.entry(run).or_default();
                    *most = count.max(*most);
                }
            }
            counts.matches[n - 1] += n_common(&ngrams(&hypothesis, n), &right);
            counts.totals[n - 1] += (len + 1).saturating_sub(n);
        }
    }
}

impl Counts {
    fn score(&self, effective_order: bool) -> BleuScore {
        let (written, expected) = (self.hypothesis_len as f64, self.reference_len as f64);
        let brevity_penalty = match self.hypothesis_len {
            n if n >= self.reference_len => 1.0,
            0 => 0.0,
            _ => (1.0 - expected / written).exp(),
        };
        let mut precisions = [0.0; ORDER];
        let mut halving = 1.0;
        let there = self.totals.iter().take_while(|total| **total > 0).count();
        if self.matches.iter().any(|matches| *matches > 0) {
            for (i, precision) in precisions[..there].iter_mut().enumerate() {
                *precision = 100.0 * self.matches[i] as f64 / self.totals[i] as f64;
                if self.matches[i] == 0 {
                    halving *= 2.0;
                    *precision = 100.0 / (halving * self.totals[i] as f64);
                }
            }
        }
        let order = if effective_order { there.max(1) } else { ORDER };
        let logarithms = precisions[..order].iter().map(|precision| precision.ln());
        BleuScore {
            score: brevity_penalty * (logarithms.sum::<f64>() / order as f64).exp(),
            precisions,
            brevity_penalty,
            hypothesis_len: self.hypothesis_len,
            reference_len: self.reference_len,
        }
    }
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

    /// Precisions 5/6, 3/5, 1/4 and 0/3, the last of which counts as a half.
    #[test]
    fn a_score_worked_out_by_hand() {
        let score = Bleu::default().corpus([segment(
            "the cat sat on the mat",
            &["the cat is on the mat"],
        )]);
        let expected = [5.0 / 6.0, 3.0 / 5.0, 1.0 / 4.0, 0.5 / 3.0].map(|p: f64| 100.0 * p);
        for (precision, expected) in score.precisions.iter().zip(expected) {
            assert!((precision - expected).abs() < 1e-12, "{precision}");
        }
        let product: f64 = expected.iter().product();
        assert!((score.score - product.powf(0.25)).abs() < 1e-9);
        assert_eq!(score.brevity_penalty, 1.0);
    }

    #[test]
    fn the_nearest_reference_says_how_long_a_text_should_be() {
        let score =
            Bleu::default().corpus([segment("a b c d", &["a b", "a b c d e f", "a b c d e"])]);
        assert_eq!(score.reference_len, 5);
        assert!((score.brevity_penalty - (-0.25_f64).exp()).abs() < 1e-12);
        assert_eq!(score.precisions, [100.0; ORDER]);
    }

    #[test]
    fn nothing_in_common_and_nothing_at_all_are_zero() {
        for hypothesis in ["x y z v w", "", " "] {
            let score = Bleu::default().corpus([segment(hypothesis, &["a b c d e"])]);
            assert_eq!(score.score, 0.0, "{hypothesis:?}");
        }
        assert_eq!(Bleu::default().corpus([]).score, 0.0);
        assert_eq!(Bleu::default().sentence(&segment("", &[])).score, 0.0);
    }

    #[test]
    fn a_short_sentence_is_judged_by_the_runs_that_it_has() {
        let short = segment("Hello there", &["Hello there"]);
        assert!((Bleu::default().sentence(&short).score - 100.0).abs() < 1e-9);
        assert_eq!(Bleu::default().corpus([short]).score, 0.0);
    }

    #[test]
    fn a_signature_says_what_was_chosen() {
        let bleu = Bleu {
            tokenization: Tokenization::International,
            lowercase: true,
        };
        let signature = bleu.signature(2);
        let expected = "nrefs:2|case:lc|eff:no|tok:intl|smooth:exp|version:hearth-";
        assert!(signature.starts_with(expected), "{signature}");
    }
}
