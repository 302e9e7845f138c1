//! The architectures that a model directory can hold.

use burn::module::{Module, ModuleMapper, ModuleVisitor};
use burn::tensor::backend::Backend;
use hearth_model::{
    Bert, BertConfig, ConfigError, EmbeddingConfig, EncoderDecoder, EncoderDecoderConfig, Gpt,
    GptConfig, Precision, RnnConfig, RnnLm, RnnLmConfig, RnnSeq2Seq, RnnSeq2SeqConfig,
    SpeechToText, SpeechToTextConfig, StackConfig, StackSize, Transformer, TransformerConfig, Vit,
    VitConfig, materialise,
};
use serde::{Deserialize, Serialize};

use crate::parameters::{Parameter, parameters};

/// The table of architectures: everything that is the same for each of them.
macro_rules! architectures {
    ($($(#[doc = $doc:literal])* $name:ident($model:ident, $config:ident) = $key:literal,)*) => {
        /// What a [`Model`] is made from.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ModelConfig {
            $($(#[doc = $doc])* $name($config),)*
        }

        /// A model of any architecture that a model directory can hold.
        #[derive(Debug, Clone)]
        #[allow(
            clippy::large_enum_variant,
            reason = "there is one a directory, and it is taken apart at once"
        )]
        pub enum Model<B: Backend> {
            $($(#[doc = $doc])* $name($model<B>),)*
        }

        impl ModelConfig {
            /// Whether a model can be made from these numbers.
            pub fn validate(&self) -> Result<(), ConfigError> {
                match self {
                    $(Self::$name(config) => config.validate(),)*
                }
            }

            /// The name of the architecture, as it stands in a `hearth` config.
            pub fn architecture(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $key,)*
                }
            }

            /// A model with freshly drawn weights.
            ///
            /// # Panics
            /// If the config does not [`validate`](Self::validate).
            pub fn init<B: Backend>(&self, device: &B::Device) -> Model<B> {
                match self.skeleton(device) {
                    $(Model::$name(model) => Model::$name(materialise(model)),)*
                }
            }

            /// A model whose parameters are not drawn until they are first used: what a loader fills in.
            ///
            /// # Panics
            /// If the config does not [`validate`](Self::validate).
            pub fn skeleton<B: Backend>(&self, device: &B::Device) -> Model<B> {
                match self {
                    $(Self::$name(config) => Model::$name(config.skeleton(device)),)*
                }
            }
        }

        impl<B: Backend> Model<B> {
            /// Paths and shapes of the parameters; draws none that are not drawn yet.
            pub fn parameters(&self) -> Vec<Parameter> {
                match self {
                    $(Self::$name(model) => parameters(model),)*
                }
            }

            /// The model with its large matrices in this precision: for inference, in which products are computed so.
            #[must_use]
            pub fn in_precision(self, precision: Precision) -> Self {
                match self {
                    $(Self::$name(model) => Self::$name(precision.cast(model)),)*
                }
            }

            /// Shows each parameter to `visitor`.
            pub fn visit(&self, visitor: &mut impl ModuleVisitor<B>) {
                match self {
                    $(Self::$name(model) => model.visit(visitor),)*
                }
            }

            /// Puts what `mapper` makes of each parameter in its place.
            pub fn map(self, mapper: &mut impl ModuleMapper<B>) -> Self {
                match self {
                    $(Self::$name(model) => Self::$name(model.map(mapper)),)*
                }
            }

            /// Where the model lies. The backend's default device might not even exist on this machine.
            pub(crate) fn device(&self) -> B::Device {
                let devices = match self {
                    $(Self::$name(model) => model.devices(),)*
                };
                devices.into_iter().next().unwrap_or_default()
            }
        }
    };
}

architectures! {
    /// A decoder-only language model.
    Gpt(Gpt, GptConfig) = "gpt",
    /// An encoder-decoder over tokens.
    Transformer(Transformer, TransformerConfig) = "transformer",
    /// An encoder-decoder over vectors.
    EncoderDecoder(EncoderDecoder, EncoderDecoderConfig) = "encoder-decoder",
    /// A recurrent language model.
    RnnLm(RnnLm, RnnLmConfig) = "rnn-lm",
    /// A recurrent encoder and a recurrent decoder.
    RnnSeq2Seq(RnnSeq2Seq, RnnSeq2SeqConfig) = "rnn-seq2seq",
    /// An encoder-decoder from frames of sound to tokens.
    SpeechToText(SpeechToText, SpeechToTextConfig) = "speech-to-text",
    /// An encoder over tokens.
    Bert(Bert, BertConfig) = "bert",
    /// An encoder over the patches of an image.
    Vit(Vit, VitConfig) = "vit",
}

impl ModelConfig {
    /// The number of tokens, where the model reads tokens.
    pub fn vocab(&self) -> Option<usize> {
        self.embedding().map(|embedding| embedding.vocab)
    }

    /// The number of tokens of a source, where it may be another than that of a target.
    pub fn source_size(&self) -> Option<usize> {
        match self {
            Self::RnnSeq2Seq(config) => Some(config.source.vocab),
            _ => self.vocab(),
        }
    }

    /// The most positions a text can have, where the model says so.
    pub fn n_positions(&self) -> Option<usize> {
        match self {
            Self::Vit(config) => Some(1 + config.patches.n_patches()),
            _ => self.embedding().map(|embedding| embedding.max_positions),
        }
    }

    /// Width, heads and layers; of two stacks those of the one that writes, and no heads where there is no attention in
    /// layers.
    pub fn size(&self) -> StackSize {
        let of_stack = |stack: &StackConfig| StackSize {
            d_model: stack.d_model,
            n_heads: stack.n_heads,
            n_layers: stack.n_layers,
        };
        let of_rnn = |d_model, rnn: &RnnConfig| StackSize {
            d_model,
            n_heads: 0,
            n_layers: rnn.n_layers,
        };
        match self {
            Self::Gpt(config) => of_stack(&config.decoder),
            Self::Transformer(config) => of_stack(&config.decoder),
            Self::EncoderDecoder(config) => of_stack(&config.decoder),
            Self::SpeechToText(config) => of_stack(&config.decoder),
            Self::Bert(config) => of_stack(&config.encoder),
            Self::Vit(config) => of_stack(&config.encoder),
            Self::RnnLm(config) => of_rnn(config.embedding.d_model, &config.rnn),
            Self::RnnSeq2Seq(config) => of_rnn(config.embedding.d_model, &config.decoder),
        }
    }

    /// Whether the head has the token embedding's matrix.
    pub(crate) fn is_tied(&self) -> bool {
        match self {
            Self::Gpt(config) => config.tied,
            Self::Transformer(config) => config.tied,
            Self::RnnLm(config) => config.tied,
            Self::RnnSeq2Seq(config) => config.tied,
            Self::SpeechToText(config) => config.tied,
            Self::Bert(config) => config.masked.as_ref().is_some_and(|head| head.tied),
            Self::EncoderDecoder(_) | Self::Vit(_) => false,
        }
    }

    /// Paths and shapes of the model's parameters; computes no table of positions, but one row of it.
    pub(crate) fn parameters<B: Backend>(&self, device: &B::Device) -> Vec<Parameter> {
        let mut config = self.clone();
        // The one thing a skeleton computes, and no parameter.
        if let Some(embedding) = config.embedding_mut()
            && embedding.positions.is_computed()
        {
            embedding.max_positions = 1;
        }
        if let Self::SpeechToText(config) = &mut config
            && config.frames.positions.is_computed()
        {
            config.frames.max_positions = 1;
        }
        config.skeleton::<B>(device).parameters()
    }

    /// The number of classes, where the model names one.
    pub fn n_classes(&self) -> Option<usize> {
        match self {
            Self::Bert(config) => config.classes.as_ref().map(|head| head.n_classes),
            Self::Vit(config) => Some(config.classes.n_classes),
            _ => None,
        }
    }

    pub(crate) fn embedding(&self) -> Option<&EmbeddingConfig> {
        match self {
            Self::Gpt(config) => Some(&config.embedding),
            Self::Transformer(config) => Some(&config.embedding),
            Self::RnnLm(config) => Some(&config.embedding),
            Self::RnnSeq2Seq(config) => Some(&config.embedding),
            Self::SpeechToText(config) => Some(&config.embedding),
            Self::Bert(config) => Some(&config.embedding),
            Self::EncoderDecoder(_) | Self::Vit(_) => None,
        }
    }

    fn embedding_mut(&mut self) -> Option<&mut EmbeddingConfig> {
        match self {
            Self::Gpt(config) => Some(&mut config.embedding),
            Self::Transformer(config) => Some(&mut config.embedding),
            Self::RnnLm(config) => Some(&mut config.embedding),
            Self::RnnSeq2Seq(config) => Some(&mut config.embedding),
            Self::SpeechToText(config) => Some(&mut config.embedding),
            Self::Bert(config) => Some(&mut config.embedding),
            Self::EncoderDecoder(_) | Self::Vit(_) => None,
        }
    }

    /// The stacks of attention layers by name, the encoder first if there is one.
    pub fn stacks(&self) -> Vec<(&'static str, &StackConfig)> {
        match self {
            Self::Gpt(config) => vec![("decoder", &config.decoder)],
            Self::Transformer(config) => {
                vec![("encoder", &config.encoder), ("decoder", &config.decoder)]
            }
            Self::EncoderDecoder(config) => {
                vec![("encoder", &config.encoder), ("decoder", &config.decoder)]
            }
            Self::SpeechToText(config) => {
                vec![("encoder", &config.encoder), ("decoder", &config.decoder)]
            }
            Self::Bert(config) => vec![("encoder", &config.encoder)],
            Self::Vit(config) => vec![("encoder", &config.encoder)],
            Self::RnnLm(_) | Self::RnnSeq2Seq(_) => Vec::new(),
        }
    }

    /// The recurrent networks by name.
    pub(crate) fn rnns(&self) -> Vec<(&'static str, &RnnConfig)> {
        match self {
            Self::RnnLm(config) => vec![("rnn", &config.rnn)],
            Self::RnnSeq2Seq(config) => {
                vec![("encoder", &config.encoder), ("decoder", &config.decoder)]
            }
            _ => Vec::new(),
        }
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
