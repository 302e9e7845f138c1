//! A model directory as commands use it: opened, and asked for what a command needs of it.

use crate::Context;
use crate::arguments::Models;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use burn::tensor::backend::Backend;
use hearth_data::{FilterbankConfig, TokenId, Tokenizer};
use hearth_hub::{Model, ModelDirectory};
use hearth_infer::{ConditionalEnsemble, LanguageEnsemble, PairTokens};
use hearth_model::Precision;
use std::path::{Path, PathBuf};

/// A model and where it came from.
pub(crate) struct Loaded<B: Backend> {
    pub(crate) directory: ModelDirectory<B>,
    path: PathBuf,
}

/// Models that write text: one, or several as one.
pub(crate) enum Writer<'a, B: Backend> {
    Language(LanguageEnsemble<'a, B>),
    Conditional(ConditionalEnsemble<'a, B>, PairTokens),
}

/// What is to write: all models of `loaded`, the first of which has the tokenizers and the special tokens.
pub(crate) fn writer<'a, B: Backend>(
    loaded: &'a [Loaded<B>],
    options: &Models,
    command: &'static str,
) -> Result<Writer<'a, B>, CliError> {
    let (first, others) = weighed(loaded, options)?;
    let mut writer = first.writer(command)?;
    for (other, weight) in others {
        writer = match (writer, &other.directory.model) {
            (Writer::Language(all), Model::Gpt(gpt)) => Writer::Language(all.and(gpt, weight)?),
            (Writer::Language(all), Model::RnnLm(rnn)) => Writer::Language(all.and(rnn, weight)?),
            (Writer::Conditional(all, special), Model::Transformer(model)) => {
                Writer::Conditional(all.and(model, weight)?, special)
            }
            (Writer::Conditional(all, special), Model::RnnSeq2Seq(model)) => {
                Writer::Conditional(all.and(model, weight)?, special)
            }
            (Writer::Language(_), _) => {
                return Err(other.wrong_model(command, "a language model, as the first is"));
            }
            (Writer::Conditional(..), _) => {
                return Err(other.wrong_model(command, "an encoder-decoder, as the first is"));
            }
        };
    }
    let mixture = options.mixture.into();
    Ok(match writer {
        Writer::Language(all) => Writer::Language(all.averaging(mixture)),
        Writer::Conditional(all, special) => Writer::Conditional(all.averaging(mixture), special),
    })
}

/// A model, and how much it counts beside 1 of the first.
pub(crate) type Weighed<'a, B> = (&'a Loaded<B>, f64);

/// The first of several models that are to work as one, and the others.
///
/// # Errors
/// The weights are not right, or a model's tokens, classes or measurements mean something else than the first one's.
pub(crate) fn weighed<'a, B: Backend>(
    loaded: &'a [Loaded<B>],
    options: &Models,
) -> Result<(&'a Loaded<B>, Vec<Weighed<'a, B>>), CliError> {
    let (first, others) = loaded.split_first().expect("a model is required");
    let (n, n_weights) = (loaded.len(), options.weights.len());
    if n_weights > 0 && n_weights != n {
        return Err(CliError::Usage(format!(
            "--weights has {n_weights} numbers, expected one for each of the {n} models"
        )));
    }
    let is_wrong = |weight: &f64| !(weight.is_finite() && *weight > 0.0);
    if let Some(weight) = options.weights.iter().copied().find(is_wrong) {
        return Err(CliError::Usage(format!(
            "--weights has {weight}, expected finite numbers above 0"
        )));
    }
    let weight = |i: usize| match options.weights.as_slice() {
        [] => 1.0,
        weights => weights[i] / weights[0],
    };
    let others = others.iter().zip(1..).map(|(other, i)| {
        first.check_like(other)?;
        Ok((other, weight(i)))
    });
    Ok((first, others.collect::<Result<_, CliError>>()?))
}

