//! The one decoding loop: every architecture, every strategy.
//!
//! A row of the batch is one text; a prompt has one row, or as many as its beam search follows. A step is one call of the
//! model, one copy of its logits to the host, and one choice a row. Rows whose text has ended leave the batch.

use crate::beam::Beams;
use crate::chain::Chain;
use crate::error::InferError;
use crate::logits::Logits;
use crate::options::{DecodeOptions, Finish, Hypothesis, Strategy, TokenEvent};
use crate::sampling::Sampler;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;
use hearth_model::{Autoregressive, DecodingState};
use std::ops::ControlFlow;

/// The first tokens of each row, which a model is fed at once.
#[derive(Debug, Clone)]
pub struct Prompts<B: Backend> {
    /// `[batch, seq]`
    pub tokens: Tensor<B, 2, Int>,
    /// How many columns of left padding each row has, as the state was told. They take none of a row's positions.
    pub n_hidden: Vec<usize>,
}

impl<B: Backend> Prompts<B> {
    /// Prompts without padding.
    ///
    /// - `tokens`: `[batch, seq]`
    pub fn new(tokens: Tensor<B, 2, Int>) -> Self {
        let [batch, _] = tokens.dims();
        Self {
            tokens,
            n_hidden: vec![0; batch],
        }
    }
}

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

