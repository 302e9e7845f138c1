//! The tokenizers of a directory: `tokenizer.json`, `target_tokenizer.json` where a target has a vocabulary of its own, or
//! the lists of tokens that a config may hold instead of both.

use std::path::Path;

use hearth_data::{TokenId, Tokenizer};
use serde::Deserialize;

use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::weights;

const TOKENIZER: &str = "tokenizer.json";
const TARGET_TOKENIZER: &str = "target_tokenizer.json";

/// The lists of a `config.json`: of `torch-rnn-seq2seq`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Lists {
    pub(crate) source_vocab: Option<Vec<String>>,
    pub(crate) target_vocab: Option<Vec<String>>,
    source_eos_token_id: Option<TokenId>,
}

/// What turns text to tokens and back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokenizers {
    /// Of the source, and of the target where it has none of its own.
    pub(crate) source: Option<Tokenizer>,
    pub(crate) target: Option<Tokenizer>,
}

impl Tokenizers {
    /// Reads what is there.
    pub(crate) fn read(
        dir: &Path,
        config_path: &Path,
        file: &ConfigFile,
        config: &ModelConfig,
    ) -> Result<Self, HubError> {
        let mut found = Self {
            source: read(&dir.join(TOKENIZER))?,
            target: None,
        };
        if let ModelConfig::RnnSeq2Seq(_) = config {
            found.target = read(&dir.join(TARGET_TOKENIZER))?;
            let lists: Lists = file.fields()?;
            let end = lists.source_eos_token_id;
            let make = |field: &str, list: Option<Vec<String>>, end| {
                let made = list.map(|list| Tokenizer::of_vocabulary(&list, end));
                made.transpose().map_err(|source| HubError::Vocabularies {
                    path: config_path.into(),
                    field: field.into(),
                    source: Box::new(source),
                })
            };
            if found.source.is_none() {
                found.source = make("source_vocab", lists.source_vocab, end)?;
            }
            if found.target.is_none() {
                found.target = make("target_vocab", lists.target_vocab, None)?;
            }
        }
        found.check(dir, config_path, config)?;
        Ok(found)
    }

    /// A tokenizer may have fewer tokens than the model has rows, never more.
    pub(crate) fn check(
        &self,
        dir: &Path,
        config_path: &Path,
        config: &ModelConfig,
    ) -> Result<(), HubError> {
        let both = [
            (TOKENIZER, &self.source, config.source_size()),
            (TARGET_TOKENIZER, &self.target, config.vocab()),
        ];
        for (name, tokenizer, vocab) in both {
            if let (Some(tokenizer), Some(vocab)) = (tokenizer, vocab)
                && tokenizer.vocab() > vocab
            {
                return Err(HubError::Vocabulary {
                    path: dir.join(name),
                    found: tokenizer.vocab(),
                    config_path: config_path.into(),
                    vocab,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<(), HubError> {
        for (name, tokenizer) in [(TOKENIZER, &self.source), (TARGET_TOKENIZER, &self.target)] {
            if let Some(tokenizer) = tokenizer {
                let path = dir.join(name);
                let written = tokenizer.write(&path);
                written.map_err(|source| HubError::Tokenizer { path, source })?;
            }
        }
        Ok(())
    }

    /// Whether both are the same, as far as both are there.
    pub(crate) fn agree(&self, other: &Self) -> Result<bool, HubError> {
        let pairs = [(&self.source, &other.source), (&self.target, &other.target)];
        for pair in pairs {
            if let (Some(first), Some(second)) = pair
                && text(first)? != text(second)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn text(tokenizer: &Tokenizer) -> Result<String, HubError> {
    tokenizer.to_json().map_err(|source| HubError::Tokenizer {
        path: TOKENIZER.into(),
        source,
    })
}

fn read(path: &Path) -> Result<Option<Tokenizer>, HubError> {
    if !weights::exists(path)? {
        return Ok(None);
    }
    // Refuses what is no file, and a link that leads nowhere.
    weights::open(path)?;
    let read = Tokenizer::read(path).map_err(|source| HubError::Tokenizer {
        path: path.into(),
        source,
    });
    read.map(Some)
}
