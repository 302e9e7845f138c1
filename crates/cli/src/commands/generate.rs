//! `generate`: go on from a prompt.

use super::attention::Picture;
use super::decoding::{rules, strategy};
use super::loaded::{Loaded, Writer, open_all, open_in, writer};
use crate::Context;
use crate::arguments::Generate;
use crate::console::Console;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::platform::{Inference, Platform};
use burn::tensor::backend::Backend;
use hearth_data::{TokenId, read_text};
use hearth_infer::{
    Acceptance, DecodeOptions, Finish, Hypothesis, StopStrings, Strategy, TextStream, TokenEvent,
    generate, speculate, translate,
};
use serde_json::json;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

pub(crate) fn run<P: Platform>(options: &Generate, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    let (first, writer) = (&loaded[0], writer(&loaded, &options.models, "generate")?);
    let prompts = prompts(options, first, matches!(writer, Writer::Language(_)))?;
    let draft = match &options.draft {
        Some(path) => Some(open_in(path, options.models.precision.get(), context)?),
        None => None,
    };
    let (rules, stop) = rules(&options.decoding.rules, first)?;
    let decode = DecodeOptions {
        rules,
        eos: first.end_tokens(options.decoding.ignore_eos),
        stop,
        ..DecodeOptions::new(
            strategy(&options.decoding, context.seed, options.samples)?,
            options.max_new_tokens,
        )
    };
    let is_beam = matches!(decode.strategy, Strategy::Beam(_));
    // A beam search gives its n best; otherwise each sample is a prompt of its own, with its own random numbers.
    let n_copies = if is_beam { 1 } else { options.samples };
    let prompts: Vec<Prompt> = prompts
        .into_iter()
        .flat_map(|prompt| std::iter::repeat_n(prompt, n_copies))
        .collect();
    let n_texts = prompts.len();
    let part = options.sharding.shard()?.of(n_texts, options.batch_size);
    let (before, prompts) = (part.start, &prompts[part]);

    let picture = Picture::open(&options.attention, &loaded)?;
    let interrupt = Interrupt::catch()?;
    let mut live = Live {
        console: context.console,
        stream: match (first.writes(), prompts) {
            (Some(tokenizer), [alone]) if n_texts == 1 && !is_beam && !context.console.json => {
                let stop = decode.stop.as_ref().map_or(&[][..], StopStrings::strings);
                Some(TextStream::new(tokenizer, &alone.behind, stop))
            }
            _ => None,
        },
        unsaid: prompts
            .first()
            .map_or(String::new(), |prompt| prompt.echo.clone()),
        end: decode.eos.clone(),
        trouble: None,
        first: None,
        began: Instant::now(),
    };
    let (mut acceptance, mut drawn) = (Acceptance::default(), None);
    let (mut n_read, mut n_new, mut n_written) = (0, 0, 0);
    for (batch, number) in prompts.chunks(options.batch_size).zip(0..) {
        let rows: Vec<Vec<TokenId>> = batch.iter().map(|prompt| prompt.ids.clone()).collect();
        let decode = from_stream(&decode, before + number * options.batch_size);
        let mut show = |event| live.show(event, &interrupt);
        let written = match (&writer, &draft) {
            (Writer::Language(model), None) => {
                generate(model, &rows, &decode, &context.device, &mut show)?
            }
            (Writer::Language(model), Some(draft)) => {
                first.check_like(draft)?;
                let Writer::Language(small) = draft.writer("generate --draft")? else {
                    return Err(draft.wrong_model("generate --draft", "a language model"));
                };
                let models = (model, &small, options.draft_tokens);
                let (written, found) = speculate_all(models, &rows, &decode, context, &mut show)?;
                acceptance += found;
                written
            }
            (Writer::Conditional(model, special), None) => {
                translate(model, &rows, *special, &decode, &context.device, &mut show)?
            }
            (Writer::Conditional(..), Some(_)) => {
                return Err(first.wrong_model("generate --draft", "a language model"));
            }
        };
        n_read += rows.iter().map(Vec::len).sum::<usize>();
        for (prompt, texts) in batch.iter().zip(&written) {
            for text in texts {
                n_written += 1;
                n_new += text.ids.len();
                drawn.get_or_insert_with(|| (prompt.ids.clone(), text.ids.clone()));
                if live.stream.is_none() && live.trouble.is_none() {
                    report(first, prompt, text, decode.stop.as_ref(), context)?;
                }
            }
        }
        if interrupt.flow().is_break() {
            break;
        }
    }
    let timing = Timing {
        whole: live.began.elapsed(),
        first: live.first,
        n_read,
        n_new,
        n_texts: n_written,
    };
    live.finish()?;
    context.console.say(timing.line());
    if draft.is_some() {
        context.console.say(format!(
            "{} of {} drafted tokens accepted ({:.0} %), {} passes of the large model",
            acceptance.n_accepted,
            acceptance.n_drafted,
            100.0 * acceptance.rate(),
            acceptance.n_passes
        ));
    }
    if let (Some(picture), Some((prompt, text))) = (picture, drawn) {
        if n_written > 1 {
            let note = "--attention shows the first of the texts";
            context.console.say(note);
        }
        picture.draw(first, (&prompt, &text), context)?;
    }
    interrupt.check()
}

