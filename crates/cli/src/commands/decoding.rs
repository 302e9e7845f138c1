//! From the command line to what the decoder is asked for.

use super::loaded::Loaded;
use crate::arguments::{Decoding, RuleOptions, Search, Writing};
use crate::error::CliError;
use burn::tensor::backend::Backend;
use hearth_data::{TokenId, Tokenizer};
use hearth_infer::{BeamSearch, DecodeOptions, Rules, Sampling, StopStrings, Strategy};

/// How the next token is chosen.
///
/// - `samples`: how many texts are asked for behind each prompt
pub(super) fn strategy(
    options: &Decoding,
    seed: Option<u64>,
    samples: usize,
) -> Result<Strategy, CliError> {
    if options.greedy {
        return Ok(Strategy::Greedy);
    }
    if let Some(width) = options.beam {
        return beam(width, samples, "--samples", &options.search).map(Strategy::Beam);
    }
    Ok(Strategy::Sample(Sampling {
        temperature: options.temperature.unwrap_or(1.0),
        top_k: options.top_k,
        top_p: options.top_p,
        min_p: options.min_p,
        typical_p: options.typical_p,
        ..Sampling::new(seed.unwrap_or(0))
    }))
}

/// How texts are written behind what is read.
///
/// - `n_best`: how many texts are asked for
/// - `most`: new tokens at most, where the options do not say
pub(super) fn writing<B: Backend>(
    options: &Writing,
    n_best: usize,
    most: usize,
    loaded: &Loaded<B>,
) -> Result<DecodeOptions, CliError> {
    let (rules, stop) = rules(&options.rules, loaded)?;
    Ok(DecodeOptions {
        rules,
        eos: loaded.end_tokens(false),
        stop,
        ..DecodeOptions::new(
            search(options.beam, n_best, &options.search)?,
            options.max_new_tokens.unwrap_or(most),
        )
    })
}

/// What is written, up to a stop string.
pub(super) fn written(
    ids: &[TokenId],
    tokenizer: &Tokenizer,
    options: &DecodeOptions,
) -> Result<String, CliError> {
    let text = tokenizer.decode(ids)?;
    let shown = options.stop.as_ref().map(|stop| stop.cut(&text).to_owned());
    Ok(shown.unwrap_or(text))
}

/// A beam search that gives several texts; of a single beam greedy decoding, where one text is asked for.
fn search(width: usize, n_best: usize, options: &Search) -> Result<Strategy, CliError> {
    let beam = beam(width, n_best, "--n-best", options)?;
    Ok(match width {
        1 => Strategy::Greedy,
        _ => Strategy::Beam(beam),
    })
}

fn beam(
    width: usize,
    n_best: usize,
    option: &'static str,
    options: &Search,
) -> Result<BeamSearch, CliError> {
    if n_best > width {
        return Err(CliError::Usage(format!(
            "{option} is {n_best}, expected at most {width} from --beam {width}"
        )));
    }
    let n_groups = options.beam_groups;
    if !width.is_multiple_of(n_groups) {
        return Err(CliError::Usage(format!(
            "--beam-groups is {n_groups}, expected a number that divides --beam {width}"
        )));
    }
    Ok(BeamSearch {
        length_penalty: options.length_penalty,
        early_stopping: options.early_stopping.into(),
        n_groups,
        diversity_penalty: options.diversity_penalty,
        n_best,
        ..BeamSearch::new(width)
    })
}

/// What may be written, and where it ends.
pub(super) fn rules<B: Backend>(
    options: &RuleOptions,
    loaded: &Loaded<B>,
) -> Result<(Rules, Option<StopStrings>), CliError> {
    let needs_text =
        options.prefix.is_some() || !options.bad_word.is_empty() || !options.stop.is_empty();
    let tokenizer = match needs_text {
        true => Some(loaded.target_tokenizer("--prefix, --bad-word and --stop are text")?),
        false => None,
    };
    let encode = |tokenizer: Option<&Tokenizer>, text: &str| match tokenizer {
        Some(tokenizer) => tokenizer.encode_plain(text),
        None => Ok(Vec::new()),
    };
    let mut bad_words = Vec::new();
    for word in &options.bad_word {
        // A word is other tokens at the beginning of a text than behind a space.
        for text in [word.trim().to_owned(), format!(" {}", word.trim())] {
            // A tokenizer that drops the space has said it already; one that has no space cannot write it.
            let Ok(ids) = encode(tokenizer, &text) else {
                continue;
            };
            if !ids.is_empty() && !bad_words.contains(&ids) {
                bad_words.push(ids);
            }
        }
    }
    let rules = Rules {
        repetition_penalty: options.repetition_penalty,
        frequency_penalty: options.frequency_penalty,
        presence_penalty: options.presence_penalty,
        no_repeat_ngram: options.no_repeat_ngram,
        bad_words,
        min_new_tokens: options.min_new_tokens,
        prefix: encode(tokenizer, options.prefix.as_deref().unwrap_or_default())?,
    };
    let stop = tokenizer.and_then(|tokenizer| StopStrings::new(tokenizer, &options.stop));
    Ok((rules, stop))
}
