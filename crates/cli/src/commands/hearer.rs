//! Models of speech as commands use them: each by its decoder and its encoder's own head, several as one.

use super::loaded::{Loaded, weighed};
use crate::arguments::Models;
use crate::error::CliError;
use burn::tensor::backend::Backend;
use hearth_data::TokenId;
use hearth_hub::Model;
use hearth_infer::{Mixture, SpeechEnsemble};
use hearth_model::{CtcTokens, SpeechWriter};

/// What the encoder's own head counts, where there is one and nobody says.
const USUAL_CTC_WEIGHT: f64 = 0.5;

/// What is to hear.
pub(crate) struct Hearer<'a, B: Backend> {
    /// With their weights.
    writers: Vec<(SpeechWriter<'a, B>, f64)>,
    mixture: Mixture,
    /// What texts begin behind.
    pub(crate) start: TokenId,
}

impl<'a, B: Backend> Hearer<'a, B> {
    /// All models of `loaded`.
    ///
    /// - `ctc_weight`: see [`SpeechWriter`]
    pub(crate) fn new(
        loaded: &'a [Loaded<B>],
        options: &Models,
        ctc_weight: Option<f64>,
        command: &'static str,
    ) -> Result<Self, CliError> {
        let (first, others) = weighed(loaded, options)?;
        let mut writers = vec![(first.speech(ctc_weight, command)?, 1.0)];
        for (other, weight) in others {
            writers.push((other.speech(ctc_weight, command)?, weight));
        }
        Ok(Self {
            writers,
            mixture: options.mixture.into(),
            start: first.speech_start()?,
        })
    }

    /// All of them as one model.
    pub(crate) fn model(&self) -> Result<SpeechEnsemble<'_, B>, CliError> {
        let (first, others) = self.writers.split_first().expect("a model is required");
        let mut all = SpeechEnsemble::of(&first.0);
        for (other, weight) in others {
            all = all.and(other, *weight)?;
        }
        Ok(all.averaging(self.mixture))
    }
}

impl<B: Backend> Loaded<B> {
    /// The token that what a model of speech writes begins behind.
    pub(super) fn speech_start(&self) -> Result<TokenId, CliError> {
        let special = &self.directory.special;
        self.need(
            special.decoder_start.or(special.bos),
            "decoder_start_token_id",
            "a text begins behind it",
        )
    }

    /// The model as one that reads speech.
    fn speech(
        &self,
        ctc_weight: Option<f64>,
        command: &'static str,
    ) -> Result<SpeechWriter<'_, B>, CliError> {
        let Model::SpeechToText(model) = &self.directory.model else {
            return Err(self.wrong_model(command, "a model that reads speech"));
        };
        let weight = match (model.has_ctc(), ctc_weight) {
            (true, weight) => weight.unwrap_or(USUAL_CTC_WEIGHT),
            (false, None | Some(0.0)) => 0.0,
            (false, Some(_)) => {
                return Err(self.wrong_model(
                    "--ctc-weight",
                    "one whose encoder has a head of its own (train.ctc_weight)",
                ));
            }
        };
        if weight == 0.0 {
            return Ok(SpeechWriter::decoder(model));
        }
        let (special, what) = (&self.directory.special, "the encoder's own head needs it");
        let blank = self.need(special.pad, "pad_token_id", what)?;
        let end = self.need(special.eos.first().copied(), "eos_token_id", what)?;
        if blank == end {
            return Err(CliError::Input {
                path: self.path().join("config.json"),
                found: format!("{blank} for both pad_token_id and eos_token_id"),
                expected: "two tokens: to the encoder's own head one says nothing, and one ends a text",
            });
        }
        Ok(SpeechWriter::new(model, weight, CtcTokens { blank, end }))
    }
}
