//! Beam search: the likeliest texts among those that a bounded number of followed texts leads to.
//!
//! The rules are Hugging Face's, so that the same model gives the same texts and scores: the best `2 · width` continuations
//! of a step are ranked; those of the first `width` ranks that end are finished texts, and the best `width` that do not end
//! are followed further. When a search is over is a matter of [`EarlyStopping`].

use crate::logits::{Refusal, log_total};
use crate::options::{BeamSearch, EarlyStopping, Finish, Hypothesis};
use crate::stop::StopWatch;
use crate::task::{Next, Task};
use hearth_data::TokenId;
use std::borrow::Cow;

/// One prompt's search: one group of beams or several, which search one after the other.
#[derive(Debug)]
pub(crate) struct Beams {
    options: BeamSearch,
    task: Task,
    groups: Vec<Group>,
    n_tokens: usize,
}

/// Beams that compete with one another.
#[derive(Debug)]
struct Group {
    width: usize,
    /// Best first.
    followed: Vec<Text>,
    /// Best first, at most `width`.
    finished: Vec<Hypothesis>,
}

/// A text that has not ended.
#[derive(Debug, Clone)]
struct Text {
    /// Which of the prompt's rows it stands in.
    row: usize,
    ids: Vec<TokenId>,
    log_probs: Vec<f32>,
    /// Of what the rules made of the log-probabilities.
    sum: f64,
    watch: Option<StopWatch>,
}

/// A text that is one token longer than a followed one.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    parent: usize,
    id: TokenId,
    /// The model's.
    log_prob: f32,
    sum: f64,
    /// What it is ranked by.
    rank: f64,
}

impl Beams {
    /// Follows one text: the prompt with nothing behind it.
    pub(crate) fn new(options: &BeamSearch, task: Task) -> Self {
        let empty = Text {
            row: 0,
            ids: Vec::new(),
            log_probs: Vec::new(),
            sum: 0.0,
            watch: task.watch(),
        };
        let group = |_| Group {
            width: options.width / options.n_groups,
            followed: vec![empty.clone()],
            finished: Vec::new(),
        };
        Self {
            groups: (0..options.n_groups).map(group).collect(),
            options: options.clone(),
            task,
            n_tokens: 0,
        }
    }

    pub(crate) fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// Goes one token further.
    ///
    /// - `rows`: the logits of the prompt's rows
    /// - returns the texts that are followed from here on; none when the search is over
    pub(crate) fn advance(&mut self, rows: &[&[f32]]) -> Result<Vec<Next>, Refusal> {
        self.n_tokens += 1;
        let (mut next, mut chosen) = (Vec::new(), Vec::new());
        for group in &mut self.groups {
            group.advance(rows, &mut chosen, &self.options, &self.task)?;
            for text in &mut group.followed {
                let parent = std::mem::replace(&mut text.row, next.len());
                let id = text.ids.last().copied().unwrap_or_default();
                next.push(Next { parent, id });
            }
        }
        Ok(next)
    }

    /// The best texts, best first; those still followed end here, because the caller stopped the search.
    pub(crate) fn into_hypotheses(self) -> Vec<Hypothesis> {
        let mut best = Vec::new();
        for mut group in self.groups {
            for text in std::mem::take(&mut group.followed) {
                group.finish(text, Finish::Stopped, &self.options);
            }
            best.append(&mut group.finished);
        }
        // Stable: of equals those of an earlier group first.
        best.sort_by(|a, b| b.score.total_cmp(&a.score));
        best.truncate(self.options.n_best);
        best
    }
}

