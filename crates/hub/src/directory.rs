//! A model directory: `config.json`, `model.safetensors`, `tokenizer.json` where the model reads or writes text,
//! `target_tokenizer.json` where it writes in another vocabulary, and `preprocessor_config.json` where it reads sound or
//! images.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use burn::tensor::backend::Backend;
use hearth_data::{FilterbankConfig, PixelConfig, Tokenizer};

use crate::atomic;
use crate::config::{Model, ModelConfig};
use crate::config_file::{CONFIG, ConfigFile};
use crate::dialects::Dialect;
use crate::differences::differences;
use crate::error::HubError;
use crate::features;
use crate::labels;
use crate::limits;
use crate::pixels;
use crate::special::SpecialTokens;
use crate::vocabularies::Tokenizers;
use crate::weights::{self, Plan, Source};

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
    /// The same for what the model writes, where that has a vocabulary of its own.
    pub target_tokenizer: Option<Tokenizer>,
    /// How sound becomes frames, where the model reads sound.
    pub features: Option<FilterbankConfig>,
    /// How a picture becomes numbers, where the model reads images.
    pub pixels: Option<PixelConfig>,
    /// The names of the classes, where the model names one and its classes have names.
    pub labels: Option<Vec<String>>,
}

impl<B: Backend> ModelDirectory<B> {
    /// Reads a directory, or a GGUF file of LLaMA's architecture.
    ///
    /// The weights are `model.safetensors` or, where there is none, the shards of `model.safetensors.index.json`. Of a GGUF
    /// file the vocabulary is not read: the tokenizer is a `tokenizer.json` beside it, if there is one. Weights in half
    /// precision become single, and so do quantised ones. The memory needed is that of the weights, once, and of one tensor.
    ///
    /// # Errors
    /// A file is missing or damaged, the files do not fit each other, or they ask for what hearth does not do.
    pub fn load(dir: &Path, device: &B::Device) -> Result<Self, HubError> {
        let (parts, plan, source) = Parts::open::<B>(dir, device)?;
        parts.fill(&mut [(plan, source)], device)
    }

    /// The mean of the weights of models of one config, with the tokenizer and the dialect of the first.
    ///
    /// Izmailov et al. 2018 <https://arxiv.org/abs/1803.05407>: such a model often predicts better than any of those that one
    /// training left on its way. Weights are summed up in double precision, a parameter at a time: however many models
    /// there are, the memory needed is that of one.
    ///
    /// # Errors
    /// As [`load`](Self::load), or the models differ in their configs, special tokens or tokenizers.
    pub fn average(
        first: &Path,
        others: &[impl AsRef<Path>],
        device: &B::Device,
    ) -> Result<Self, HubError> {
        let (parts, plan, source) = Parts::open::<B>(first, device)?;
        let mut sources = vec![(plan, source)];
        for path in others {
            let path = path.as_ref();
            let (other, plan, source) = Parts::open::<B>(path, device)?;
            let differences = parts.differences(&other)?;
            if !differences.is_empty() {
                return Err(HubError::Different {
                    path: path.into(),
                    first: first.into(),
                    differences,
                });
            }
            sources.push((plan, source));
        }
        parts.fill(&mut sources, device)
    }

    /// How a picture becomes numbers: as the directory says, or by Hugging Face's defaults in the model's size. None where the
    /// model reads no images.
    pub fn pixel_config(&self) -> Option<PixelConfig> {
        self.pixels
            .clone()
            .or_else(|| pixels::default(&self.config))
    }

    /// The name of a class; `LABEL_3` where classes have none.
    pub fn label(&self, class: usize) -> String {
        let name = self.labels.as_ref().and_then(|labels| labels.get(class));
        name.cloned().unwrap_or_else(|| labels::default_name(class))
    }

    /// Writes the directory, whole or not at all; see [`replace_directory`](crate::replace_directory).
    ///
    /// # Errors
    /// The dialect cannot express the config, the parts do not fit each other, `dir` holds something else than a
    /// model, or the system refuses.
    pub fn save(&self, dir: &Path) -> Result<(), HubError> {
        atomic::replace_directory(dir, |staging| self.write(staging))
    }

