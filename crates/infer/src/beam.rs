//! Beam search: the likeliest texts among those that a bounded number of followed texts leads to.
//!
//! The rules are Hugging Face's with `early_stopping=False`, so that the same model gives the same texts and scores: the
//! best `2 · width` continuations of a step are ranked; those of the first `width` ranks that end are finished texts, and
//! the best `width` that do not end are followed further. A search is over when no followed text, were it to end now,
//! would beat the worst of `width` finished ones.

use crate::decode::{Limit, Next};
use crate::logits::{NonFinite, log_total};
use crate::options::{BeamSearch, Finish, Hypothesis};
use hearth_data::TokenId;

/// One prompt's search.
#[derive(Debug)]
pub(crate) struct Beams {
    options: BeamSearch,
    eos: Vec<TokenId>,
    limit: Limit,
    /// Best first.
    followed: Vec<Text>,
    /// Best first, at most `width`.
    finished: Vec<Hypothesis>,
}

/// A text that has not ended.
#[derive(Debug, Clone, Default)]
struct Text {
    ids: Vec<TokenId>,
    log_probs: Vec<f32>,
    sum: f64,
}

/// A text that is one token longer than a followed one.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    parent: usize,
    id: TokenId,
    log_prob: f64,
    sum: f64,
}

impl Beams {
    /// Follows one text: the prompt with nothing behind it.
    pub(crate) fn new(options: &BeamSearch, eos: &[TokenId], limit: Limit) -> Self {
        Self {
            options: options.clone(),
            eos: eos.to_vec(),
            limit,
            followed: vec![Text::default()],
            finished: Vec::new(),
        }
    }

    /// How many texts are followed.
    pub(crate) fn width(&self) -> usize {
        self.followed.len()
    }

    pub(crate) fn n_tokens(&self) -> usize {
        self.followed.first().map_or(0, |text| text.ids.len())
    }

    /// Goes one token further.
    ///
    /// - `rows`: the logits behind each followed text
    /// - returns the texts that are followed from here on; none when the search is over
    pub(crate) fn advance(&mut self, rows: &[&[f32]]) -> Result<Vec<Next>, NonFinite> {
        let width = self.options.width;
        let n_ranks = width * (1 + self.eos.len()).max(2);
        let candidates = self.best_candidates(rows, n_ranks)?;
        let n_tokens = self.n_tokens() + 1;
        let at_limit = n_tokens == self.limit.n_new;

        let (mut followed, mut next) = (Vec::new(), Vec::new());
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let ends = self.eos.contains(&candidate.id);
            if ends || at_limit {
                if rank < width {
                    let finish = if ends { Finish::Eos } else { self.limit.finish };
                    let text = self.followed[candidate.parent].longer(candidate);
                    self.finish(text, finish);
                }
            } else if followed.len() < width {
                followed.push(self.followed[candidate.parent].longer(candidate));
                next.push(Next {
                    parent: candidate.parent,
                    id: candidate.id,
                });
            }
        }
        self.followed = followed;
        if self.is_over() {
            self.followed.clear();
            next.clear();
        }
        Ok(next)
    }

    /// No followed text, were it to end now, would beat the worst of `width` finished ones.
    fn is_over(&self) -> bool {
        let Some(best) = self.followed.first() else {
            return true;
        };
        let worst = self.finished.get(self.options.width - 1);
        worst.is_some_and(|worst| self.score(best) <= worst.score)
    }

    fn score(&self, text: &Text) -> f64 {
        text.sum / (text.ids.len() as f64).powf(self.options.length_penalty)
    }

    fn finish(&mut self, text: Text, finish: Finish) {
        let score = self.score(&text);
        let rank = self
            .finished
            .partition_point(|finished| finished.score >= score);
        let hypothesis = Hypothesis {
            ids: text.ids,
            score,
            log_probs: text.log_probs,
            finish,
        };
        self.finished.insert(rank, hypothesis);
        self.finished.truncate(self.options.width);
    }

    /// The best texts, best first; those still followed end here, because the caller stopped the search.
    pub(crate) fn into_hypotheses(mut self) -> Vec<Hypothesis> {
        for text in std::mem::take(&mut self.followed) {
            self.finish(text, Finish::Stopped);
        }
        self.finished.truncate(self.options.n_best);
        self.finished
    }

    /// The `n` likeliest texts that are one token longer, likeliest first; among equals those of a better parent, then
    /// those of a lower id.
    fn best_candidates(&self, rows: &[&[f32]], n: usize) -> Result<Vec<Candidate>, NonFinite> {
        let mut best: Vec<Candidate> = Vec::with_capacity(4 * n);
        let mut threshold = f64::NEG_INFINITY;
        for (parent, (text, logits)) in self.followed.iter().zip(rows).enumerate() {
            let log_total = log_total(logits)?;
            for (id, &logit) in logits.iter().enumerate() {
                let log_prob = f64::from(logit) - log_total;
                let sum = text.sum + log_prob;
                if sum > threshold {
                    let id = id as TokenId;
                    best.push(Candidate {
                        parent,
                        id,
                        log_prob,
                        sum,
                    });
                    if best.len() == 4 * n {
                        keep_best(&mut best, n);
                        threshold = best[n - 1].sum;
                    }
                }
            }
        }
        keep_best(&mut best, n);
        Ok(best)
    }
}

