//! The architectures that a model directory can hold.

use burn::module::Module;
use burn::tensor::backend::Backend;
use hearth_model::{
    ConfigError, EmbeddingConfig, EncoderDecoder, EncoderDecoderConfig, Gpt, GptConfig,
    PositionEncoding, StackConfig, Transformer, TransformerConfig, materialise,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{Parameter, parameters};

/// What a [`Model`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelConfig {
    /// A decoder-only language model.
    Gpt(GptConfig),
    /// An encoder-decoder over tokens.
    Transformer(TransformerConfig),
    /// An encoder-decoder over vectors.
    EncoderDecoder(EncoderDecoderConfig),
}

impl ModelConfig {
    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Gpt(config) => config.validate(),
            Self::Transformer(config) => config.validate(),
            Self::EncoderDecoder(config) => config.validate(),
        }
    }

    /// The name of the architecture, as it stands in a `hearth` config.
    pub fn architecture(&self) -> &'static str {
        match self {
            Self::Gpt(_) => "gpt",
            Self::Transformer(_) => "transformer",
            Self::EncoderDecoder(_) => "encoder-decoder",
        }
    }

    /// The number of tokens, where the model reads tokens.
    pub fn vocab(&self) -> Option<usize> {
        self.embedding().map(|embedding| embedding.vocab)
    }

    /// A model with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Model<B> {
        match self.skeleton(device) {
            Model::Gpt(model) => Model::Gpt(materialise(model)),
            Model::Transformer(model) => Model::Transformer(materialise(model)),
            Model::EncoderDecoder(model) => Model::EncoderDecoder(materialise(model)),
        }
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> Model<B> {
        match self {
            Self::Gpt(config) => Model::Gpt(config.skeleton(device)),
            Self::Transformer(config) => Model::Transformer(config.skeleton(device)),
            Self::EncoderDecoder(config) => Model::EncoderDecoder(config.skeleton(device)),
        }
    }

    /// Paths and shapes of the model's parameters; computes no table of positions, but one row of it.
    pub(crate) fn parameters<B: Backend>(&self, device: &B::Device) -> Vec<Parameter> {
        let mut config = self.clone();
        // The one thing a skeleton computes, and no parameter.
        if let Some(embedding) = config.embedding_mut()
            && embedding.positions == PositionEncoding::Sinusoidal
        {
            embedding.max_positions = 1;
        }
        config.skeleton::<B>(device).parameters()
    }

    pub(crate) fn embedding(&self) -> Option<&EmbeddingConfig> {
        match self {
            Self::Gpt(config) => Some(&config.embedding),
            Self::Transformer(config) => Some(&config.embedding),
            Self::EncoderDecoder(_) => None,
        }
    }

    fn embedding_mut(&mut self) -> Option<&mut EmbeddingConfig> {
        match self {
            Self::Gpt(config) => Some(&mut config.embedding),
            Self::Transformer(config) => Some(&mut config.embedding),
            Self::EncoderDecoder(_) => None,
        }
    }

    /// The encoder, if there is one, and the decoder.
    pub(crate) fn stacks(&self) -> (Option<&StackConfig>, &StackConfig) {
        match self {
            Self::Gpt(config) => (None, &config.decoder),
            Self::Transformer(config) => (Some(&config.encoder), &config.decoder),
            Self::EncoderDecoder(config) => (Some(&config.encoder), &config.decoder),
        }
    }
}

/// A model of any architecture that a model directory can hold.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one a directory, and it is taken apart at once"
)]
pub enum Model<B: Backend> {
    /// A decoder-only language model.
    Gpt(Gpt<B>),
    /// An encoder-decoder over tokens.
    Transformer(Transformer<B>),
    /// An encoder-decoder over vectors.
    EncoderDecoder(EncoderDecoder<B>),
}

impl<B: Backend> Model<B> {
    /// Paths and shapes of the parameters; draws none that are not drawn yet.
    pub fn parameters(&self) -> Vec<Parameter> {
        match self {
            Self::Gpt(model) => parameters(model),
            Self::Transformer(model) => parameters(model),
            Self::EncoderDecoder(model) => parameters(model),
        }
    }

    /// Where the model lies. The backend's default device might not even exist on this machine.
    pub(crate) fn device(&self) -> B::Device {
        let devices = match self {
            Self::Gpt(model) => model.devices(),
            Self::Transformer(model) => model.devices(),
            Self::EncoderDecoder(model) => model.devices(),
        };
        devices.into_iter().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_architecture_is_its_key_in_json() {
        for config in [
            ModelConfig::Gpt(GptConfig::tiny(7)),
            ModelConfig::Transformer(TransformerConfig::tiny(7)),
        ] {
            let json = serde_json::to_value(&config).expect("configs are JSON");
            assert!(
                json.get(config.architecture()).is_some(),
                "{json} {}",
                config.architecture()
            );
        }
    }
}
