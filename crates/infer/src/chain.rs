//! A text that grows by one decided token after the other: greedy decoding and sampling.

use crate::decode::Limit;
use crate::logits::{NonFinite, argmax, log_total};
use crate::options::{Finish, Hypothesis};
use crate::sampling::Sampler;
use hearth_data::TokenId;

/// One prompt's text so far.
#[derive(Debug)]
pub(crate) struct Chain {
    /// None takes the likeliest token.
    sampler: Option<Box<Sampler>>,
    eos: Vec<TokenId>,
    limit: Limit,
    ids: Vec<TokenId>,
    log_probs: Vec<f32>,
    sum: f64,
    finish: Option<Finish>,
}

impl Chain {
    pub(crate) fn new(sampler: Option<Sampler>, eos: &[TokenId], limit: Limit) -> Self {
        Self {
            sampler: sampler.map(Box::new),
            eos: eos.to_vec(),
            limit,
            ids: Vec::new(),
            log_probs: Vec::new(),
            sum: 0.0,
            finish: None,
        }
    }

    pub(crate) fn n_tokens(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Chooses the next token.
    ///
    /// - returns it and its log-probability
    pub(crate) fn advance(&mut self, logits: &[f32]) -> Result<(TokenId, f32), NonFinite> {
        let log_total = log_total(logits)?;
        let id = match &mut self.sampler {
            Some(sampler) => sampler.draw(logits),
            None => argmax(logits) as TokenId,
        };
        let log_prob = f64::from(logits[id as usize]) - log_total;
        self.ids.push(id);
        self.log_probs.push(log_prob as f32);
        self.sum += log_prob;
        if self.eos.contains(&id) {
            self.finish = Some(Finish::Eos);
        } else if self.ids.len() == self.limit.n_new {
            self.finish = Some(self.limit.finish);
        }
        Ok((id, log_prob as f32))
    }

    pub(crate) fn into_hypothesis(self) -> Hypothesis {
        Hypothesis {
            ids: self.ids,
            score: self.sum,
            log_probs: self.log_probs,
            finish: self.finish.unwrap_or(Finish::Stopped),
        }
    }
}
