//! Sentences through a model that translates, a batch at a time.

use super::decoding::{writing, written};
use super::loaded::Loaded;
use crate::Context;
use crate::arguments::Writing;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::platform::{Inference, Platform};
use crate::progress::{Progress, readable};
use hearth_data::{TokenId, Tokenizer};
use hearth_infer::{DecodeOptions, Hypothesis, InferError, PairTokens, TokenSource, translate};
use std::time::{Duration, Instant};

/// What is written at most where a model has no limit of its own.
const MAX_NEW_TOKENS: usize = 1024;

/// A model, its tokenizers, and how it writes.
pub(super) struct Translator<'a, P: Platform, M> {
    model: (&'a M, PairTokens),
    source: &'a Tokenizer,
    target: &'a Tokenizer,
    options: DecodeOptions,
    context: &'a Context<'a, P>,
}

impl<'a, P: Platform, M: TokenSource<Inference<P>>> Translator<'a, P, M> {
    /// - `loaded`: the first of the models, which has the tokenizers
    /// - `n_best`: translations of each sentence
    pub(super) fn new(
        model: (&'a M, PairTokens),
        loaded: &'a Loaded<Inference<P>>,
        options: &Writing,
        n_best: usize,
        context: &'a Context<'a, P>,
    ) -> Result<Self, CliError> {
        let source = loaded.tokenizer("a translator reads text")?;
        let target = loaded.target_tokenizer("a translator writes text")?;
        let most = model.0.max_positions().min(MAX_NEW_TOKENS);
        Ok(Self {
            model,
            source,
            target,
            options: writing(options, n_best, most, loaded)?,
            context,
        })
    }

    /// Each line's tokens and its translations, best first, to `tell` in the order of the lines, until someone stops it. An
    /// empty line has neither: there is nothing to read in it.
    ///
    /// - `at`: an error with what it is about, which stands in the line, from 0, that it is told for a row of a batch
    /// - returns how many lines are done
    pub(super) fn each_line(
        &self,
        lines: &[&str],
        batch_size: usize,
        interrupt: &Interrupt,
        at: impl Fn(InferError, &dyn Fn(usize) -> usize) -> CliError,
        mut tell: impl FnMut(Option<&[TokenId]>, Vec<Hypothesis>) -> Result<(), CliError>,
    ) -> Result<usize, CliError> {
        let (model, special) = self.model;
        let mut progress = Progress::new(self.context.console, lines.len() as u64);
        let (began, mut done) = (Instant::now(), 0);
        for batch in lines.chunks(batch_size) {
            let filled: Vec<usize> = (0..batch.len())
                .filter(|&i| !batch[i].trim().is_empty())
                .collect();
            let sources: Vec<&str> = filled.iter().map(|&i| batch[i].trim()).collect();
            let sources = self.source.encode_all(&sources)?;
            let go_on = &mut |_| interrupt.flow();
            let (options, device) = (&self.options, &self.context.device);
            let texts = translate(model, &sources, special, options, device, go_on);
            let line_of = |row: usize| done + filled.get(row).copied().unwrap_or(row);
            let texts = texts.map_err(|error| at(error, &line_of))?;
            if interrupt.flow().is_break() {
                break;
            }
            let mut read = filled.iter().zip(sources.iter().zip(texts)).peekable();
            for i in 0..batch.len() {
                match read.next_if(|(line, _)| **line == i) {
                    Some((_, (source, texts))) => tell(Some(source), texts)?,
                    None => tell(None, Vec::new())?,
                }
            }
            done += batch.len();
            progress.update(done as u64, lines.len() as u64, || {
                let rate = done as f64 / began.elapsed().as_secs_f64();
                let left = Duration::from_secs_f64((lines.len() - done) as f64 / rate);
                format!("{rate:.1} sentences/s  {} left", readable(left))
            });
        }
        progress.finish();
        Ok(done)
    }

    /// What is written, up to a stop string.
    pub(super) fn text(&self, ids: &[TokenId]) -> Result<String, CliError> {
        written(ids, self.target, &self.options)
    }
}