/// The same options for texts of which the first has a number of its own: what is drawn for a text depends on it alone.
fn from_stream(options: &DecodeOptions, first: usize) -> DecodeOptions {
    let mut options = options.clone();
    if let Strategy::Sample(sampling) = &mut options.strategy {
        sampling.first_stream += first as u64;
    }
    options
}

/// What to go on from.
#[derive(Debug, Clone)]
struct Prompt {
    ids: Vec<TokenId>,
    /// What is shown in front of the text: a language model goes on with its prompt, an encoder-decoder answers it.
    echo: String,
    /// The tokens that the text stands behind.
    behind: Vec<TokenId>,
}

/// One text behind each prompt, one after the other, with the help of a smaller model.
fn speculate_all<P: Platform, M, D>(
    (model, draft, n_draft): (&M, &D, usize),
    rows: &[Vec<TokenId>],
    options: &DecodeOptions,
    context: &Context<P>,
    show: &mut dyn FnMut(TokenEvent) -> ControlFlow<()>,
) -> Result<(Vec<Vec<Hypothesis>>, Acceptance), CliError>
where
    M: hearth_model::LanguageModel<Inference<P>>,
    D: hearth_model::LanguageModel<Inference<P>>,
{
    let (mut written, mut all) = (Vec::with_capacity(rows.len()), Acceptance::default());
    for (row, number) in rows.iter().zip(0..) {
        let options = from_stream(options, number);
        let models = (model, draft);
        let (text, found) = speculate(models, row, n_draft, &options, &context.device, show)?;
        all += found;
        let is_stopped = text.finish == Finish::Stopped;
        written.push(vec![text]);
        if is_stopped {
            break;
        }
    }
    Ok((written, all))
}

/// A single text is shown as it is written.
struct Live<'a> {
    console: Console,
    stream: Option<TextStream<'a>>,
    /// Said with the first token: until then the request may be refused.
    unsaid: String,
    end: Vec<TokenId>,
    trouble: Option<CliError>,
    began: Instant,
    /// How long the first token took.
    first: Option<Duration>,
}

impl Live<'_> {
    fn show(&mut self, event: TokenEvent, interrupt: &Interrupt) -> ControlFlow<()> {
        self.first.get_or_insert_with(|| self.began.elapsed());
        if let (TokenEvent::Chosen { id, .. }, Some(stream)) = (event, &mut self.stream)
            && !self.end.contains(&id)
        {
            let opening = std::mem::take(&mut self.unsaid);
            let shown = stream
                .push(id)
                .map_err(CliError::from)
                .and_then(|piece| self.console.write(&format!("{opening}{piece}")));
            if let Err(error) = shown {
                self.trouble = Some(error);
                return ControlFlow::Break(());
            }
        }
        interrupt.flow()
    }

    /// Shows what was held back.
    fn finish(self) -> Result<(), CliError> {
        match (self.trouble, self.stream) {
            (Some(error), _) => Err(error),
            (None, Some(stream)) => {
                let rest = stream.finish()?;
                self.console.write(&format!("{}{rest}\n", self.unsaid))
            }
            (None, None) => Ok(()),
        }
    }
}

