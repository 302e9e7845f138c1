//! Speculative decoding: a small model drafts, a large one checks many tokens in one pass.
//!
//! Leviathan et al. 2023 <https://arxiv.org/abs/2211.17192>. What is written has the distribution of the large model alone;
//! greedily, it is the same text.

use crate::decode::limit;
use crate::error::{InferError, option};
use crate::logits::{Logits, Refusal, argmax, log_total};
use crate::options::{DecodeOptions, Finish, Hypothesis, Strategy, TokenEvent};
use crate::prompts::check;
use crate::sampling::{Distribution, Sampler};
use crate::task::Task;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend, s};
use hearth_data::TokenId;
use hearth_model::LanguageModel;
use std::borrow::Cow;
use std::ops::{AddAssign, ControlFlow};

/// How well the draft did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// Tokens that were drafted and looked at.
    pub n_drafted: usize,
    /// Tokens of those that stand in the text.
    pub n_accepted: usize,
    /// Passes of the large model.
    pub n_passes: usize,
}

impl AddAssign for Acceptance {
    fn add_assign(&mut self, other: Self) {
        self.n_drafted += other.n_drafted;
        self.n_accepted += other.n_accepted;
        self.n_passes += other.n_passes;
    }
}

impl Acceptance {
    /// The part of the drafted tokens that were accepted; NaN of none.
    pub fn rate(&self) -> f64 {
        self.n_accepted as f64 / self.n_drafted as f64
    }
}

/// Continues a prompt as `model` alone would, with the help of a smaller model of the same vocabulary. The text ends at
/// the latest where the positions of either model do.
///
/// Both models are fed several tokens at once and sometimes go back, for which their states are copied, not undone: so any
/// model will do for either.
///
/// - `n_draft`: how many tokens are drafted for each pass of `model`
/// - `options`: of any strategy but a beam search
/// - `on_token`: see [`decode`](crate::decode())
pub fn speculate<B: Backend, M: LanguageModel<B>, D: LanguageModel<B>>(
    (model, draft): (&M, &D),
    prompt: &[TokenId],
    n_draft: usize,
    options: &DecodeOptions,
    device: &B::Device,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<(Hypothesis, Acceptance), InferError> {
    options.validate(model.vocab())?;
    option(n_draft > 0, "n_draft", n_draft as f64, "at least 1")?;
    check("prompt", &[prompt], model.vocab())?;
    if draft.vocab() != model.vocab() {
        return Err(InferError::Ensemble {
            index: 1,
            what: "tokens",
            found: draft.vocab(),
            expected: model.vocab(),
        });
    }
    let sampler = match &options.strategy {
        Strategy::Greedy => None,
        Strategy::Sample(sampling) => Some(Sampler::new(sampling, 0)),
        Strategy::Beam(beam) => {
            let (field, expected) = (
                "width",
                "greedy decoding or sampling, not a beam, with a draft",
            );
            return Err(InferError::Option {
                field,
                found: beam.width as f64,
                expected,
            });
        }
    };
    let n_positions = model.max_positions().min(draft.max_positions());
    let limit = limit(n_positions, prompt.len(), 0, options)?;
    let mut text = Text {
        n_prompt: prompt.len(),
        task: Task::new(options, limit, prompt.to_vec()),
        sampler,
        ids: Vec::new(),
        log_probs: Vec::new(),
    };
    let mut watch = text.task.watch();
    let mut large = Reader::new(model, prompt, device);
    let mut small = Reader::new(draft, prompt, device);
    let mut acceptance = Acceptance::default();
    let finish = 'text: loop {
        let n_left = text.task.limit.n_new - text.ids.len();
        let drafted = text.draft(&mut small, n_draft.min(n_left - 1))?;
        let ids: Vec<TokenId> = drafted.iter().map(|(id, _)| *id).collect();
        let logits = large.check(&ids);
        acceptance.n_passes += 1;
        let n_before = text.ids.len();
        for i in 0..=drafted.len() {
            let (id, is_drafted) = text.choose(logits.row(i), drafted.get(i))?;
            acceptance.n_drafted += usize::from(i < drafted.len());
            acceptance.n_accepted += usize::from(is_drafted);
            let log_prob = text.log_probs[text.log_probs.len() - 1];
            let flow = on_token(TokenEvent::Chosen {
                prompt: 0,
                id,
                log_prob,
            });
            if let Some(finish) = text.task.end(id, text.ids.len(), watch.as_mut()) {
                break 'text finish;
            }
            if flow.is_break() {
                break 'text Finish::Stopped;
            }
            if !is_drafted {
                break;
            }
        }
        let new = &text.ids[n_before..];
        large.keep(&ids, new);
        // The draft has not read the last of its own tokens.
        small.keep(&ids[..ids.len().saturating_sub(1)], new);
    };
    let hypothesis = Hypothesis {
        score: text.log_probs.iter().map(|&x| f64::from(x)).sum(),
        ids: text.ids,
        log_probs: text.log_probs,
        finish,
    };
    Ok((hypothesis, acceptance))
}

/// So many tokens may be read again with each draft, before they are read once and for all.
const MAX_PENDING: usize = 8;

/// A model, what it has surely read, and what comes next.
struct Reader<'a, B: Backend, M: LanguageModel<B>> {
    model: &'a M,
    /// Before `pending`.
    state: M::State,
    /// At least one token.
    pending: Vec<TokenId>,
    /// Behind `pending` and what was read on trial.
    trial: Option<M::State>,
    device: &'a B::Device,
}