impl<B: Backend> Loaded<B> {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a model whose tokens, classes or measurements mean something else.
    pub(crate) fn check_like(&self, other: &Self) -> Result<(), CliError> {
        let (ours, theirs) = (&self.directory, &other.directory);
        let alike = |a: &Option<Tokenizer>, b: &Option<Tokenizer>| match (a, b) {
            (Some(a), Some(b)) => {
                a.vocab() == b.vocab()
                    && (0..a.vocab() as TokenId).all(|id| a.token(id) == b.token(id))
            }
            // Then token ids are all there is.
            _ => a.is_none() && b.is_none(),
        };
        // A language model begins with its prompt.
        let start = |directory: &ModelDirectory<B>| match directory.model {
            Model::Transformer(_) | Model::RnnSeq2Seq(_) => {
                let special = &directory.special;
                Some((special.decoder_start.or(special.bos), special.pad))
            }
            _ => None,
        };
        let what = if !alike(&ours.tokenizer, &theirs.tokenizer) {
            "tokenizers"
        } else if !alike(&ours.target_tokenizer, &theirs.target_tokenizer) {
            "tokenizers of what is written"
        } else if ours.special.eos != theirs.special.eos {
            "end tokens"
        } else if start(ours).zip(start(theirs)).is_some_and(|(a, b)| a != b) {
            "start and padding tokens"
        } else if ours.labels != theirs.labels {
            "names of classes"
        } else if ours.features != theirs.features {
            "ways to measure sound"
        } else if ours.pixels != theirs.pixels {
            "ways to measure images"
        } else {
            return Ok(());
        };
        Err(CliError::Unlike {
            path: other.path.clone(),
            first: self.path.clone(),
            what,
        })
    }

    /// The model as one that writes text.
    pub(crate) fn writer(&self, command: &'static str) -> Result<Writer<'_, B>, CliError> {
        match &self.directory.model {
            Model::Gpt(gpt) => Ok(Writer::Language(LanguageEnsemble::of(gpt))),
            Model::RnnLm(rnn) => Ok(Writer::Language(LanguageEnsemble::of(rnn))),
            Model::Transformer(model) => {
                let special = self.source_tokens()?;
                Ok(Writer::Conditional(ConditionalEnsemble::of(model), special))
            }
            Model::RnnSeq2Seq(model) => {
                let special = self.source_tokens()?;
                Ok(Writer::Conditional(ConditionalEnsemble::of(model), special))
            }
            Model::EncoderDecoder(_) | Model::SpeechToText(_) | Model::Bert(_) | Model::Vit(_) => {
                Err(self.wrong_model(command, "a model that writes behind tokens"))
            }
        }
    }

    /// How many numbers the model's parameters are.
    pub(crate) fn n_parameters(&self) -> usize {
        let parameters = self.directory.model.parameters();
        let sizes = parameters.iter().map(|p| p.shape.iter().product::<usize>());
        sizes.sum()
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

    pub(super) fn source_tokens(&self) -> Result<PairTokens, CliError> {
        let (special, what) = (&self.directory.special, "an encoder-decoder needs it");
        let start = special.decoder_start.or(special.bos);
        Ok(PairTokens {
            start: self.need(start, "decoder_start_token_id", what)?,
            pad: self.need(special.pad, "pad_token_id", what)?,
        })
    }

    /// A token of the config, without which `what`.
    pub(super) fn need(
        &self,
        token: Option<TokenId>,
        name: &'static str,
        what: &'static str,
    ) -> Result<TokenId, CliError> {
        token.ok_or_else(|| CliError::NoToken {
            path: self.path.clone(),
            token: name,
            what,
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

/// The model at `path`, for inference that computes its products in some precision.
pub(crate) fn open_in<P: Platform>(
    path: &Path,
    precision: Precision,
    context: &Context<P>,
) -> Result<Loaded<Inference<P>>, CliError> {
    if !precision.is_supported::<Inference<P>>(&context.device) {
        return Err(CliError::NoPrecision {
            found: precision.name(),
            backend: P::NAME,
            device: context.device_name.clone(),
        });
    }
    let Loaded {
        mut directory,
        path,
    } = open(path, context)?;
    directory.model = directory.model.in_precision(precision);
    Ok(Loaded { directory, path })
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

/// The models at several paths.
pub(crate) fn open_all<P: Platform>(
    models: &Models,
    context: &Context<P>,
) -> Result<Vec<Loaded<Inference<P>>>, CliError> {
    let precision = models.precision.get();
    let open = |path: &PathBuf| open_in(path, precision, context);
    models.paths.iter().map(open).collect()
}
