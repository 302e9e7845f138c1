//! `translate`: a line in, a line out.

use super::loaded::open;
use crate::Context;
use crate::arguments::Translate;
use crate::console::Console;
use crate::error::CliError;
use crate::platform::Platform;
use crate::progress::{Progress, readable};
use hearth_data::read_text;
use hearth_infer::{BeamSearch, DecodeOptions, InferError, Strategy, translate};
use hearth_model::Autoregressive;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) fn run<P: Platform>(options: &Translate, context: &Context<P>) -> Result<(), CliError> {
    if options.batch_size == 0 {
        return Err(CliError::Usage(
            "--batch-size is 0, expected at least 1".to_owned(),
        ));
    }
    let loaded = open(&options.model, context)?;
    let (model, special) = loaded.transformer("translate")?;
    let tokenizer = loaded.tokenizer("translate reads text")?;
    let strategy = match options.beam {
        1 => Strategy::Greedy,
        width => Strategy::Beam(BeamSearch {
            length_penalty: options.length_penalty,
            ..BeamSearch::new(width)
        }),
    };
    let decode = DecodeOptions {
        strategy,
        max_new_tokens: options.max_new_tokens.unwrap_or(model.max_positions()),
        eos: loaded.end_tokens(false),
    };
    let text = read_input(options.input.as_deref())?;
    let lines: Vec<&str> = text.lines().collect();
    let mut output = Output::open(options.output.as_deref(), context.console)?;
    let mut progress = Progress::new(context.console, lines.len() as u64);
    let began = Instant::now();
    let mut done = 0;
    for batch in lines.chunks(options.batch_size) {
        // An empty line stays one: there is nothing to read in it.
        let filled: Vec<usize> = (0..batch.len())
            .filter(|&i| !batch[i].trim().is_empty())
            .collect();
        let sources: Vec<&str> = filled.iter().map(|&i| batch[i].trim()).collect();
        let sources = tokenizer.encode_all(&sources)?;
        let go_on = &mut |_| ControlFlow::Continue(());
        let written = translate(model, &sources, special, &decode, &context.device, go_on)
            .map_err(|source| at_line(source, options.input.as_deref(), &filled, done))?;
        let mut written = written.into_iter();
        for i in 0..batch.len() {
            let best = filled.contains(&i).then(|| written.next()).flatten();
            match best.and_then(|texts| texts.into_iter().next()) {
                Some(text) => {
                    let decoded = tokenizer.decode(&text.ids)?;
                    output.line(
                        &json!({ "text": decoded, "ids": text.ids, "score": text.score }),
                        &decoded,
                    )?;
                }
                None => output.line(&json!({ "text": "", "ids": [], "score": 0.0 }), "")?,
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
    output.finish()
}

/// The error with the line of the input it is about.
fn at_line(source: InferError, input: Option<&Path>, filled: &[usize], done: usize) -> CliError {
    match source {
        InferError::TooLong { row, .. } | InferError::Empty { row, .. } => CliError::Line {
            path: input.map_or_else(|| PathBuf::from("standard input"), Path::to_owned),
            line: done + filled.get(row).copied().unwrap_or(row) + 1,
            source,
        },
        source => source.into(),
    }
}

/// A file, or standard input.
pub(crate) fn read_input(input: Option<&Path>) -> Result<String, CliError> {
    match input {
        Some(path) => Ok(read_text(path)?),
        None => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(CliError::file("read", "standard input"))?;
            Ok(text)
        }
    }
}

/// Where results go: standard output, or a file that appears when it is whole.
struct Output {
    console: Console,
    file: Option<(PathBuf, tempfile::NamedTempFile)>,
}

impl Output {
    fn open(path: Option<&Path>, console: Console) -> Result<Self, CliError> {
        let file = match path {
            Some(path) => {
                let folder = path
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
                    .map_err(CliError::file("write", path))?;
                Some((path.to_owned(), file))
            }
            None => None,
        };
        Ok(Self { console, file })
    }

    fn line(&mut self, json: &serde_json::Value, text: &str) -> Result<(), CliError> {
        let Some((path, file)) = &mut self.file else {
            return self.console.result(json, text);
        };
        let line = if self.console.json {
            json.to_string()
        } else {
            text.to_owned()
        };
        writeln!(BufWriter::<&mut File>::new(file.as_file_mut()), "{line}")
            .map_err(CliError::file("write", path.clone()))
    }

    fn finish(self) -> Result<(), CliError> {
        let Some((path, file)) = self.file else {
            return Ok(());
        };
        let error = CliError::file("write", path.clone());
        file.persist(&path).map_err(|failed| error(failed.error))?;
        self.console.say(format!("written to {}", path.display()));
        Ok(())
    }
}
