//! A model directory: `config.json`, `model.safetensors`, `tokenizer.json` where the model reads or writes text, and
//! `preprocessor_config.json` where it reads sound.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use burn::tensor::backend::Backend;
use hearth_data::{FilterbankConfig, Tokenizer};

use crate::atomic;
use crate::config::{Model, ModelConfig};
use crate::config_file::ConfigFile;
use crate::dialects::Dialect;
use crate::error::HubError;
use crate::features;
use crate::limits;
use crate::special::SpecialTokens;
use crate::weights::{self, Plan, TensorFile};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";

/// What a model directory holds.
#[derive(Debug, Clone)]
pub struct ModelDirectory<B: Backend> {
    /// What the model is made from.
    pub config: ModelConfig,
    /// The tokens that decoding needs to know.
    pub special: SpecialTokens,
    /// How the directory is written.
    pub dialect: Dialect,
    /// The model, with its weights.
    pub model: Model<B>,
    /// Text to tokens and back; none for models of raw ids or vectors.
    pub tokenizer: Option<Tokenizer>,
    /// How sound becomes frames, where the model reads sound.
    pub features: Option<FilterbankConfig>,
}

impl<B: Backend> ModelDirectory<B> {
    /// Reads a directory.
    ///
    /// Weights in half precision become single. The memory needed is that of the weights, once, and of one tensor.
    ///
    /// # Errors
    /// A file is missing or damaged, the files do not fit each other, or they ask for what hearth does not do.
    pub fn load(dir: &Path, device: &B::Device) -> Result<Self, HubError> {
        let (config_path, weights_path) = (dir.join(CONFIG), dir.join(WEIGHTS));
        let (dialect, config, special) = Dialect::read(&ConfigFile::read(&config_path)?)?;
        limits::check(&config, &config_path)?;
        check(&config, &special, &config_path)?;
        let tokenizer = read_tokenizer(dir, &config)?;
        let features = features::read(dir, &config)?;

        // Nothing is allocated for what the config claims before the file is seen to hold it.
        let mut file = TensorFile::open(&weights_path)?;
        limits::check_layers(&config, file.tensors().len(), &config_path)?;
        limits::check_table(&config, file.n_numbers(), &config_path)?;
        let plan = Plan::new(&file, dialect.names(), &config.parameters::<B>(device))?;
        let model = weights::fill(config.skeleton(device), &plan, &mut file, device)?;
        Ok(Self {
            config,
            special,
            dialect,
            model,
            tokenizer,
            features,
        })
    }

    /// Writes the directory, whole or not at all; see [`replace_directory`](crate::replace_directory).
    ///
    /// # Errors
    /// The dialect cannot express the config, the parts do not fit each other, `dir` holds something else than a
    /// model, or the system refuses.
    pub fn save(&self, dir: &Path) -> Result<(), HubError> {
        atomic::replace_directory(dir, |staging| self.write(staging))
    }

    /// Writes the files into a directory that exists, one after the other: for who replaces a directory with more in
    /// it, such as a checkpoint.
    ///
    /// # Errors
    /// The dialect cannot express the config, the parts do not fit each other, or the system refuses.
    pub fn write(&self, dir: &Path) -> Result<(), HubError> {
        let config_path = dir.join(CONFIG);
        let json = self.dialect.express(&self.config, &self.special)?;
        limits::check(&self.config, &config_path)?;
        check(&self.config, &self.special, &config_path)?;
        limits::check_table(&self.config, n_numbers(&self.model), &config_path)?;
        if let (Some(tokenizer), Some(vocab)) = (&self.tokenizer, self.config.vocab()) {
            check_vocabulary(tokenizer, vocab, dir)?;
        }
        if let Some(features) = &self.features {
            features::check(features, &self.config, dir)?;
        }
        self.check_model(dir)?;

        fs::write(&config_path, format!("{json:#}\n"))
            .map_err(|source| HubError::writing(&config_path, source))?;
        weights::save(&self.model, self.dialect.names(), &dir.join(WEIGHTS))?;
        if let Some(tokenizer) = &self.tokenizer {
            let path = dir.join(TOKENIZER);
            tokenizer
                .write(&path)
                .map_err(|source| HubError::Tokenizer { path, source })?;
        }
        if let Some(features) = &self.features {
            features::write(features, dir)?;
        }
        Ok(())
    }

    /// Refuses a model that a later load could not fill.
    fn check_model(&self, dir: &Path) -> Result<(), HubError> {
        let list = |parameters: Vec<crate::Parameter>| -> HashSet<String> {
            parameters
                .iter()
                .map(|parameter| format!("{} {:?}", parameter.path, parameter.shape))
                .collect()
        };
        let expected = list(self.config.parameters::<B>(&self.model.device()));
        let found = list(self.model.parameters());
        if found == expected {
            return Ok(());
        }
        let only = |left: &HashSet<String>, right: &HashSet<String>| {
            let mut only: Vec<_> = left.difference(right).cloned().collect();
            only.sort();
            only
        };
        Err(HubError::OtherModel {
            path: dir.into(),
            missing: only(&expected, &found),
            unexpected: only(&found, &expected),
        })
    }
}

fn n_numbers<B: Backend>(model: &Model<B>) -> u64 {
    let parameters = model.parameters();
    let sizes = parameters
        .iter()
        .map(|parameter| parameter.shape.iter().product::<usize>() as u64);
    sizes.sum()
}

fn check(config: &ModelConfig, special: &SpecialTokens, path: &Path) -> Result<(), HubError> {
    config.validate().map_err(|source| HubError::Config {
        path: path.into(),
        source,
    })?;
    match config.vocab() {
        Some(vocab) => special.check(vocab, path),
        None => Ok(()),
    }
}

fn read_tokenizer(dir: &Path, config: &ModelConfig) -> Result<Option<Tokenizer>, HubError> {
    let path = dir.join(TOKENIZER);
    if !path
        .try_exists()
        .map_err(|source| HubError::reading(&path, source))?
    {
        return Ok(None);
    }
    let tokenizer =
        Tokenizer::read(&path).map_err(|source| HubError::Tokenizer { path, source })?;
    if let Some(vocab) = config.vocab() {
        check_vocabulary(&tokenizer, vocab, dir)?;
    }
    Ok(Some(tokenizer))
}

/// A tokenizer may have fewer tokens than the model has rows, never more.
fn check_vocabulary(tokenizer: &Tokenizer, vocab: usize, dir: &Path) -> Result<(), HubError> {
    if tokenizer.vocab() <= vocab {
        return Ok(());
    }
    Err(HubError::Vocabulary {
        path: dir.join(TOKENIZER),
        found: tokenizer.vocab(),
        config_path: dir.join(CONFIG),
        vocab,
    })
}
