//! `transcribe`: a recording in, a line of text out, by one model or several.

use super::decoding::{writing, written};
use super::hearer::Hearer;
use super::loaded::open_all;
use crate::Context;
use crate::arguments::Transcribe;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::platform::{Inference, Platform};
use crate::progress::Progress;
use burn::tensor::Tensor;
use hearth_batch::pad_frames;
use hearth_data::{Frames, TokenId, read_wav};
use hearth_infer::{DecodeOptions, Hypothesis, transcribe};
use hearth_model::{Autoregressive, Conditional};
use serde_json::json;
use std::path::Path;

pub(crate) fn run<P: Platform>(options: &Transcribe, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    let ctc_weight = options.hearing.ctc_weight;
    let hearer = Hearer::new(&loaded, &options.models, ctc_weight, "transcribe")?;
    let (model, start) = (hearer.model()?, hearer.start);
    let loaded = &loaded[0];
    let tokenizer = loaded.tokenizer("transcribe writes text")?;
    let features = loaded.features(model.source_size());
    let decode = writing(&options.writing, 1, model.max_positions(), loaded)?;
    let interrupt = Interrupt::catch()?;
    let n_recordings = options.recordings.len();
    let own = &options.recordings[options.sharding.shard()?.of(n_recordings, 1)];
    let mut progress = Progress::new(context.console, own.len() as u64);
    for (number, path) in own.iter().enumerate() {
        let frames = features.frames(read_wav(path)?);
        if frames.n_frames() == 0 {
            return Err(CliError::Input {
                path: path.clone(),
                found: "less sound than a window".to_owned(),
                expected: "at least 25 ms",
            });
        }
        let heard = hear((&model, start), &frames, path, &decode, &interrupt, context)?;
        if interrupt.flow().is_break() {
            break;
        }
        let (ids, score) = heard.map_or((Vec::new(), 0.0), |best| (best.ids, best.score));
        let text = written(&ids, tokenizer, &decode)?;
        let text = text.trim();
        let shown = match n_recordings {
            1 => text.to_owned(),
            _ => format!("{}\t{text}", path.display()),
        };
        let result = json!({ "path": path, "text": text, "ids": ids, "score": score });
        context.console.result(&result, shown)?;
        let done = number as u64 + 1;
        progress.update(done, own.len() as u64, || "recordings".to_owned());
    }
    progress.finish();
    interrupt.check()
}

/// What is said in one recording, alone: padding would be heard.
pub(super) fn hear<P: Platform, M: Conditional<Inference<P>, Source = Tensor<Inference<P>, 3>>>(
    (model, start): (&M, TokenId),
    frames: &Frames,
    path: &Path,
    options: &DecodeOptions,
    interrupt: &Interrupt,
    context: &Context<P>,
) -> Result<Option<Hypothesis>, CliError> {
    let padded = pad_frames(&[frames], &context.device);
    let go_on = &mut |_| interrupt.flow();
    let heard = transcribe(model, padded.frames, None, start, options, go_on);
    let heard = heard.map_err(|error| CliError::Recording {
        path: path.to_owned(),
        error,
    })?;
    Ok(heard.into_iter().flatten().next())
}
