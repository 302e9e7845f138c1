//! What may be written next, given what is written: rules that every strategy obeys.

use crate::error::{InferError, known_tokens, option};
use hearth_data::TokenId;
use std::collections::HashMap;

/// Rules that change a prediction before the next token is chosen, applied in the order of the fields, which is Hugging
/// Face's. The default has none.
///
/// Greedy decoding and sampling apply them to logits, a beam search to log-probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Divides the positive scores of the tokens that stand in the prompt or the text, and multiplies the negative ones:
    /// above 1 discourages repetition. Keskar et al. 2019, §4.1 <https://arxiv.org/abs/1909.05858>.
    pub repetition_penalty: f64,
    /// Subtracted from the score of each token of the text (not of the prompt) as often as it stands there.
    pub frequency_penalty: f64,
    /// Subtracted from the score of each token that stands in the text (not in the prompt), once.
    pub presence_penalty: f64,
    /// No sequence of so many tokens comes twice, the prompt included. Paulus et al. 2017, §2.5
    /// <https://arxiv.org/abs/1705.04304>.
    pub no_repeat_ngram: Option<usize>,
    /// Sequences that are never written.
    pub bad_words: Vec<Vec<TokenId>>,
    /// A text does not end before it has so many tokens.
    pub min_new_tokens: usize,
    /// What a text begins with, whatever the model finds likely. Its tokens are part of the text and of its score.
    pub prefix: Vec<TokenId>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            no_repeat_ngram: None,
            bad_words: Vec::new(),
            min_new_tokens: 0,
            prefix: Vec::new(),
        }
    }
}

impl Rules {
    /// Whether a model with `vocab` tokens can obey.
    pub fn validate(&self, vocab: usize) -> Result<(), InferError> {
        option(
            self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite(),
            "repetition_penalty",
            self.repetition_penalty,
            "a finite number above 0",
        )?;
        for (field, penalty) in [
            ("frequency_penalty", self.frequency_penalty),
            ("presence_penalty", self.presence_penalty),
        ] {
            option(penalty.is_finite(), field, penalty, "a finite number")?;
        }
        if let Some(n) = self.no_repeat_ngram {
            option(n > 0, "no_repeat_ngram", n as f64, "at least 1")?;
        }
        for word in &self.bad_words {
            option(
                !word.is_empty(),
                "bad_words",
                0.0,
                "words of at least one token",
            )?;
            known_tokens(word, vocab)?;
        }
        known_tokens(&self.prefix, vocab)
    }

    /// Whether nothing is changed, ever.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes the scores of what may follow.
    ///
    /// - `scores`: one for each token; `-inf` becomes of what may not follow
    /// - `prompt`: what the text stands behind
    /// - `eos`: the tokens that end a text
    pub(crate) fn apply(
        &self,
        scores: &mut [f32],
        prompt: &[TokenId],
        text: &[TokenId],
        eos: &[TokenId],
    ) {
        if let Some(&forced) = self.prefix.get(text.len()) {
            let kept = scores[forced as usize];
            scores.fill(f32::NEG_INFINITY);
            scores[forced as usize] = kept;
            return;
        }
        self.penalise(scores, prompt, text);
        let all = || prompt.iter().chain(text).copied().collect::<Vec<_>>();
        if let Some(n) = self.no_repeat_ngram {
            for id in completions(&all(), n) {
                scores[id as usize] = f32::NEG_INFINITY;
            }
        }
        if !self.bad_words.is_empty() {
            let all = all();
            for word in &self.bad_words {
                if let Some((&last, before)) = word.split_last()
                    && all.ends_with(before)
                {
                    scores[last as usize] = f32::NEG_INFINITY;
                }
            }
        }
        if text.len() < self.min_new_tokens {
            for &id in eos {
                scores[id as usize] = f32::NEG_INFINITY;
            }
        }
    }

