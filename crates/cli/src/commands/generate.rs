//! `generate`: go on from a prompt.

use super::attention::Picture;
use super::loaded::{Loaded, Writer, open};
use crate::Context;
use crate::arguments::{Decoding, Generate};
use crate::error::CliError;
use crate::platform::Platform;
use crate::stream::TextStream;
use hearth_data::{TokenId, read_text};
use hearth_infer::{
    BeamSearch, DecodeOptions, Finish, Hypothesis, Sampling, Strategy, TokenEvent, generate,
    translate,
};
use serde_json::json;
use std::ops::ControlFlow;
use std::time::Instant;

pub(crate) fn run<P: Platform>(options: &Generate, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open(&options.model, context)?;
    let prompts = prompts(options, &loaded)?;
    let decode = DecodeOptions {
        strategy: strategy(&options.decoding, context.seed, options.samples)?,
        max_new_tokens: options.max_new_tokens,
        eos: loaded.end_tokens(options.decoding.ignore_eos),
    };
    let beam = matches!(decode.strategy, Strategy::Beam(_));
    // A beam search gives its n best; otherwise each sample is a prompt of its own, with its own random numbers.
    let n_copies = if beam { 1 } else { options.samples };
    let rows: Vec<Vec<TokenId>> = prompts
        .iter()
        .flat_map(|prompt| std::iter::repeat_n(prompt.clone(), n_copies))
        .collect();

    let picture = Picture::open(&options.attention, &loaded, "generate")?;

    let console = context.console;
    let streams = rows.len() == 1 && !beam && !console.json;
    // A gpt goes on with its prompt, which is shown with the text; an encoder-decoder answers it.
    let (echo, behind) = match loaded.writer("generate")? {
        Writer::Gpt(_) | Writer::RnnLm(_) => {
            (options.prompt.as_deref().unwrap_or_default(), &*rows[0])
        }
        Writer::Transformer(..) | Writer::RnnSeq2Seq(..) => ("", &[][..]),
    };
    let mut live = match loaded.writes() {
        Some(tokenizer) if streams => Some(TextStream::new(tokenizer, behind)),
        _ => None,
    };
    // Said with the first token: until then the request may be refused.
    let mut unsaid = echo;
    let mut trouble = None;
    let end = decode.eos.clone();
    let began = Instant::now();
    let mut show = |event: TokenEvent| {
        let (TokenEvent::Chosen { id, .. }, Some(live)) = (event, live.as_mut()) else {
            return ControlFlow::Continue(());
        };
        if end.contains(&id) {
            return ControlFlow::Continue(());
        }
        let opening = std::mem::take(&mut unsaid);
        match live
            .push(id)
            .map_err(CliError::from)
            .and_then(|piece| console.write(&format!("{opening}{piece}")))
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                trouble = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    let written = match loaded.writer("generate")? {
        Writer::Gpt(gpt) => generate(gpt, &rows, &decode, &context.device, &mut show)?,
        Writer::RnnLm(rnn) => generate(rnn, &rows, &decode, &context.device, &mut show)?,
        Writer::Transformer(model, special) => {
            translate(model, &rows, special, &decode, &context.device, &mut show)?
        }
        Writer::RnnSeq2Seq(model, special) => {
            translate(model, &rows, special, &decode, &context.device, &mut show)?
        }
    };
    if let Some(error) = trouble {
        return Err(error);
    }
    let seconds = began.elapsed().as_secs_f64();
    match live {
        Some(live) => console.write(&format!("{unsaid}{}\n", live.finish()?))?,
        None => {
            for (prompt, texts) in rows.iter().zip(&written) {
                for text in texts {
                    report(&loaded, echo, prompt, text, context)?;
                }
            }
        }
    }
    let n_new: usize = written.iter().flatten().map(|text| text.ids.len()).sum();
    console.say(format!(
        "{n_new} tokens in {seconds:.2} s, {:.0} tokens/s",
        n_new as f64 / seconds.max(1e-9)
    ));
    match (picture, written.first().and_then(|texts| texts.first())) {
        (Some(picture), Some(text)) => {
            if written.iter().flatten().count() > 1 {
                console.say("--attention shows the first of the texts");
            }
            picture.draw(&loaded, "generate", (&rows[0], &text.ids), context)
        }
        _ => Ok(()),
    }
}

fn report<P: Platform>(
    loaded: &Loaded<crate::platform::Inference<P>>,
    echo: &str,
    prompt: &[TokenId],
    text: &Hypothesis,
    context: &Context<P>,
) -> Result<(), CliError> {
    let decoded = match loaded.writes() {
        Some(tokenizer) => Some(tokenizer.decode(&text.ids)?),
        None => None,
    };
    let finish = match text.finish {
        Finish::Eos => "eos",
        Finish::Length => "length",
        Finish::Context => "context",
        Finish::Stopped => "stopped",
    };
    let result = json!({
        "text": decoded,
        "prompt_ids": prompt,
        "ids": text.ids,
        "score": text.score,
        "finish": finish,
    });
    let shown = match decoded {
        Some(decoded) => format!("{echo}{decoded}"),
        None => text
            .ids
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    };
    context.console.result(&result, shown)
}

fn strategy(options: &Decoding, seed: Option<u64>, samples: usize) -> Result<Strategy, CliError> {
    if options.greedy {
        return Ok(Strategy::Greedy);
    }
    if let Some(width) = options.beam {
        if samples > width {
            return Err(CliError::Usage(format!(
                "--samples is {samples}, expected at most {width} from --beam {width}"
            )));
        }
        return Ok(Strategy::Beam(BeamSearch {
            width,
            length_penalty: options.length_penalty,
            n_best: samples,
        }));
    }
    Ok(Strategy::Sample(Sampling {
        temperature: options.temperature.unwrap_or(1.0),
        top_k: options.top_k,
        top_p: options.top_p,
        ..Sampling::new(seed.unwrap_or(0))
    }))
}

fn prompts<B: burn::tensor::backend::Backend>(
    options: &Generate,
    loaded: &Loaded<B>,
) -> Result<Vec<Vec<TokenId>>, CliError> {
    if !options.prompt_ids.is_empty() {
        return options
            .prompt_ids
            .iter()
            .map(|ids| parse_ids(ids))
            .collect();
    }
    let text = match (&options.prompt, &options.prompt_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read_text(path)?,
        (None, None) => {
            let message =
                "generate needs a prompt: --prompt TEXT, --prompt-file FILE or --prompt-ids 1,2,3";
            return Err(CliError::Usage(message.to_owned()));
        }
    };
    let tokenizer = loaded.tokenizer("give the prompt as --prompt-ids")?;
    let ids = match loaded.writer("generate")? {
        Writer::Gpt(_) | Writer::RnnLm(_) => tokenizer.encode_plain(&text)?,
        Writer::Transformer(..) | Writer::RnnSeq2Seq(..) => tokenizer.encode(&text)?,
    };
    Ok(vec![ids])
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