/// Writes behind each prompt. A text does not depend on what else is in the batch, up to the rounding of the backend's
/// products.
///
/// - `state`: what the model remembers before the prompts, with one row a prompt
/// - `on_token`: told of each token as it is chosen; [`ControlFlow::Break`] ends all texts where they stand
/// - returns the hypotheses of each prompt, best first
///
/// # Panics
/// If `prompts.n_hidden` does not have one number a row.
pub fn decode<B: Backend, M: Autoregressive<B>>(
    model: &M,
    mut state: M::State,
    prompts: Prompts<B>,
    options: &DecodeOptions,
    on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<Vec<Vec<Hypothesis>>, InferError> {
    options.validate(model.vocab())?;
    let [batch, seq] = prompts.tokens.dims();
    assert_eq!(
        prompts.n_hidden.len(),
        batch,
        "one number of hidden columns a row"
    );
    let device = prompts.tokens.device();
    let mut open = Vec::with_capacity(batch);
    for (prompt, n_hidden) in prompts.n_hidden.iter().enumerate() {
        if seq <= *n_hidden {
            let what = "prompt";
            return Err(InferError::Empty { what, row: prompt });
        }
        let n_prompt = state.n_past() + seq - n_hidden;
        let limit = limit(model.max_positions(), n_prompt, prompt, options)?;
        open.push(Open {
            prompt,
            n_prompt,
            search: Search::new(options, limit, prompt),
        });
    }
    let mut texts = vec![Vec::new(); batch];
    let mut tokens = prompts.tokens;
    while !open.is_empty() {
        let logits = Logits::read(model.predict(tokens, &mut state));
        let mut step = Step::default();
        let mut still_open = Vec::with_capacity(open.len());
        let mut flow = ControlFlow::Continue(());
        for mut text in open {
            // Once the caller breaks, the rest keep what they have.
            let goes_on =
                flow.is_break() || text.advance(&logits, &mut step, &mut flow, on_token)?;
            if goes_on {
                still_open.push(text);
            } else {
                texts[text.prompt] = text.search.into_hypotheses();
            }
        }
        open = still_open;
        if let (Strategy::Beam(_), Some(text)) = (&options.strategy, open.first()) {
            flow = on_token(TokenEvent::Searched {
                n_tokens: text.search.n_tokens(),
                n_open: open.len(),
            });
        }
        if flow.is_break() {
            for text in open {
                texts[text.prompt] = text.search.into_hypotheses();
            }
            break;
        }
        let n_next = step.ids.len();
        if n_next > 0 && !step.keeps_rows() {
            state.reorder(&step.parents);
        }
        tokens = Tensor::from_data(TensorData::new(step.ids, [n_next, 1]), &device);
    }
    Ok(texts)
}

/// What is asked for, or what the model's positions leave room for.
fn limit(
    max_positions: usize,
    n_prompt: usize,
    prompt: usize,
    options: &DecodeOptions,
) -> Result<Limit, InferError> {
    if n_prompt >= max_positions {
        return Err(InferError::PromptTooLong {
            prompt,
            found: n_prompt,
            max_positions,
        });
    }
    let room = max_positions - n_prompt;
    Ok(if options.max_new_tokens <= room {
        Limit {
            n_new: options.max_new_tokens,
            finish: Finish::Length,
        }
    } else {
        Limit {
            n_new: room,
            finish: Finish::Context,
        }
    })
}

/// The rows of the next step.
#[derive(Debug, Default)]
struct Step {
    /// Rows of this step that have been looked at.
    n_rows: usize,
    parents: Vec<usize>,
    ids: Vec<i64>,
}

impl Step {
    /// Whether every row follows itself, so that nothing need be moved.
    fn keeps_rows(&self) -> bool {
        self.parents.len() == self.n_rows
            && self
                .parents
                .iter()
                .enumerate()
                .all(|(row, &parent)| row == parent)
    }
}

/// A prompt whose text has not ended.
#[derive(Debug)]
struct Open {
    prompt: usize,
    n_prompt: usize,
    search: Search,
}

/// How a prompt's rows are chosen.
#[derive(Debug)]
enum Search {
    Chain(Chain),
    Beams(Beams),
}

impl Open {
    /// Chooses what this prompt's rows go on with; whether they do.
    fn advance(
        &mut self,
        logits: &Logits,
        step: &mut Step,
        flow: &mut ControlFlow<()>,
        on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
    ) -> Result<bool, InferError> {
        let (prompt, first_row) = (self.prompt, step.n_rows);
        let n_tokens = self.n_prompt + self.search.n_tokens();
        let next = match &mut self.search {
            Search::Chain(chain) => {
                step.n_rows += 1;
                let (id, log_prob) = chain
                    .advance(logits.row(first_row))
                    .map_err(|error| error.at(prompt, n_tokens))?;
                *flow = on_token(TokenEvent::Chosen {
                    prompt,
                    id,
                    log_prob,
                });
                if chain.is_finished() {
                    Vec::new()
                } else {
                    vec![Next { parent: 0, id }]
                }
            }
            Search::Beams(beams) => {
                step.n_rows += beams.width();
                let rows: Vec<&[f32]> = (first_row..step.n_rows)
                    .map(|row| logits.row(row))
                    .collect();
                beams
                    .advance(&rows)
                    .map_err(|error| error.at(prompt, n_tokens))?
            }
        };
        step.parents
            .extend(next.iter().map(|next| first_row + next.parent));
        step.ids.extend(next.iter().map(|next| i64::from(next.id)));
        Ok(!next.is_empty())
    }
}

impl Search {
    fn new(options: &DecodeOptions, limit: Limit, prompt: usize) -> Self {
        let eos = &options.eos;
        match &options.strategy {
            Strategy::Greedy => Self::Chain(Chain::new(None, eos, limit)),
            Strategy::Sample(sampling) => {
                let sampler = Sampler::new(sampling, prompt);
                Self::Chain(Chain::new(Some(sampler), eos, limit))
            }
            Strategy::Beam(beam) => Self::Beams(Beams::new(beam, eos, limit)),
        }
    }

    fn n_tokens(&self) -> usize {
        match self {
            Self::Chain(chain) => chain.n_tokens(),
            Self::Beams(beams) => beams.n_tokens(),
        }
    }

    fn into_hypotheses(self) -> Vec<Hypothesis> {
        match self {
            Self::Chain(chain) => vec![chain.into_hypothesis()],
            Self::Beams(beams) => beams.into_hypotheses(),
        }
    }
}