    fn penalise(&self, scores: &mut [f32], prompt: &[TokenId], text: &[TokenId]) {
        if self.repetition_penalty != 1.0 {
            let penalty = self.repetition_penalty as f32;
            let mut seen: Vec<TokenId> = prompt.iter().chain(text).copied().collect();
            seen.sort_unstable();
            seen.dedup();
            for id in seen {
                let score = &mut scores[id as usize];
                *score = if *score < 0.0 {
                    *score * penalty
                } else {
                    *score / penalty
                };
            }
        }
        if self.frequency_penalty != 0.0 || self.presence_penalty != 0.0 {
            let mut counts: HashMap<TokenId, f64> = HashMap::new();
            for &id in text {
                *counts.entry(id).or_default() += 1.0;
            }
            for (id, count) in counts {
                let penalty = self.frequency_penalty * count + self.presence_penalty;
                scores[id as usize] -= penalty as f32;
            }
        }
    }
}

/// The tokens that would make the last `n` tokens a sequence that is there already.
fn completions(ids: &[TokenId], n: usize) -> Vec<TokenId> {
    let Some(start) = (ids.len() + 1).checked_sub(n) else {
        return Vec::new();
    };
    let open = &ids[start..];
    ids.windows(n)
        .filter(|window| window.starts_with(open))
        .map(|window| window[n - 1])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(rules: &Rules, prompt: &[TokenId], text: &[TokenId]) -> Vec<f32> {
        let mut scores = vec![2.0, -1.0, 0.5, 4.0, -3.0];
        rules.apply(&mut scores, prompt, text, &[0]);
        scores
    }

    const NO: f32 = f32::NEG_INFINITY;

    #[test]
    fn penalties_are_their_formulas() {
        let rules = Rules {
            repetition_penalty: 2.0,
            ..Rules::default()
        };
        // Once for each token, however often it stands there.
        assert_eq!(
            applied(&rules, &[3, 1], &[1, 4]),
            [2.0, -2.0, 0.5, 2.0, -6.0]
        );
        let rules = Rules {
            frequency_penalty: 0.5,
            presence_penalty: 1.0,
            ..Rules::default()
        };
        // The prompt does not count.
        assert_eq!(
            applied(&rules, &[0, 3], &[1, 4, 1]),
            [2.0, -3.0, 0.5, 4.0, -4.5]
        );
    }

    #[test]
    fn no_sequence_comes_twice() {
        let rules = |n| Rules {
            no_repeat_ngram: Some(n),
            ..Rules::default()
        };
        assert_eq!(applied(&rules(1), &[3], &[1]), [2.0, NO, 0.5, NO, -3.0]);
        assert_eq!(
            applied(&rules(2), &[3, 1, 2, 3, 4], &[3]),
            [2.0, NO, 0.5, 4.0, NO]
        );
        assert_eq!(
            applied(&rules(3), &[1, 2, 3], &[1, 2]),
            [2.0, -1.0, 0.5, NO, -3.0]
        );
        assert_eq!(applied(&rules(9), &[1], &[1]), [2.0, -1.0, 0.5, 4.0, -3.0]);
    }

    #[test]
    fn bad_words_are_barred_where_they_would_be_whole() {
        let rules = Rules {
            bad_words: vec![vec![2], vec![1, 3], vec![4, 1, 3]],
            ..Rules::default()
        };
        assert_eq!(applied(&rules, &[1], &[]), [2.0, -1.0, NO, NO, -3.0]);
        assert_eq!(applied(&rules, &[3], &[4]), [2.0, -1.0, NO, 4.0, -3.0]);
    }

    #[test]
    fn a_text_begins_as_it_must_and_does_not_end_early() {
        let rules = Rules {
            prefix: vec![4, 2],
            min_new_tokens: 3,
            ..Rules::default()
        };
        assert_eq!(applied(&rules, &[1], &[]), [NO, NO, NO, NO, -3.0]);
        assert_eq!(applied(&rules, &[1], &[4]), [NO, NO, 0.5, NO, NO]);
        assert_eq!(applied(&rules, &[1], &[4, 2])[0], NO);
        assert_eq!(applied(&rules, &[1], &[4, 2, 1])[0], 2.0);
    }
}
