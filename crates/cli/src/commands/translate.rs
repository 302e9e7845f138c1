//! `translate`: a line in, a line out.

use super::attention::Picture;
use super::decoding::{rules, search};
use super::loaded::{Loaded, Writer, open_all, writer};
use crate::Context;
use crate::arguments::Translate;
use crate::console::Console;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::output::OutputFile;
use crate::platform::{Inference, Platform};
use crate::progress::{Progress, readable};
use burn::tensor::backend::Backend;
use hearth_data::read_text;
use hearth_infer::{DecodeOptions, InferError, PairTokens, TokenSource, translate};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is written at most where a model has no limit of its own.
const MAX_NEW_TOKENS: usize = 1024;

pub(crate) fn run<P: Platform>(options: &Translate, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    match writer(&loaded, &options.models, "translate")? {
        Writer::Conditional(model, special) => lines(&model, special, &loaded, options, context),
        Writer::Language(_) => Err(loaded[0].wrong_model("translate", "an encoder-decoder")),
    }
}

fn lines<P: Platform, M: TokenSource<Inference<P>>>(
    model: &M,
    special: PairTokens,
    models: &[Loaded<Inference<P>>],
    options: &Translate,
    context: &Context<P>,
) -> Result<(), CliError> {
    let loaded = &models[0];
    let tokenizer = loaded.tokenizer("translate reads text")?;
    let target_tokenizer = loaded.target_tokenizer("translate writes text")?;
    let (rules, stop) = rules(&options.rules, loaded)?;
    let decode = DecodeOptions {
        rules,
        eos: loaded.end_tokens(false),
        stop,
        ..DecodeOptions::new(
            search(options.beam, options.n_best, &options.search)?,
            options
                .max_new_tokens
                .unwrap_or(model.max_positions().min(MAX_NEW_TOKENS)),
        )
    };
    let text = read_input(options.input.as_deref())?;
    let lines: Vec<&str> = text.lines().collect();
    let part = options
        .sharding
        .shard()?
        .of(lines.len(), options.batch_size);
    let (before, lines) = (part.start, &lines[part]);
    let picture = picture(options, models, lines, context.console)?;
    let mut drawn = None;
    let mut output = Output::open(options.output.as_deref(), context.console)?;
    let mut progress = Progress::new(context.console, lines.len() as u64);
    let interrupt = Interrupt::catch()?;
    let began = Instant::now();
    let mut done = 0;
    for batch in lines.chunks(options.batch_size) {
        // An empty line stays one: there is nothing to read in it.
        let filled: Vec<usize> = (0..batch.len())
            .filter(|&i| !batch[i].trim().is_empty())
            .collect();
        let sources: Vec<&str> = filled.iter().map(|&i| batch[i].trim()).collect();
        let sources = tokenizer.encode_all(&sources)?;
        let go_on = &mut |_| interrupt.flow();
        let written = translate(model, &sources, special, &decode, &context.device, go_on)
            .map_err(|error| {
                let line_of =
                    |row: usize| before + done + filled.get(row).copied().unwrap_or(row) + 1;
                at_line(error, options.input.as_deref(), line_of)
            })?;
        if interrupt.flow().is_break() {
            break;
        }
        if let (None, Some(source), Some([text, ..])) =
            (&drawn, sources.first(), written.first().map(Vec::as_slice))
        {
            drawn = Some((source.clone(), text.ids.clone()));
        }
        let mut written = written.into_iter();
        for i in 0..batch.len() {
            let texts = filled.contains(&i).then(|| written.next()).flatten();
            let texts = texts.unwrap_or_default();
            if texts.is_empty() {
                output.line(
                    &json!({ "text": "", "ids": [], "score": 0.0, "log_probs": [] }),
                    "",
                )?;
            }
            for text in texts {
                let decoded = target_tokenizer.decode(&text.ids)?;
                let decoded = decode
                    .stop
                    .as_ref()
                    .map_or(&*decoded, |stop| stop.cut(&decoded));
                let result = json!({
                    "text": decoded,
                    "ids": text.ids,
                    "score": text.score,
                    "log_probs": text.log_probs,
                });
                output.line(&result, decoded)?;
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
    output.finish()?;
    if let (Some(picture), Some((source, target))) = (picture, drawn) {
        picture.draw(loaded, (&source, &target), context)?;
    }
    if done < lines.len() {
        context
            .console
            .say(format!("{done} of {} lines are translated", lines.len()));
    }
    interrupt.check()
}

/// The picture of the first sentence, if one was asked for.
fn picture<B: Backend>(
    options: &Translate,
    loaded: &[Loaded<B>],
    lines: &[&str],
    console: Console,
) -> Result<Option<Picture>, CliError> {
    let picture = Picture::open(&options.attention, loaded)?;
    if picture.is_none() {
        return Ok(None);
    }
    if options.attention.attention == options.output {
        return Err(CliError::Usage(
            "--attention and --output name the same file, expected two".to_owned(),
        ));
    }
    let mut filled = (1..).zip(lines).filter(|(_, line)| !line.trim().is_empty());
    let Some((first, _)) = filled.next() else {
        return Err(CliError::Input {
            path: input_name(options.input.as_deref()),
            found: "no line with text".to_owned(),
            expected: "a sentence for --attention to draw",
        });
    };
    if filled.next().is_some() {
        console.say(format!(
            "--attention shows the first sentence: line {first}"
        ));
    }
    Ok(picture)
}

/// The error with the line of the input it is about.
///
/// - `line_of`: the line, from 1, of a row of the batch
pub(crate) fn at_line(
    error: InferError,
    input: Option<&Path>,
    line_of: impl Fn(usize) -> usize,
) -> CliError {
    match error {
        InferError::TooLong { row, .. } | InferError::Empty { row, .. } => CliError::Line {
            path: input_name(input),
            line: line_of(row),
            error,
        },
        error => error.into(),
    }
}

/// What errors call the input.
pub(crate) fn input_name(input: Option<&Path>) -> PathBuf {
    input.map_or_else(|| PathBuf::from("standard input"), Path::to_owned)
}

/// A file, or standard input.
pub(crate) fn read_input(input: Option<&Path>) -> Result<String, CliError> {
    let Some(path) = input else {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(CliError::file("read", "standard input"))?;
        return String::from_utf8(bytes).map_err(|error| CliError::Input {
            path: input_name(None),
            found: format!("an invalid byte at {}", error.utf8_error().valid_up_to()),
            expected: "UTF-8 text",
        });
    };
    Ok(read_text(path)?)
}

/// Where results go: standard output, or a file that appears when it is whole.
struct Output {
    console: Console,
    file: Option<OutputFile>,
}

impl Output {
    fn open(path: Option<&Path>, console: Console) -> Result<Self, CliError> {
        let file = path.map(OutputFile::create).transpose()?;
        Ok(Self { console, file })
    }

    fn line(&mut self, json: &serde_json::Value, text: &str) -> Result<(), CliError> {
        match &mut self.file {
            None => self.console.result(json, text),
            Some(file) if self.console.json => file.write(&format!("{json}\n")),
            Some(file) => file.write(&format!("{text}\n")),
        }
    }

    fn finish(self) -> Result<(), CliError> {
        match self.file {
            Some(file) => file.finish(self.console),
            None => Ok(()),
        }
    }
}
