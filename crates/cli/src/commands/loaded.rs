//! A model directory as commands use it: opened, and asked for what a command needs of it.

use crate::Context;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use burn::tensor::backend::Backend;
use hearth_data::{FilterbankConfig, TokenId, Tokenizer};
use hearth_hub::{Model, ModelDirectory};
use hearth_infer::PairTokens;
use hearth_model::{Gpt, RnnLm, RnnSeq2Seq, SpeechToText, Transformer};
use std::path::{Path, PathBuf};

/// A model and where it came from.
pub(crate) struct Loaded<B: Backend> {
    pub(crate) directory: ModelDirectory<B>,
    path: PathBuf,
}

/// The kinds of model that write text.
pub(crate) enum Writer<'a, B: Backend> {
    Gpt(&'a Gpt<B>),
    RnnLm(&'a RnnLm<B>),
    Transformer(&'a Transformer<B>, PairTokens),
    RnnSeq2Seq(&'a RnnSeq2Seq<B>, PairTokens),
}

impl<B: Backend> Loaded<B> {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The model as one that writes text.
    pub(crate) fn writer(&self, command: &'static str) -> Result<Writer<'_, B>, CliError> {
        match &self.directory.model {
            Model::Gpt(gpt) => Ok(Writer::Gpt(gpt)),
            Model::RnnLm(rnn) => Ok(Writer::RnnLm(rnn)),
            Model::Transformer(model) => Ok(Writer::Transformer(model, self.source_tokens()?)),
            Model::RnnSeq2Seq(model) => Ok(Writer::RnnSeq2Seq(model, self.source_tokens()?)),
            Model::EncoderDecoder(_) | Model::SpeechToText(_) | Model::Bert(_) | Model::Vit(_) => {
                Err(self.wrong_model(command, "a model that writes behind tokens"))
            }
        }
    }

    /// The model as one that reads speech, and the token that its texts begin behind.
    pub(crate) fn speech(
        &self,
        command: &'static str,
    ) -> Result<(&SpeechToText<B>, TokenId), CliError> {
        let Model::SpeechToText(model) = &self.directory.model else {
            return Err(self.wrong_model(command, "a model that reads speech"));
        };
        let special = &self.directory.special;
        let start = special.decoder_start.or(special.bos);
        let start = start.ok_or_else(|| CliError::NoToken {
            path: self.path.clone(),
            token: "decoder_start_token_id",
            what: "a text begins behind it",
        })?;
        Ok((model, start))
    }

    /// How the model wants its sound.
    pub(crate) fn features(&self, n_mels: usize) -> FilterbankConfig {
        let default = || FilterbankConfig::with_mels(n_mels);
        self.directory.features.clone().unwrap_or_else(default)
    }

    /// The tokenizer, without which `what` cannot be done.
    pub(crate) fn tokenizer(&self, what: &'static str) -> Result<&Tokenizer, CliError> {
        self.directory
            .tokenizer
            .as_ref()
            .ok_or_else(|| CliError::NoTokenizer {
                path: self.path.clone(),
                what,
            })
    }

    /// The tokenizer of what is written, without which `what` cannot be done.
    pub(crate) fn target_tokenizer(&self, what: &'static str) -> Result<&Tokenizer, CliError> {
        match &self.directory.target_tokenizer {
            Some(tokenizer) => Ok(tokenizer),
            None => self.tokenizer(what),
        }
    }

    /// The tokenizer of what is written, if there is one.
    pub(crate) fn writes(&self) -> Option<&Tokenizer> {
        let directory = &self.directory;
        directory
            .target_tokenizer
            .as_ref()
            .or(directory.tokenizer.as_ref())
    }

    /// The tokens that end a text, unless they are to be ignored.
    pub(crate) fn end_tokens(&self, ignore: bool) -> Vec<TokenId> {
        if ignore {
            Vec::new()
        } else {
            self.directory.special.eos.clone()
        }
    }

    fn source_tokens(&self) -> Result<PairTokens, CliError> {
        let special = &self.directory.special;
        let need = |token: Option<TokenId>, name: &'static str| {
            token.ok_or_else(|| CliError::NoToken {
                path: self.path.clone(),
                token: name,
                what: "an encoder-decoder needs it",
            })
        };
        Ok(PairTokens {
            start: need(
                special.decoder_start.or(special.bos),
                "decoder_start_token_id",
            )?,
            pad: need(special.pad, "pad_token_id")?,
        })
    }

    pub(super) fn wrong_model(&self, command: &'static str, expected: &'static str) -> CliError {
        CliError::WrongModel {
            path: self.path.clone(),
            found: self.directory.config.architecture(),
            command,
            expected,
        }
    }
}

/// The model at `path`, for inference.
pub(crate) fn open<P: Platform>(
    path: &Path,
    context: &Context<P>,
) -> Result<Loaded<Inference<P>>, CliError> {
    let directory = ModelDirectory::load(path, &context.device)?;
    let (architecture, dialect) = (directory.config.architecture(), directory.dialect.name());
    let described = format!("{}: {architecture}, written as {dialect}", path.display());
    context.console.detail(described);
    Ok(Loaded {
        directory,
        path: path.to_owned(),
    })
}
