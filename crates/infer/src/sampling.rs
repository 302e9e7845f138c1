//! The filters between a model's logits and a drawn token.

use crate::logits::log_total;
use crate::options::Sampling;
use hearth_data::TokenId;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The tokens that may be drawn, with weights in proportion to their probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    entries: Vec<(TokenId, f64)>,
    total: f64,
}

impl Distribution {
    fn new(entries: Vec<(TokenId, f64)>) -> Self {
        let total = entries.iter().map(|(_, weight)| weight).sum();
        Self { entries, total }
    }

    /// Each token that may be drawn and its probability, which add up to 1.
    pub fn probabilities(&self) -> impl Iterator<Item = (TokenId, f64)> {
        self.entries
            .iter()
            .map(|&(id, weight)| (id, weight / self.total))
    }

    /// Of one token; 0 if it may not be drawn.
    pub fn probability(&self, id: TokenId) -> f64 {
        let entry = self.entries.iter().find(|entry| entry.0 == id);
        entry.map_or(0.0, |(_, weight)| weight / self.total)
    }

    /// What this gives to tokens beyond what another distribution gives them; all of this where that is nothing.
    pub(crate) fn less(&self, other: &Self) -> Self {
        let taken: HashMap<TokenId, f64> = other.probabilities().collect();
        let rest = self.probabilities().map(|(id, probability)| {
            let taken = taken.get(&id).copied().unwrap_or(0.0);
            (id, (probability - taken).max(0.0))
        });
        let rest = Self::new(rest.collect());
        // Only rounding leads here: a token is refused only where the two differ.
        if rest.total > 0.0 { rest } else { self.clone() }
    }

    /// The token at a point of the cumulative distribution.
    ///
    /// - `uniform`: in `[0, 1)`
    pub fn pick(&self, uniform: f64) -> TokenId {
        let mut left = uniform * self.total;
        for &(id, weight) in &self.entries {
            left -= weight;
            if left < 0.0 {
                return id;
            }
        }
        // Only rounding leads here: the last token that has any weight.
        let possible = self.entries.iter().rev().find(|(_, weight)| *weight > 0.0);
        possible.map_or(0, |&(id, _)| id)
    }
}

impl Sampling {
    /// What temperature and cuts leave of a prediction.
    ///
    /// - `logits`: one for each token of the vocabulary
    /// - returns none if the logits are no distribution: NaN, infinite, or none possible
    pub fn distribution(&self, logits: &[f32]) -> Option<Distribution> {
        log_total(logits).ok()?;
        Some(self.filter(logits))
    }

    fn filter(&self, logits: &[f32]) -> Distribution {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // Subtracted before the division: a tiny temperature must not make infinities of finite logits.
        let weight = |logit: f32| (f64::from(logit - highest) / self.temperature).exp();
        let weight_of = |id: TokenId| weight(logits[id as usize]);
        let kept = match (self.top_k, self.top_p.filter(|&p| p < 1.0)) {
            (None, None) => (0..logits.len() as TokenId).collect(),
            (Some(top_k), None) => likeliest(logits, top_k),
            (Some(top_k), Some(top_p)) => {
                let mut kept = likeliest(logits, top_k);
                let total: f64 = kept.iter().map(|&id| weight_of(id)).sum();
                if let Some(n) = reach(&kept, top_p * total, weight_of) {
                    kept.truncate(n);
                }
                kept
            }
            (None, Some(top_p)) => {
                let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
                let mut kept = likeliest(logits, 64);
                loop {
                    if let Some(n) = reach(&kept, top_p * total, weight_of) {
                        kept.truncate(n);
                        break kept;
                    }
                    if kept.len() == logits.len() {
                        break kept;
                    }
                    // A flat distribution: look at more of it.
                    kept = likeliest(logits, 8 * kept.len());
                }
            }
        };
        let mut entries: Vec<_> = kept.into_iter().map(|id| (id, weight_of(id))).collect();
        if let Some(min_p) = self.min_p {
            // The likeliest weighs 1.
            entries.retain(|(_, weight)| *weight >= min_p);
        }
        match self.typical_p.filter(|&p| p < 1.0) {
            Some(mass) => Distribution::new(typical(entries, mass)),
            None => Distribution::new(entries),
        }
    }
}

/// The tokens whose surprise is nearest to the entropy, until they have `mass` of the probability; with the last of them all
/// that are as near.
fn typical(entries: Vec<(TokenId, f64)>, mass: f64) -> Vec<(TokenId, f64)> {
    let total: f64 = entries.iter().map(|(_, weight)| weight).sum();
    let surprise = |weight: f64| -(weight / total).ln();
    let possible = entries.into_iter().filter(|(_, weight)| *weight > 0.0);
    let mut entries: Vec<_> = possible.collect();
    let entropy: f64 = entries
        .iter()
        .map(|&(_, weight)| weight / total * surprise(weight))
        .sum();
    let distance = |weight: f64| (surprise(weight) - entropy).abs();
    entries.sort_by(|(_, a), (_, b)| distance(*a).total_cmp(&distance(*b)));
    let mut sum = 0.0;
    let reached = entries.iter().find(|(_, weight)| {
        sum += weight;
        sum >= mass * total
    });
    if let Some(farthest) = reached.map(|&(_, weight)| distance(weight)) {
        entries.retain(|(_, weight)| distance(*weight) <= farthest);
    }
    entries
}

