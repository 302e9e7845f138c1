//! A text that grows by one decided token after the other: greedy decoding and sampling.

use crate::logits::{Refusal, argmax, log_total};
use crate::options::{Finish, Hypothesis};
use crate::sampling::Sampler;
use crate::stop::StopWatch;
use crate::task::Task;
use hearth_data::TokenId;
use std::borrow::Cow;

/// One prompt's text so far.
#[derive(Debug)]
pub(crate) struct Chain {
    /// None takes the likeliest token.
    sampler: Option<Box<Sampler>>,
    task: Task,
    watch: Option<StopWatch>,
    ids: Vec<TokenId>,
    log_probs: Vec<f32>,
    sum: f64,
    finish: Option<Finish>,
}

impl Chain {
    pub(crate) fn new(sampler: Option<Sampler>, task: Task) -> Self {
        Self {
            sampler: sampler.map(Box::new),
            watch: task.watch(),
            task,
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
    pub(crate) fn advance(&mut self, logits: &[f32]) -> Result<(TokenId, f32), Refusal> {
        let log_total = log_total(logits)?;
        let scores = self.task.ruled(Cow::Borrowed(logits), &self.ids)?;
        let id = match &mut self.sampler {
            Some(sampler) => sampler.draw(&scores),
            None => argmax(&scores) as TokenId,
        };
        let log_prob = f64::from(logits[id as usize]) - log_total;
        self.ids.push(id);
        self.log_probs.push(log_prob as f32);
        self.sum += log_prob;
        self.finish = self.task.end(id, self.ids.len(), self.watch.as_mut());
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
