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
use crate::task::{Limit, Next, Task};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;
use hearth_model::{Autoregressive, DecodingState};
use std::ops::{ControlFlow, Range};

/// The first tokens of each row, which a model is fed at once.
#[derive(Debug, Clone)]
pub struct Prompts<B: Backend> {
    /// `[batch, seq]`
    pub tokens: Tensor<B, 2, Int>,
    /// How many columns of left padding each row has, as the state was told. They take none of a row's positions.
    pub n_hidden: Vec<usize>,
    /// The texts that are to be written.
    pub texts: Vec<PromptText>,
}

/// A text that is to be written behind a row of [`Prompts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptText {
    /// Which row; several texts may share one, which is read once.
    pub row: usize,
    /// What the text is called in events and errors, and which random numbers it gets.
    pub number: usize,
}

impl<B: Backend> Prompts<B> {
    /// Prompts without padding, and a text behind each.
    ///
    /// - `tokens`: `[batch, seq]`
    pub fn new(tokens: Tensor<B, 2, Int>) -> Self {
        let [batch, _] = tokens.dims();
        Self {
            tokens,
            n_hidden: vec![0; batch],
            texts: (0..batch)
                .map(|row| PromptText { row, number: row })
                .collect(),
        }
    }
}

/// Writes behind each prompt. A text does not depend on what else is in the batch, up to the rounding of the backend's
/// products.
///
/// - `state`: what the model remembers before the prompts, with one row a prompt
/// - `on_token`: told of each token as it is chosen; [`ControlFlow::Break`] ends all texts where they stand
/// - returns the hypotheses of each text, best first
///
/// # Panics
/// If `prompts.n_hidden` does not have one number a row, or a text stands behind a row that is not there.
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
    let ids = prompt_ids(&prompts, options);
    let mut open = Vec::with_capacity(prompts.texts.len());
    for (place, &PromptText { row, number }) in prompts.texts.iter().enumerate() {
        let n_hidden = prompts.n_hidden[row];
        if seq <= n_hidden {
            let (what, row) = ("prompt", number);
            return Err(InferError::Empty { what, row });
        }
        let n_prompt = state.n_past() + seq - n_hidden;
        let limit = limit(model.max_positions(), n_prompt, number, options)?;
        let task = Task::new(options, limit, ids.get(row).cloned().unwrap_or_default());
        open.push(Open {
            place,
            number,
            n_prompt,
            rows: row..row + 1,
            search: Search::new(options, task, number),
        });
    }
    let mut texts = vec![Vec::new(); prompts.texts.len()];
    let mut tokens = prompts.tokens;
    while !open.is_empty() {
        let [n_rows, _] = tokens.dims();
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
                texts[text.place] = text.search.into_hypotheses();
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
                texts[text.place] = text.search.into_hypotheses();
            }
            break;
        }
        let n_next = step.ids.len();
        if n_next > 0 && !step.parents.iter().copied().eq(0..n_rows) {
            state.reorder(&step.parents);
        }
        tokens = Tensor::from_data(TensorData::new(step.ids, [n_next, 1]), &device);
    }
    Ok(texts)
}

/// The tokens of each row, where rules ask for them.
fn prompt_ids<B: Backend>(prompts: &Prompts<B>, options: &DecodeOptions) -> Vec<Vec<TokenId>> {
    if options.rules.is_empty() && options.stop.is_none() {
        return Vec::new();
    }
    let [_, seq] = prompts.tokens.dims();
    let ids = prompts.tokens.to_data();
    let ids: Vec<TokenId> = ids.iter::<i64>().map(|id| id as TokenId).collect();
    let rows = ids.chunks(seq).zip(&prompts.n_hidden);
    rows.map(|(ids, &n_hidden)| ids.get(n_hidden..).unwrap_or_default().to_vec())
        .collect()
}

/// What is asked for, or what the model's positions leave room for.
pub(crate) fn limit(
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
    parents: Vec<usize>,
    ids: Vec<i64>,
}

/// A prompt whose text has not ended.
#[derive(Debug)]
struct Open {
    /// Among the texts.
    place: usize,
    number: usize,
    n_prompt: usize,
    /// Of the batch.
    rows: Range<usize>,
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
        let (prompt, first_row) = (self.number, self.rows.start);
        let n_tokens = self.n_prompt + self.search.n_tokens();
        let next = match &mut self.search {
            Search::Chain(chain) => {
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
                let rows: Vec<&[f32]> = self.rows.clone().map(|row| logits.row(row)).collect();
                beams
                    .advance(&rows)
                    .map_err(|error| error.at(prompt, n_tokens))?
            }
        };
        self.rows = step.ids.len()..step.ids.len() + next.len();
        step.parents
            .extend(next.iter().map(|next| first_row + next.parent));
        step.ids.extend(next.iter().map(|next| i64::from(next.id)));
        Ok(!next.is_empty())
    }
}

impl Search {
    fn new(options: &DecodeOptions, task: Task, number: usize) -> Self {
        match &options.strategy {
            Strategy::Greedy => Self::Chain(Chain::new(None, task)),
            Strategy::Sample(sampling) => {
                let sampler = Sampler::new(sampling, number);
                Self::Chain(Chain::new(Some(sampler), task))
            }
            Strategy::Beam(beam) => Self::Beams(Beams::new(beam, task)),
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