/// How many of the first tokens it takes to reach `mass`.
fn reach(ids: &[TokenId], mass: f64, weight: impl Fn(TokenId) -> f64) -> Option<usize> {
    let mut sum = 0.0;
    for (i, &id) in ids.iter().enumerate() {
        sum += weight(id);
        if sum >= mass {
            return Some(i + 1);
        }
    }
    None
}

/// The ids of the `n` highest logits, highest first, the lowest ids first among equals.
fn likeliest(logits: &[f32], n: usize) -> Vec<TokenId> {
    let order = |a: &TokenId, b: &TokenId| -> Ordering {
        let (a_logit, b_logit) = (logits[*a as usize], logits[*b as usize]);
        b_logit
            .partial_cmp(&a_logit)
            .unwrap_or(Ordering::Equal)
            .then(a.cmp(b))
    };
    let mut ids: Vec<TokenId> = (0..logits.len() as TokenId).collect();
    if n < ids.len() {
        ids.select_nth_unstable_by(n, order);
        ids.truncate(n);
    }
    ids.sort_unstable_by(order);
    ids
}

/// Draws the tokens of one text from a random stream of its own.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    stream: ChaCha8Rng,
}

impl Sampler {
    pub(crate) fn new(sampling: &Sampling, prompt: usize) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(sampling.seed);
        stream.set_stream(sampling.first_stream.wrapping_add(prompt as u64));
        Self {
            sampling: sampling.clone(),
            stream,
        }
    }

    /// - `logits`: finite, as [`log_total`] finds
    pub(crate) fn draw(&mut self, logits: &[f32]) -> TokenId {
        let uniform = self.uniform();
        self.distribution(logits).pick(uniform)
    }

    /// - `logits`: finite, as [`log_total`] finds
    pub(crate) fn distribution(&self, logits: &[f32]) -> Distribution {
        self.sampling.filter(logits)
    }

    /// The next number of the stream, in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        unit(&mut self.stream)
    }
}

