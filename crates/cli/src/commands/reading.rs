//! What the commands share that read texts, a line each: `classify`, `fill-mask`, `embed`.

use super::loaded::Loaded;
use super::translate::{at_line, read_input};
use crate::Context;
use crate::arguments::{Batches, Lines};
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use crate::progress::{Progress, readable};
use hearth_data::{TokenId, Tokenizer};
use hearth_hub::Model;
use hearth_infer::InferError;
use hearth_model::Bert;
use std::time::{Duration, Instant};

/// An encoder over tokens, and what makes tokens of text.
pub(super) struct Reader<'a, P: Platform> {
    pub(super) model: &'a Bert<Inference<P>>,
    pub(super) tokenizer: &'a Tokenizer,
    /// What fills a batch up.
    pub(super) pad: TokenId,
    /// How long a text may be.
    pub(super) limit: usize,
}

impl<'a, P: Platform> Reader<'a, P> {
    pub(super) fn new(
        loaded: &'a Loaded<Inference<P>>,
        command: &'static str,
    ) -> Result<Self, CliError> {
        let Model::Bert(model) = &loaded.directory.model else {
            return Err(loaded.wrong_model(command, "an encoder over tokens"));
        };
        Ok(Self {
            model,
            tokenizer: loaded.tokenizer("the model reads text")?,
            pad: loaded.directory.special.pad.unwrap_or(0),
            limit: model.max_positions(),
        })
    }

    /// Every line of the input through `read`, a batch at a time, and its result to `tell`.
    pub(super) fn each_line<T>(
        &self,
        options: &Lines,
        context: &Context<P>,
        read: impl Fn(&[Vec<TokenId>]) -> Result<Vec<T>, InferError>,
        tell: impl FnMut(&[TokenId], T) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let input = options.input.as_deref();
        let text = read_input(input)?;
        let lines: Vec<&str> = text.lines().collect();
        let batches = options.batches;
        let part = options
            .sharding
            .shard()?
            .of(lines.len(), batches.batch_size);
        let (before, lines) = (part.start, &lines[part]);
        let at = |error, row| at_line(error, input, |in_batch| before + row + in_batch + 1);
        self.each_text(lines, batches, context, at, read, tell)
    }

    /// Every text through `read`, a batch at a time, and its result to `tell`.
    ///
    /// - `at`: an error with what it is about, in the batch that begins with the given text, counted from 0
    pub(super) fn each_text<T>(
        &self,
        texts: &[&str],
        batches: Batches,
        context: &Context<P>,
        at: impl Fn(InferError, usize) -> CliError,
        read: impl Fn(&[Vec<TokenId>]) -> Result<Vec<T>, InferError>,
        mut tell: impl FnMut(&[TokenId], T) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut progress = Progress::new(context.console, texts.len() as u64);
        let (began, mut done, mut n_cut) = (Instant::now(), 0, 0);
        for batch in texts.chunks(batches.batch_size) {
            let mut tokens = self.tokenizer.encode_all(batch)?;
            if batches.truncate {
                n_cut += tokens
                    .iter_mut()
                    .map(|ids| cut(ids, self.limit))
                    .sum::<usize>();
            }
            let results = read(&tokens).map_err(|error| at(error, done))?;
            for (ids, result) in tokens.iter().zip(results) {
                tell(ids, result)?;
            }
            done += batch.len();
            progress.update(done as u64, texts.len() as u64, || {
                let rate = done as f64 / began.elapsed().as_secs_f64();
                let left = Duration::from_secs_f64((texts.len() - done) as f64 / rate);
                format!("{rate:.1} texts/s  {} left", readable(left))
            });
        }
        progress.finish();
        if n_cut > 0 {
            let limit = self.limit;
            context
                .console
                .say(format!("texts cut to {limit} tokens: {n_cut}"));
        }
        Ok(())
    }
}

/// Shortens a text but for its last token, which is often one that ends it. How many were cut: none or one.
fn cut(ids: &mut Vec<TokenId>, limit: usize) -> usize {
    if ids.len() <= limit {
        return 0;
    }
    if let Some(last) = ids.pop() {
        ids.truncate(limit.saturating_sub(1));
        ids.push(last);
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_keeps_its_end() {
        let mut ids = vec![101, 1, 2, 3, 102];
        assert_eq!(cut(&mut ids, 5), 0);
        assert_eq!(cut(&mut ids, 3), 1);
        assert_eq!(ids, [101, 1, 102]);
    }
}