/// How long reading and writing took.
struct Timing {
    whole: Duration,
    first: Option<Duration>,
    n_read: usize,
    n_new: usize,
    n_texts: usize,
}

impl Timing {
    fn line(&self) -> String {
        let seconds = self.whole.as_secs_f64();
        let rate = |n: usize, seconds: f64| n as f64 / seconds.max(1e-9);
        let first = self.first.unwrap_or(self.whole).as_secs_f64();
        // The first token of each text comes of reading.
        let n_later = self.n_new.saturating_sub(self.n_texts);
        format!(
            "read {} tokens at {:.0} tokens/s, wrote {} at {:.0} tokens/s, in {seconds:.2} s",
            self.n_read,
            rate(self.n_read, first),
            self.n_new,
            rate(n_later, seconds - first),
        )
    }
}

fn report<P: Platform>(
    loaded: &Loaded<Inference<P>>,
    prompt: &Prompt,
    text: &Hypothesis,
    stop: Option<&StopStrings>,
    context: &Context<P>,
) -> Result<(), CliError> {
    let decoded = match loaded.writes() {
        Some(tokenizer) => Some(tokenizer.decode(&text.ids)?),
        None => None,
    };
    let decoded = decoded
        .as_deref()
        .map(|text| stop.map_or(text, |stop| stop.cut(text)));
    let finish = match text.finish {
        Finish::Eos => "eos",
        Finish::StopString => "stop",
        Finish::Length => "length",
        Finish::Context => "context",
        Finish::Stopped => "stopped",
    };
    let result = json!({
        "text": decoded,
        "prompt_ids": prompt.ids,
        "ids": text.ids,
        "score": text.score,
        "log_probs": text.log_probs,
        "finish": finish,
    });
    let shown = match decoded {
        Some(decoded) => format!("{}{decoded}", prompt.echo),
        None => text
            .ids
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    };
    context.console.result(&result, shown)
}

fn prompts<B: Backend>(
    options: &Generate,
    loaded: &Loaded<B>,
    goes_on: bool,
) -> Result<Vec<Prompt>, CliError> {
    if !options.prompt_ids.is_empty() {
        let ids = options.prompt_ids.iter().map(|ids| parse_ids(ids));
        let prompt = |ids: Result<Vec<TokenId>, _>| {
            let ids = ids?;
            let (echo, behind) = (
                String::new(),
                if goes_on { ids.clone() } else { Vec::new() },
            );
            Ok(Prompt { ids, echo, behind })
        };
        return ids.map(prompt).collect();
    }
    let texts = match (&options.prompt_file, &options.prompt_lines) {
        (Some(path), _) => vec![read_text(path)?],
        (None, Some(path)) => read_text(path)?.lines().map(str::to_owned).collect(),
        (None, None) => options.prompt.clone(),
    };
    if texts.is_empty() {
        let message = "generate needs a prompt: --prompt TEXT, --prompt-file FILE, --prompt-lines FILE or --prompt-ids 1,2,3";
        return Err(CliError::Usage(message.to_owned()));
    }
    let tokenizer = loaded.tokenizer("give the prompt as --prompt-ids")?;
    let from_file = options.prompt_file.is_some();
    let prompt = |text: String| {
        Ok(if goes_on {
            let ids = tokenizer.encode_plain(&text)?;
            let behind = ids.clone();
            // A file is not repeated.
            let echo = if from_file { String::new() } else { text };
            Prompt { ids, echo, behind }
        } else {
            let (ids, echo) = (tokenizer.encode(&text)?, String::new());
            let behind = Vec::new();
            Prompt { ids, echo, behind }
        })
    };
    texts.into_iter().map(prompt).collect()
}

fn parse_ids(text: &str) -> Result<Vec<TokenId>, CliError> {
    let parse = |part: &str| {
        part.trim().parse().map_err(|_| {
            CliError::Usage(format!(
                "--prompt-ids: {part:?} is no token id, expected numbers as in 1,2,3"
            ))
        })
    };
    text.split(',').map(parse).collect()
}