    /// As [`save`](Self::save), in shards with an index where the weights have more bytes than so many.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_in_shards(&self, dir: &Path, most_bytes: u64) -> Result<(), HubError> {
        atomic::replace_directory(dir, |staging| self.write_in_shards(staging, most_bytes))
    }

    /// Writes the files into a directory that exists, one after the other: for who replaces a directory with more in
    /// it, such as a checkpoint.
    ///
    /// # Errors
    /// The dialect cannot express the config, the parts do not fit each other, or the system refuses.
    pub fn write(&self, dir: &Path) -> Result<(), HubError> {
        self.write_in_shards(dir, u64::MAX)
    }

    fn write_in_shards(&self, dir: &Path, most_bytes: u64) -> Result<(), HubError> {
        let config_path = dir.join(CONFIG);
        let mut json = self.dialect.express(&self.config, &self.special)?;
        labels::write(
            &mut json,
            self.labels.as_deref(),
            &self.config,
            &config_path,
        )?;
        limits::check(&self.config, &config_path)?;
        check(&self.config, &self.special, &config_path)?;
        limits::check_table(&self.config, n_numbers(&self.model), &config_path)?;
        let tokenizers = Tokenizers {
            source: self.tokenizer.clone(),
            target: self.target_tokenizer.clone(),
        };
        tokenizers.check(dir, &config_path, &self.config)?;
        if let Some(features) = &self.features {
            features::check(features, &self.config, dir)?;
        }
        if let Some(pixels) = &self.pixels {
            pixels::check(pixels, &self.config, dir)?;
        }
        self.check_model(dir)?;

        fs::write(&config_path, format!("{json:#}\n"))
            .map_err(|source| HubError::writing(&config_path, source))?;
        weights::save(&self.model, self.dialect.names(), dir, most_bytes)?;
        tokenizers.write(dir)?;
        if let Some(features) = &self.features {
            features::write(features, dir)?;
        }
        if let Some(pixels) = &self.pixels {
            pixels::write(pixels, dir)?;
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

/// A directory without its weights, which are opened and found to be those of the config.
struct Parts {
    config: ModelConfig,
    special: SpecialTokens,
    dialect: Dialect,
    tokenizers: Tokenizers,
    features: Option<FilterbankConfig>,
    pixels: Option<PixelConfig>,
    labels: Option<Vec<String>>,
}

impl Parts {
    fn open<B: Backend>(dir: &Path, device: &B::Device) -> Result<(Self, Plan, Source), HubError> {
        // A file is all of a model but its tokenizer; in a directory the config is read before the weights are opened.
        let (config_path, config_file, gguf) = if dir.is_file() {
            let (config_file, source) = weights::open_gguf(dir)?;
            (dir.to_path_buf(), config_file, Some(source))
        } else {
            (dir.join(CONFIG), ConfigFile::of(dir)?, None)
        };
        let (dialect, config, special) = read_checked(&config_file, &config_path)?;
        let beside = config_path.parent().unwrap_or(dir);
        let tokenizers = Tokenizers::read(beside, &config_path, &config_file, &config)?;
        let features = features::read(beside, &config)?;
        let pixels = pixels::read(beside, &config)?;
        let labels = labels::read(&config_file, &config)?;

        // Nothing is allocated for what the config claims before the file is seen to hold it.
        let source = gguf.map_or_else(|| weights::open_source(dir), Ok)?;
        limits::check_layers(&config, source.tensors().len(), &config_path)?;
        limits::check_table(&config, source.n_numbers(), &config_path)?;
        let plan = Plan::new(&source, dialect.names(), &config.parameters::<B>(device))?;
        let parts = Self {
            config,
            special,
            dialect,
            tokenizers,
            features,
            pixels,
            labels,
        };
        Ok((parts, plan, source))
    }

    fn fill<B: Backend>(
        self,
        sources: &mut [(Plan, Source)],
        device: &B::Device,
    ) -> Result<ModelDirectory<B>, HubError> {
        let model = weights::fill(self.config.skeleton(device), sources, device)?;
        Ok(ModelDirectory {
            config: self.config,
            special: self.special,
            dialect: self.dialect,
            model,
            tokenizer: self.tokenizers.source,
            target_tokenizer: self.tokenizers.target,
            features: self.features,
            pixels: self.pixels,
            labels: self.labels,
        })
    }

    /// Where two models differ in anything but their weights and their dialect.
    fn differences(&self, other: &Self) -> Result<Vec<String>, HubError> {
        let mut found = differences(&self.config, &other.config);
        if self.labels != other.labels {
            found.push("other names of classes".into());
        }
        if self.special != other.special {
            found.push(format!(
                "the special tokens are {:?}, not {:?}",
                other.special, self.special
            ));
        }
        if !self.tokenizers.agree(&other.tokenizers)? {
            found.push("another tokenizer".into());
        }
        Ok(found)
    }
}

/// The config of a model directory; its weights are not looked at.
///
/// # Errors
/// There is no such file, it is damaged, or it asks for what hearth does not do.
pub fn read_config(dir: &Path) -> Result<ModelConfig, HubError> {
    let path = dir.join(CONFIG);
    let (_, config, _) = read_checked(&ConfigFile::of(dir)?, &path)?;
    Ok(config)
}

fn read_checked(
    file: &ConfigFile,
    path: &Path,
) -> Result<(Dialect, ModelConfig, SpecialTokens), HubError> {
    let (dialect, config, special) = Dialect::read(file)?;
    limits::check(&config, path)?;
    check(&config, &special, path)?;
    Ok((dialect, config, special))
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
