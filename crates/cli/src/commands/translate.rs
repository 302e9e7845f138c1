//! `translate`: a line in, a line out.

use super::attention::Picture;
use super::loaded::{Loaded, Writer, open_all, writer};
use super::translator::Translator;
use crate::Context;
use crate::arguments::Translate;
use crate::console::Console;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::output::OutputFile;
use crate::platform::{Inference, Platform};
use burn::tensor::backend::Backend;
use hearth_data::read_text;
use hearth_infer::{InferError, PairTokens, TokenSource};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

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
    let (model, n_best) = ((model, special), options.n_best);
    let translator = Translator::new(model, loaded, &options.writing, n_best, context)?;
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
    let interrupt = Interrupt::catch()?;
    let input = options.input.as_deref();
    let done = translator.each_line(
        lines,
        options.batch_size,
        &interrupt,
        |error, line_of| at_line(error, input, |row| before + line_of(row) + 1),
        |source, texts| {
            if let (None, Some(source), [text, ..]) = (&drawn, source, texts.as_slice()) {
                drawn = Some((source.to_vec(), text.ids.clone()));
            }
            if texts.is_empty() {
                let nothing = json!({ "text": "", "ids": [], "score": 0.0, "log_probs": [] });
                return output.line(&nothing, "");
            }
            for text in texts {
                let written = translator.text(&text.ids)?;
                let result = json!({
                    "text": written,
                    "ids": text.ids,
                    "score": text.score,
                    "log_probs": text.log_probs,
                });
                output.line(&result, &written)?;
            }
            Ok(())
        },
    )?;
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
