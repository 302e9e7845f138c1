//! What is saved with a model's weights.

use burn::tensor::backend::Backend;
use hearth_data::{FilterbankConfig, PixelConfig, Tokenizer};
use hearth_hub::{Dialect, Model, ModelConfig, ModelDirectory, SpecialTokens};

/// What is saved with a model's weights.
pub(crate) struct Card {
    pub(crate) config: ModelConfig,
    pub(crate) special: SpecialTokens,
    /// Where the model reads or writes text.
    pub(crate) tokenizer: Option<Tokenizer>,
    /// Where the model reads sound.
    pub(crate) features: Option<FilterbankConfig>,
    /// Where the model reads images.
    pub(crate) pixels: Option<PixelConfig>,
    /// Where the model names a class.
    pub(crate) labels: Option<Vec<String>>,
}

impl Card {
    /// Of a model that reads and writes ids.
    pub(crate) fn new(config: ModelConfig, special: SpecialTokens) -> Self {
        Self {
            config,
            special,
            tokenizer: None,
            features: None,
            pixels: None,
            labels: None,
        }
    }

    /// A model directory with this model.
    pub(crate) fn directory<B: Backend>(&self, model: Model<B>) -> ModelDirectory<B> {
        ModelDirectory {
            config: self.config.clone(),
            special: self.special.clone(),
            dialect: Dialect::of(&self.config),
            model,
            tokenizer: self.tokenizer.clone(),
            target_tokenizer: None,
            features: self.features.clone(),
            pixels: self.pixels.clone(),
            labels: self.labels.clone(),
        }
    }
}
