//! Writing down recordings with a model that was loaded, and how well that went.

use anyhow::Context;
use hearth::batch::pad_frames;
use hearth::burn::tensor::backend::Backend;
use hearth::data::{ErrorCounts, TokenId, Transcript, Utterance};
use hearth::hub::ModelDirectory;
use hearth::infer::{DecodeOptions, Strategy, transcribe};
use hearth::model::{Autoregressive, CtcTokens, SpeechToText, SpeechWriter};
use std::ops::ControlFlow;

/// A recording: what is said in it, and what was heard.
pub(crate) struct Heard {
    pub(crate) said: String,
    pub(crate) heard: String,
    pub(crate) ids: Vec<TokenId>,
}

/// What the encoder's own head counts beside the decoder.
const CTC_WEIGHT: f64 = 0.5;

/// What is said in one recording, the likeliest token each time.
pub(crate) fn hear<B: Backend>(
    model: &SpeechToText<B>,
    directory: &ModelDirectory<B>,
    utterance: &Utterance,
    device: &B::Device,
) -> anyhow::Result<Heard> {
    let tokenizer = directory.tokenizer.as_ref().context("a tokenizer")?;
    let special = &directory.special;
    let start = special.decoder_start.context("a start token")?;
    let blank = special.pad.context("a blank")?;
    let end = *special.eos.first().context("an end token")?;
    let model = SpeechWriter::new(model, CTC_WEIGHT, CtcTokens { blank, end });
    let options = DecodeOptions {
        eos: special.eos.clone(),
        ..DecodeOptions::new(Strategy::Greedy, model.max_positions())
    };
    let frames = pad_frames(&[&utterance.frames], device).frames;
    let mut go_on = |_| ControlFlow::Continue(());
    let texts = transcribe(&model, frames, None, start, &options, &mut go_on)?;
    let ids = texts.into_iter().flatten().next().context("one text")?.ids;
    Ok(Heard {
        said: utterance.text.clone(),
        heard: tokenizer.decode(&ids)?.trim().to_owned(),
        ids,
    })
}

/// Words that were heard wrong, left out or made up, over all that were said.
pub(crate) fn word_error_rate(transcripts: &[Heard]) -> f64 {
    let counts = transcripts.iter().map(|one| {
        let (reference, hypothesis) = (one.said.as_str(), one.heard.as_str());
        let transcript = Transcript {
            reference,
            hypothesis,
        };
        transcript.words().counts()
    });
    counts.sum::<ErrorCounts>().rate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_that_is_right_in_all_but_a_word_is_wrong_in_that() {
        let of = |said: &str, heard: &str| Heard {
            said: said.to_owned(),
            heard: heard.to_owned(),
            ids: Vec::new(),
        };
        let rate = word_error_rate(&[of("do re mi", "do re mi"), of("so", "la")]);
        assert_eq!(rate, 0.25);
    }
}
