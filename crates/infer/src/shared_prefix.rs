//! A prefix that many prompts share is read once.

use crate::decode::{PromptText, Prompts, decode};
use crate::error::InferError;
use crate::options::{DecodeOptions, Hypothesis, TokenEvent};
use crate::prompts::check;
use burn::tensor::backend::Backend;
use hearth_batch::pad_left;
use hearth_data::TokenId;
use hearth_model::{DecodingState, LanguageModel};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What a model remembers of a text that prompts begin with: instructions, examples, a conversation so far.
///
/// ```
/// use burn_flex::Flex;
/// use hearth_infer::{DecodeOptions, SharedPrefix, Strategy, generate};
/// use hearth_model::GptConfig;
/// use std::ops::ControlFlow;
///
/// # fn main() -> Result<(), hearth_infer::InferError> {
/// let device = Default::default();
/// let gpt = GptConfig::tiny(65).init::<Flex>(&device);
/// let options = DecodeOptions::new(Strategy::Greedy, 4);
/// let go_on = &mut |_| ControlFlow::Continue(());
/// let prefix = SharedPrefix::read(&gpt, &[1, 2, 3], &device)?;
/// let texts = prefix.generate(&gpt, &[vec![4], vec![5, 6]], &options, &device, go_on)?;
/// let whole = [vec![1, 2, 3, 4], vec![1, 2, 3, 5, 6]];
/// let expected = generate(&gpt, &whole, &options, &device, go_on)?;
/// assert_eq!(texts[1][0].ids, expected[1][0].ids);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SharedPrefix<S> {
    ids: Vec<TokenId>,
    state: S,
}

impl<S: DecodingState> SharedPrefix<S> {
    /// Reads the prefix.
    pub fn read<B: Backend, M: LanguageModel<B, State = S>>(
        model: &M,
        ids: &[TokenId],
        device: &B::Device,
    ) -> Result<Self, InferError> {
        let mut prefix = Self {
            ids: Vec::new(),
            state: model.start(&[0]),
        };
        prefix.extend(model, ids, device)?;
        Ok(prefix)
    }

    /// Reads more behind it.
    pub fn extend<B: Backend, M: LanguageModel<B, State = S>>(
        &mut self,
        model: &M,
        ids: &[TokenId],
        device: &B::Device,
    ) -> Result<(), InferError> {
        check("prefix", &[ids], model.vocab())?;
        let (found, max_positions) = (self.ids.len() + ids.len(), model.max_positions());
        if found >= max_positions {
            return Err(InferError::PromptTooLong {
                prompt: 0,
                found,
                max_positions,
            });
        }
        let (tokens, _) = pad_left(&[ids], 0, device);
        model.decode(tokens, &mut self.state);
        self.ids.extend_from_slice(ids);
        Ok(())
    }

    /// Its tokens.
    pub fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// Continues prompts that begin with it, up to the model's positions. What follows the prefix may differ in length; what
    /// is equally long is one batch.
    ///
    /// - `rests`: what follows the prefix in each prompt, at least one token
    /// - `on_token`: see [`decode`]
    /// - returns the hypotheses of each prompt, best first
    pub fn generate<B: Backend, M: LanguageModel<B, State = S>>(
        &self,
        model: &M,
        rests: &[Vec<TokenId>],
        options: &DecodeOptions,
        device: &B::Device,
        on_token: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<Hypothesis>>, InferError> {
        check("prompt", rests, model.vocab())?;
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, rest) in rests.iter().enumerate() {
            by_length.entry(rest.len()).or_default().push(number);
        }
        let mut written = vec![Vec::new(); rests.len()];
        let mut is_over = false;
        for numbers in by_length.into_values() {
            let rows: Vec<&[TokenId]> = numbers.iter().map(|&n| rests[n].as_slice()).collect();
            let (tokens, n_hidden) = pad_left(&rows, 0, device);
            let mut state = self.state.clone();
            state.reorder(&vec![0; rows.len()]);
            let texts = numbers.iter().enumerate();
            let prompts = Prompts {
                tokens,
                n_hidden,
                texts: texts
                    .map(|(row, &number)| PromptText { row, number })
                    .collect(),
            };
            let mut tell = |event| {
                let flow = on_token(event);
                is_over |= flow.is_break();
                flow
            };
            let texts = decode(model, state, prompts, options, &mut tell)?;
            for (number, texts) in numbers.into_iter().zip(texts) {
                written[number] = texts;
            }
            if is_over {
                break;
            }
        }
        Ok(written)
    }
}