impl Text {
    fn longer(&self, candidate: Candidate) -> Self {
        let mut text = self.clone();
        text.ids.push(candidate.id);
        text.log_probs.push(candidate.log_prob as f32);
        text.sum = candidate.sum;
        text
    }
}

/// Sorts stably, so that of equals those that were found first stay.
fn keep_best(candidates: &mut Vec<Candidate>, n: usize) {
    candidates.sort_by(|a, b| b.sum.total_cmp(&a.sum));
    candidates.truncate(n);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beams(width: usize, n_new: usize) -> Beams {
        let limit = Limit {
            n_new,
            finish: Finish::Length,
        };
        let options = BeamSearch {
            n_best: width,
            ..BeamSearch::new(width)
        };
        Beams::new(&options, &[0], limit)
    }

    fn ids(next: &[Next]) -> Vec<(usize, TokenId)> {
        next.iter().map(|next| (next.parent, next.id)).collect()
    }

    #[test]
    fn the_first_step_spreads_and_later_ones_compete() {
        let mut beams = beams(2, 9);
        let first = [0.1f32, 0.5, 0.4].map(f32::ln);
        assert_eq!(
            ids(&beams.advance(&[&first]).expect("finite")),
            [(0, 1), (0, 2)]
        );
        let flat = [0.02f32, 0.49, 0.49].map(f32::ln);
        let sharp = [0.05f32, 0.05, 0.9].map(f32::ln);
        // 0.5 · 0.49 twice, 0.4 · 0.9 once.
        let next = beams.advance(&[&flat, &sharp]).expect("finite");
        assert_eq!(ids(&next), [(1, 2), (0, 1)]);
        assert!((beams.followed[0].sum - 0.36f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn an_end_behind_the_first_ranks_is_not_kept() {
        let mut beams = beams(1, 9);
        let next = beams
            .advance(&[&[0.4f32, 0.6].map(f32::ln)])
            .expect("finite");
        assert_eq!(ids(&next), [(0, 1)]);
        assert!(beams.finished.is_empty());
        assert!(
            beams
                .advance(&[&[0.6f32, 0.4].map(f32::ln)])
                .expect("finite")
                .is_empty()
        );
        assert_eq!(beams.into_hypotheses()[0].ids, [1, 0]);
    }

    #[test]
    fn many_candidates_are_thinned_without_losing_the_best() {
        let logits: Vec<f32> = (0..1000)
            .map(|i| ((i * 37) % 1000) as f32 / 100.0)
            .collect();
        let found = beams(3, 9).best_candidates(&[&logits], 6).expect("finite");
        let mut expected: Vec<usize> = (0..1000).collect();
        expected.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        assert!(
            found
                .iter()
                .map(|c| c.id as usize)
                .eq(expected.into_iter().take(6))
        );
    }
}
