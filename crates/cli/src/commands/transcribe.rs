//! `transcribe`: a recording in, a line of text out, by one model or several.

use super::decoding::{rules, search};
use super::loaded::{hearer, open_all};
use crate::Context;
use crate::arguments::Transcribe;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::platform::Platform;
use crate::progress::Progress;
use hearth_batch::pad_frames;
use hearth_data::read_wav;
use hearth_infer::{DecodeOptions, transcribe};
use hearth_model::{Autoregressive, Conditional};
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Transcribe, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    let (model, start) = hearer(&loaded, &options.models, "transcribe")?;
    let loaded = &loaded[0];
    let tokenizer = loaded.tokenizer("transcribe writes text")?;
    let features = loaded.features(model.source_size());
    let (rules, stop) = rules(&options.rules, loaded)?;
    let decode = DecodeOptions {
        rules,
        eos: loaded.end_tokens(false),
        stop,
        ..DecodeOptions::new(
            search(options.beam, 1, &options.search)?,
            options.max_new_tokens.unwrap_or(model.max_positions()),
        )
    };
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
        // One at a time: padding would be heard.
        let padded = pad_frames(&[&frames], &context.device);
        let go_on = &mut |_| interrupt.flow();
        let written = transcribe(&model, padded.frames, None, start, &decode, go_on);
        let written = written.map_err(|error| CliError::Recording {
            path: path.clone(),
            error,
        })?;
        if interrupt.flow().is_break() {
            break;
        }
        let best = written.into_iter().flatten().next();
        let (ids, score) = best.map_or((Vec::new(), 0.0), |best| (best.ids, best.score));
        let text = tokenizer.decode(&ids)?;
        let text = decode.stop.as_ref().map_or(&*text, |stop| stop.cut(&text));
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