impl Group {
    /// - `chosen`: what groups before this one have chosen at this step; what this one chooses is added
    fn advance(
        &mut self,
        rows: &[&[f32]],
        chosen: &mut Vec<TokenId>,
        options: &BeamSearch,
        task: &Task,
    ) -> Result<(), Refusal> {
        if self.followed.is_empty() {
            return Ok(());
        }
        let n_ranks = self.width * (1 + task.eos.len()).max(2);
        let penalty = options.diversity_penalty;
        let barred = if penalty == 0.0 {
            &[]
        } else {
            chosen.as_slice()
        };
        let candidates = self.best_candidates(rows, n_ranks, (barred, penalty), task)?;
        let mut followed = Vec::with_capacity(self.width);
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let mut text = self.followed[candidate.parent].longer(candidate);
            match task.end(candidate.id, text.ids.len(), text.watch.as_mut()) {
                Some(finish) if rank < self.width => self.finish(text, finish, options),
                None if followed.len() < self.width => followed.push(text),
                Some(_) | None => continue,
            }
            chosen.push(candidate.id);
        }
        self.followed = followed;
        if self.is_over(options, task) {
            self.followed.clear();
        }
        Ok(())
    }

    fn is_over(&self, options: &BeamSearch, task: &Task) -> bool {
        let Some(best) = self.followed.first() else {
            return true;
        };
        let Some(worst) = self.finished.get(self.width - 1) else {
            return false;
        };
        let n_tokens = match options.early_stopping {
            EarlyStopping::Yes => return true,
            // With a penalty above 0 a sum that is shared by more tokens is a better score.
            EarlyStopping::Never if options.length_penalty > 0.0 => task.limit.n_new,
            EarlyStopping::Never | EarlyStopping::No => best.ids.len(),
        };
        score(best.sum, n_tokens, options) <= worst.score
    }

    fn finish(&mut self, text: Text, finish: Finish, options: &BeamSearch) {
        let score = score(text.sum, text.ids.len(), options);
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
        self.finished.truncate(self.width);
    }

    /// The `n` best texts that are one token longer, best first; among equals those of a better parent, then those of a
    /// lower id.
    ///
    /// - `chosen`, `penalty`: tokens that other groups have chosen, and what each time costs
    fn best_candidates(
        &self,
        rows: &[&[f32]],
        n: usize,
        (chosen, penalty): (&[TokenId], f64),
        task: &Task,
    ) -> Result<Vec<Candidate>, Refusal> {
        let mut best: Vec<Candidate> = Vec::with_capacity(4 * n);
        let mut threshold = f64::NEG_INFINITY;
        for (parent, text) in self.followed.iter().enumerate() {
            let logits = rows[text.row];
            let log_total = log_total(logits)?;
            let log_prob = |logit: f32| f64::from(logit) - log_total;
            let ruled = match task.has_rules() {
                true => {
                    let scores = logits.iter().map(|&logit| log_prob(logit) as f32);
                    Some(task.ruled(Cow::Owned(scores.collect()), &text.ids)?)
                }
                false => None,
            };
            for (id, &logit) in logits.iter().enumerate() {
                let log_prob = log_prob(logit);
                let sum = text.sum
                    + ruled
                        .as_ref()
                        .map_or(log_prob, |ruled| f64::from(ruled[id]));
                let id = id as TokenId;
                let rank = match chosen {
                    [] => sum,
                    _ => sum - penalty * chosen.iter().filter(|&&other| other == id).count() as f64,
                };
                if rank > threshold {
                    let log_prob = log_prob as f32;
                    best.push(Candidate {
                        parent,
                        id,
                        log_prob,
                        sum,
                        rank,
                    });
                    if best.len() == 4 * n {
                        keep_best(&mut best, n);
                        threshold = best[n - 1].rank;
                    }
                }
            }
        }
        keep_best(&mut best, n);
        Ok(best)
    }
}

/// By which finished texts compete.
fn score(sum: f64, n_tokens: usize, options: &BeamSearch) -> f64 {
    sum / (n_tokens as f64).powf(options.length_penalty)
}

impl Text {
    fn longer(&self, candidate: Candidate) -> Self {
        let mut text = self.clone();
        text.ids.push(candidate.id);
        text.log_probs.push(candidate.log_prob);
        text.sum = candidate.sum;
        text
    }
}

/// Sorts stably, so that of equals those that were found first stay.
fn keep_best(candidates: &mut Vec<Candidate>, n: usize) {
    candidates.sort_by(|a, b| b.rank.total_cmp(&a.rank));
    candidates.truncate(n);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{DecodeOptions, Strategy};
    use crate::task::Limit;

    fn beams(width: usize, n_new: usize) -> Beams {
        let limit = Limit {
            n_new,
            finish: Finish::Length,
        };
        let beam = BeamSearch {
            n_best: width,
            ..BeamSearch::new(width)
        };
        let options = DecodeOptions {
            eos: vec![0],
            ..DecodeOptions::new(Strategy::Beam(beam.clone()), n_new)
        };
        Beams::new(&beam, Task::new(&options, limit, vec![1]))
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
        assert!((beams.groups[0].followed[0].sum - 0.36f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn an_end_behind_the_first_ranks_is_not_kept() {
        let mut beams = beams(1, 9);
        let next = beams
            .advance(&[&[0.4f32, 0.6].map(f32::ln)])
            .expect("finite");
        assert_eq!(ids(&next), [(0, 1)]);
        assert!(beams.groups[0].finished.is_empty());
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
        let beams = beams(3, 9);
        let found = beams.groups[0].best_candidates(&[&logits], 6, (&[], 0.0), &beams.task);
        let found = found.expect("finite");
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
