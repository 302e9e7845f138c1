//! What the search for one text is told.

use crate::logits::Refusal;
use crate::options::{DecodeOptions, Finish};
use crate::rules::Rules;
use crate::stop::{StopStrings, StopWatch};
use hearth_data::TokenId;
use std::borrow::Cow;

/// How long a text may become, and what it is called when it is that long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub n_new: usize,
    pub finish: Finish,
}

/// The text of row `parent` goes on with `id`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    pub parent: usize,
    pub id: TokenId,
}

/// Behind which prompt a text is to be written, how long, and by which rules.
#[derive(Debug)]
pub(crate) struct Task {
    pub eos: Vec<TokenId>,
    pub limit: Limit,
    /// None if there are none.
    rules: Option<Rules>,
    stop: Option<StopStrings>,
    prompt: Vec<TokenId>,
}

impl Task {
    pub(crate) fn new(options: &DecodeOptions, limit: Limit, prompt: Vec<TokenId>) -> Self {
        Self {
            eos: options.eos.clone(),
            limit,
            rules: (!options.rules.is_empty()).then(|| options.rules.clone()),
            stop: options.stop.clone(),
            prompt,
        }
    }

    /// What reads along with a text, where strings may end it.
    pub(crate) fn watch(&self) -> Option<StopWatch> {
        self.stop.as_ref().map(|stop| stop.watch(&self.prompt))
    }

    pub(crate) fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// What the rules leave of scores behind a text: something, or it is refused.
    pub(crate) fn ruled<'a>(
        &self,
        scores: Cow<'a, [f32]>,
        text: &[TokenId],
    ) -> Result<Cow<'a, [f32]>, Refusal> {
        let Some(rules) = &self.rules else {
            return Ok(scores);
        };
        let mut scores = scores.into_owned();
        rules.apply(&mut scores, &self.prompt, text, &self.eos);
        if scores.iter().all(|score| *score == f32::NEG_INFINITY) {
            return Err(Refusal::NothingAllowed);
        }
        Ok(Cow::Owned(scores))
    }

    /// Why a text is over once it has so many tokens, the last of them `id`.
    pub(crate) fn end(
        &self,
        id: TokenId,
        n_tokens: usize,
        watch: Option<&mut StopWatch>,
    ) -> Option<Finish> {
        if self.eos.contains(&id) {
            return Some(Finish::Eos);
        }
        if watch.is_some_and(|watch| watch.push(id)) {
            return Some(Finish::StopString);
        }
        (n_tokens == self.limit.n_new).then_some(self.limit.finish)
    }
}
