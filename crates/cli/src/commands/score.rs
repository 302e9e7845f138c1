//! `score`: how likely a text is.

use super::loaded::{Loaded, Writer, open_all, writer};
use super::translate::{at_line, input_name, read_input};
use crate::Context;
use crate::arguments::Score as Options;
use crate::console::Console;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use crate::progress::Progress;
use hearth_data::{TokenId, Tokenizer};
use hearth_infer::{
    PairTokens, Score, ScoreWindow, TokenScores, TokenSource, score_pairs, score_text_observed,
};
use hearth_model::LanguageModel;
use serde_json::json;
use std::path::Path;

/// Windows or pairs scored at once.
const BATCH: usize = 16;

pub(crate) fn run<P: Platform>(options: &Options, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    let tokenizer = loaded[0].tokenizer("score reads text")?;
    let text = read_input(options.input.as_deref())?;
    match writer(&loaded, &options.models, "score")? {
        Writer::Language(model) => text_score(&model, tokenizer, &text, options, context),
        Writer::Conditional(model, special) => {
            pair_scores((&model, special), &loaded[0], &text, options, context)
        }
    }
}

fn text_score<P: Platform, M: LanguageModel<Inference<P>>>(
    model: &M,
    tokenizer: &Tokenizer,
    text: &str,
    options: &Options,
    context: &Context<P>,
) -> Result<(), CliError> {
    if !options.sharding.shard()?.is_whole() {
        let message = "score --shard needs pairs, which stand by themselves: each token of a text stands behind those before it";
        return Err(CliError::Usage(message.to_owned()));
    }
    let path = input_name(options.input.as_deref());
    let whole = WholeText {
        text,
        path: &path,
        stride: options.stride,
        n_models: options.models.paths.len(),
    };
    let (ids, scores, n_bytes) = whole.score(model, tokenizer, context)?;
    if options.per_token {
        per_token(context.console, tokenizer, &ids[1..], &scores, None)?;
    }
    summary(context.console, scores.total(), n_bytes)
}

/// A text that is scored from its beginning to its end, and by what.
pub(super) struct WholeText<'a> {
    pub(super) text: &'a str,
    /// What errors call it.
    pub(super) path: &'a Path,
    /// Tokens between the starts of two windows; if none is given, half a context.
    pub(super) stride: Option<usize>,
    pub(super) n_models: usize,
}

impl WholeText<'_> {
    /// Its tokens, the scores of all but the first, which is given, and how many bytes those are.
    pub(super) fn score<P: Platform, M: LanguageModel<Inference<P>>>(
        &self,
        model: &M,
        tokenizer: &Tokenizer,
        context: &Context<P>,
    ) -> Result<(Vec<TokenId>, TokenScores, usize), CliError> {
        let ids = tokenizer.encode_plain(self.text)?;
        if ids.len() < 2 {
            return Err(CliError::Input {
                path: self.path.to_owned(),
                found: format!("{} tokens", ids.len()),
                expected: "at least 2: the first is given, the others are predicted",
            });
        }
        let size = model.max_positions();
        let window = ScoreWindow {
            context: size,
            stride: self.stride.unwrap_or(size.div_ceil(2)),
        };
        // An ensemble holds the predictions of a whole window at once.
        let batch = if self.n_models > 1 { 1 } else { BATCH };
        let n_targets = ids.len() as u64 - 1;
        let mut progress = Progress::new(context.console, n_targets);
        let on_batch = &mut |done: usize| {
            progress.update(done as u64, n_targets, || "tokens scored".to_owned());
        };
        let device = &context.device;
        let scores = score_text_observed(model, &ids, window, batch, device, on_batch)?;
        progress.finish();
        let first = tokenizer.decode_with_special(&ids[..1])?;
        let n_bytes = self.text.len().saturating_sub(first.len());
        Ok((ids, scores, n_bytes))
    }
}

fn pair_scores<P: Platform, M: TokenSource<Inference<P>>>(
    (model, special): (&M, PairTokens),
    loaded: &Loaded<Inference<P>>,
    text: &str,
    options: &Options,
    context: &Context<P>,
) -> Result<(), CliError> {
    let source_tokenizer = loaded.tokenizer("score reads text")?;
    let tokenizer = loaded.target_tokenizer("score reads text")?;
    let path = input_name(options.input.as_deref());
    let pairs: Vec<(&str, &str)> = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            line.split_once('\t').ok_or_else(|| CliError::NoTab {
                path: path.clone(),
                line: i + 1,
            })
        })
        .collect::<Result<_, _>>()?;
    if pairs.is_empty() {
        return Err(CliError::Input {
            path,
            found: "no line".to_owned(),
            expected: "lines of a source, a tab and a target",
        });
    }
    let part = options.sharding.shard()?.of(pairs.len(), BATCH);
    let (before, pairs) = (part.start, &pairs[part]);
    let mut progress = Progress::new(context.console, pairs.len() as u64);
    let (mut total, mut n_bytes) = (
        Score {
            nll: 0.0,
            n_tokens: 0,
        },
        0,
    );
    for (i, batch) in pairs.chunks(BATCH).enumerate() {
        let sources: Vec<&str> = batch.iter().map(|pair| pair.0.trim()).collect();
        let targets: Vec<&str> = batch.iter().map(|pair| pair.1.trim()).collect();
        let sources = source_tokenizer.encode_all(&sources)?;
        let ids: Vec<(Vec<TokenId>, Vec<TokenId>)> = sources
            .into_iter()
            .zip(tokenizer.encode_all(&targets)?)
            .collect();
        let scores = score_pairs(model, &ids, special, &context.device).map_err(|error| {
            at_line(error, options.input.as_deref(), |row| {
                before + i * BATCH + row + 1
            })
        })?;
        for (j, (scores, (_, target))) in scores.iter().zip(&ids).enumerate() {
            if options.per_token {
                per_token(
                    context.console,
                    tokenizer,
                    target,
                    scores,
                    Some(before + i * BATCH + j + 1),
                )?;
            }
            total += scores.total();
        }
        n_bytes += targets.iter().map(|target| target.len()).sum::<usize>();
        let done = (i * BATCH + batch.len()) as u64;
        progress.update(done, pairs.len() as u64, || "pairs scored".to_owned());
    }
    progress.finish();
    summary(context.console, total, n_bytes)
}

fn per_token(
    console: Console,
    tokenizer: &Tokenizer,
    ids: &[TokenId],
    scores: &TokenScores,
    line: Option<usize>,
) -> Result<(), CliError> {
    for (&id, &log_prob) in ids.iter().zip(&scores.log_probs) {
        let token = tokenizer.decode_with_special(&[id])?;
        let mut result = json!({ "id": id, "token": token, "log_prob": log_prob });
        if let (Some(line), Some(result)) = (line, result.as_object_mut()) {
            result.insert("line".to_owned(), line.into());
        }
        console.result(&result, format!("{log_prob:9.4}  {token:?}"))?;
    }
    Ok(())
}

fn summary(console: Console, score: Score, n_bytes: usize) -> Result<(), CliError> {
    let (perplexity, bits) = (score.perplexity(), score.bits_per_byte(n_bytes));
    let result = json!({
        "nll": score.nll,
        "n_tokens": score.n_tokens,
        "n_bytes": n_bytes,
        "perplexity": perplexity,
        "bits_per_byte": bits,
    });
    let text = format!(
        "nll {:.2} nats over {} tokens ({:.4} a token)\nperplexity {perplexity:.4}\nbits per byte {bits:.4}",
        score.nll,
        score.n_tokens,
        score.nll / score.n_tokens as f64
    );
    console.result(&result, text)
}