/// The next number of a stream in `[0, 1)`: its upper 53 bits, whatever the version of a library does.
fn unit(stream: &mut ChaCha8Rng) -> f64 {
    (stream.next_u64() >> 11) as f64 * 2f64.powi(-53)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampling {
        Sampling {
            temperature,
            top_k,
            top_p,
            ..Sampling::new(0)
        }
    }

    fn probabilities(logits: &[f32], sampling: &Sampling) -> Vec<(TokenId, f64)> {
        let distribution = sampling.distribution(logits).expect("finite logits");
        distribution.probabilities().collect()
    }

    /// ln 1 … ln 5, shuffled: probabilities are fifteenths.
    fn fifteenths() -> Vec<f32> {
        [3.0f32, 1.0, 5.0, 2.0, 4.0].map(f32::ln).to_vec()
    }

    fn assert_fifteenths(found: &[(TokenId, f64)], expected: &[(TokenId, f64)], total: f64) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.0, expected.0);
            assert!((found.1 - expected.1 / total).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn each_filter_leaves_what_the_hand_leaves() {
        let logits = fifteenths();
        let found = probabilities(&logits, &sampling(0.5, None, None));
        let squares = [(0, 9.0), (1, 1.0), (2, 25.0), (3, 4.0), (4, 16.0)];
        assert_fifteenths(&found, &squares, 55.0);
        let found = probabilities(&logits, &sampling(1.0, Some(2), None));
        assert_fifteenths(&found, &[(2, 5.0), (4, 4.0)], 9.0);
        // 5/15 + 4/15 falls short of 0.7, with 3/15 it is enough.
        let found = probabilities(&logits, &sampling(1.0, None, Some(0.7)));
        assert_fifteenths(&found, &[(2, 5.0), (4, 4.0), (0, 3.0)], 12.0);
        // After top-k the probabilities are 5/12, 4/12, 3/12: two reach 0.7.
        let found = probabilities(&logits, &sampling(1.0, Some(3), Some(0.7)));
        assert_fifteenths(&found, &[(2, 5.0), (4, 4.0)], 9.0);
        // Temperature comes first: 25/55 + 16/55 reach 0.7.
        let found = probabilities(&logits, &sampling(0.5, None, Some(0.7)));
        assert_fifteenths(&found, &[(2, 25.0), (4, 16.0)], 41.0);
    }

    #[test]
    fn unlikely_and_untypical_tokens_are_cut() {
        let logits = fifteenths();
        let cut = |min_p, typical_p| {
            let sampling = Sampling {
                min_p,
                typical_p,
                ..sampling(1.0, None, None)
            };
            probabilities(&logits, &sampling)
        };
        // The likeliest has 5/15: less than 2.5/15 is cut.
        assert_fifteenths(&cut(Some(0.5), None), &[(0, 3.0), (2, 5.0), (4, 4.0)], 12.0);
        // The entropy is 1.49 nats; the surprises of 1/15 to 5/15 are 2.71, 2.01, 1.61, 1.32, 1.10. Nearest first:
        // 3/15 (0.12 away), 4/15 (0.17), 5/15 (0.39), 2/15 (0.53).
        assert_fifteenths(&cut(None, Some(0.3)), &[(0, 3.0), (4, 4.0)], 7.0);
        assert_fifteenths(&cut(None, Some(0.7)), &[(0, 3.0), (4, 4.0), (2, 5.0)], 12.0);
        let all = [(0, 3.0), (4, 4.0), (2, 5.0), (3, 2.0)];
        assert_fifteenths(&cut(None, Some(0.9)), &all, 14.0);
    }

    #[test]
    fn a_flat_distribution_keeps_enough_tokens_for_top_p() {
        let found = probabilities(&[0.0; 1000], &sampling(1.0, None, Some(0.8995)));
        assert_eq!(found.len(), 900);
        assert!(found.iter().map(|(id, _)| *id).eq(0..900));
    }

    #[test]
    fn equal_logits_are_cut_to_the_lowest_ids() {
        let logits = [0.0, 1.0, -0.0, 1.0, 1.0];
        let ids = |k| -> Vec<_> { probabilities(&logits, &sampling(1.0, Some(k), None)) };
        assert_eq!(ids(1), [(1, 1.0)]);
        assert_eq!(ids(2), [(1, 0.5), (3, 0.5)]);
        assert_eq!(ids(4).last().map(|entry| entry.0), Some(0));
    }

    #[test]
    fn a_tiny_temperature_takes_the_likeliest_and_no_number_is_refused() {
        let cold = sampling(1e-300, None, None);
        let distribution = cold.distribution(&[1.0, 3.0, 2.0]).expect("finite logits");
        assert_eq!(distribution.pick(0.0), 1);
        assert_eq!(distribution.pick(0.999_999), 1);
        assert_eq!(cold.distribution(&[1.0, f32::NAN]), None);
    }

    /// Pearson's statistic of 100,000 draws is below the 99.9 % point of its distribution.
    #[test]
    fn draws_follow_the_filtered_distribution() {
        const N: usize = 100_000;
        let logits: Vec<f32> = (0..40).map(|i| ((i * 7) % 40) as f32 / 10.0).collect();
        let cases = [
            sampling(1.0, None, None),
            sampling(0.7, None, None),
            sampling(1.5, Some(10), None),
            sampling(1.0, None, Some(0.8)),
            sampling(0.9, Some(20), Some(0.9)),
            Sampling {
                min_p: Some(0.1),
                ..sampling(1.0, None, None)
            },
            Sampling {
                typical_p: Some(0.6),
                ..sampling(1.0, None, None)
            },
            Sampling {
                min_p: Some(0.05),
                typical_p: Some(0.8),
                ..sampling(1.2, Some(30), Some(0.95))
            },
        ];
        for (case, sampling) in cases.iter().enumerate() {
            let expected = probabilities(&logits, sampling);
            let mut sampler = Sampler::new(sampling, case);
            let mut counts = vec![0usize; logits.len()];
            for _ in 0..N {
                counts[sampler.draw(&logits) as usize] += 1;
            }
            let drawn: usize = expected.iter().map(|(id, _)| counts[*id as usize]).sum();
            assert_eq!(drawn, N, "a token was drawn that had been cut");
            let statistic: f64 = expected
                .iter()
                .map(|&(id, p)| {
                    (counts[id as usize] as f64 - p * N as f64).powi(2) / (p * N as f64)
                })
                .sum();
            // Wilson and Hilferty's approximation of the chi-square quantile; 3.0902 is the normal one.
            let freedom = (expected.len() - 1) as f64;
            let spread = 2.0 / (9.0 * freedom);
            let limit = freedom * (1.0 - spread + 3.0902 * spread.sqrt()).powi(3);
            assert!(statistic < limit, "case {case}: {statistic} of {limit}");
        }
    }

    #[test]
    fn streams_differ_by_prompt_and_agree_by_seed() {
        let draws = |seed, first_stream, prompt| -> Vec<TokenId> {
            let sampling = Sampling {
                first_stream,
                ..Sampling::new(seed)
            };
            let mut sampler = Sampler::new(&sampling, prompt);
            (0..20).map(|_| sampler.draw(&[0.0; 100])).collect()
        };
        assert_eq!(draws(1, 0, 3), draws(1, 2, 1));
        assert_ne!(draws(1, 0, 3), draws(1, 0, 2));
        assert_ne!(draws(1, 0, 3), draws(2, 0, 3));
    }
}