impl<'a, B: Backend, M: LanguageModel<B>> Reader<'a, B, M> {
    fn new(model: &'a M, prompt: &[TokenId], device: &'a B::Device) -> Self {
        let mut reader = Self {
            model,
            state: model.start(&[0]),
            pending: prompt.to_vec(),
            trial: None,
            device,
        };
        reader.settle();
        reader
    }

    fn tokens(&self, ids: &[TokenId]) -> Tensor<B, 2, Int> {
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let shape = [1, ids.len()];
        Tensor::from_data(TensorData::new(ids, shape), self.device)
    }

    /// Reads all that is pending but the last token.
    fn settle(&mut self) {
        let n = self.pending.len() - 1;
        if n > 0 {
            let tokens = self.tokens(&self.pending[..n]);
            self.model.decode(tokens, &mut self.state);
            self.pending.drain(..n);
        }
    }

    /// Reads what is pending, then tokens on trial.
    ///
    /// - returns the predictions behind what was pending and behind each token
    fn check(&mut self, ids: &[TokenId]) -> Logits {
        let mut state = self.state.clone();
        let tokens = self.tokens(&[&self.pending, ids].concat());
        let hidden = self.model.decode(tokens, &mut state);
        let logits = self
            .model
            .logits(hidden.slice(s![.., self.pending.len() - 1.., ..]));
        self.trial = Some(state);
        let [_, n_rows, vocab] = logits.dims();
        Logits::read(logits.reshape([n_rows, vocab]))
    }

    /// Reads one more token on trial, or what is pending if there is none.
    fn go_on(&mut self, id: Option<TokenId>) -> Logits {
        match (id, self.trial.take()) {
            (Some(id), Some(mut state)) => {
                let logits = self.model.predict(self.tokens(&[id]), &mut state);
                self.trial = Some(state);
                Logits::read(logits)
            }
            _ => self.check(&[]),
        }
    }

    /// What was read on trial was `read`, what is written is `new`: keeps what they have in common.
    fn keep(&mut self, read: &[TokenId], new: &[TokenId]) {
        let trial = self.trial.take();
        match trial {
            Some(state) if new.starts_with(read) && new.len() > read.len() => {
                self.state = state;
                self.pending = new[read.len()..].to_vec();
            }
            _ => {
                self.pending.extend(new);
                if self.pending.len() > MAX_PENDING {
                    self.settle();
                }
            }
        }
    }
}

/// What is written so far.
struct Text {
    n_prompt: usize,
    task: Task,
    sampler: Option<Sampler>,
    ids: Vec<TokenId>,
    log_probs: Vec<f32>,
}

/// A drafted token and, where tokens are drawn, what it was drawn from.
type Drafted = (TokenId, Option<Distribution>);

impl Text {
    fn refuse(&self) -> impl Fn(Refusal) -> InferError + use<> {
        let n_tokens = self.n_prompt + self.ids.len();
        move |refusal| refusal.at(0, n_tokens)
    }

    /// Writes ahead with the small model.
    fn draft<B: Backend, D: LanguageModel<B>>(
        &mut self,
        small: &mut Reader<'_, B, D>,
        n: usize,
    ) -> Result<Vec<Drafted>, InferError> {
        let refuse = self.refuse();
        let mut ids = self.ids.clone();
        let mut drafted = Vec::with_capacity(n);
        for _ in 0..n {
            let last = drafted.last().map(|(id, _): &Drafted| *id);
            let logits = small.go_on(last);
            let logits = logits.row(0);
            log_total(logits).map_err(&refuse)?;
            let scores = self
                .task
                .ruled(Cow::Borrowed(logits), &ids)
                .map_err(&refuse)?;
            let token = match &mut self.sampler {
                None => (argmax(&scores) as TokenId, None),
                Some(sampler) => {
                    let distribution = sampler.distribution(&scores);
                    (distribution.pick(sampler.uniform()), Some(distribution))
                }
            };
            ids.push(token.0);
            drafted.push(token);
        }
        Ok(drafted)
    }

    /// Chooses the next token from the large model's prediction: the drafted one, if it passes.
    ///
    /// - returns it, and whether it is the drafted one
    fn choose(
        &mut self,
        logits: &[f32],
        drafted: Option<&Drafted>,
    ) -> Result<(TokenId, bool), InferError> {
        let refuse = self.refuse();
        let log_total = log_total(logits).map_err(&refuse)?;
        let scores = self
            .task
            .ruled(Cow::Borrowed(logits), &self.ids)
            .map_err(&refuse)?;
        let (id, is_drafted) = match &mut self.sampler {
            None => {
                let id = argmax(&scores) as TokenId;
                (id, drafted.is_some_and(|(drafted, _)| *drafted == id))
            }
            Some(sampler) => {
                let target = sampler.distribution(&scores);
                match drafted {
                    Some((id, Some(draft))) => {
                        let (p, q) = (target.probability(*id), draft.probability(*id));
                        // Drawn with probability q, kept with min(1, p / q); what is lacking is drawn from p - q.
                        if sampler.uniform() * q < p {
                            (*id, true)
                        } else {
                            (target.less(draft).pick(sampler.uniform()), false)
                        }
                    }
                    _ => (target.pick(sampler.uniform()), false),
                }
            }
        };
        self.ids.push(id);
        self.log_probs
            .push((f64::from(logits[id as usize]) - log_total) as f32);
        Ok((id, is_drafted))
    }
}
