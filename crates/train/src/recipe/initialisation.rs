//! How first weights are drawn, by name.

use super::read::in_range;
use super::{ModelRecipe, RecipeError};
use hearth_hub::ModelConfig;
use hearth_model::{Initialisation, NormPlacement, StackConfig};
use serde::{Deserialize, Serialize};

/// A scheme for the first weights of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitialisationKind {
    /// Small normal numbers, smaller where a residual branch ends: [`Initialisation::Gpt2`].
    Gpt2,
    /// By the widths of both sides: [`Initialisation::Xavier`].
    Xavier,
    /// By the width of the input, for ReLU: [`Initialisation::Kaiming`].
    Kaiming,
    /// For many layers with norms behind their branches: [`StackConfig::residual_scale`].
    DeepNorm,
}

impl InitialisationKind {
    fn scheme(self) -> Initialisation {
        match self {
            Self::Gpt2 => Initialisation::Gpt2,
            Self::Xavier | Self::DeepNorm => Initialisation::Xavier,
            Self::Kaiming => Initialisation::Kaiming,
        }
    }
}

impl ModelRecipe {
    pub(super) fn check_initialisation(&self) -> Result<(), RecipeError> {
        if self.initialisation != Some(InitialisationKind::DeepNorm) {
            return Ok(());
        }
        let attends = self.architecture.attends();
        let expected = "another for a recurrent network: deep-norm is about residual branches";
        in_range("model.initialisation", "deep-norm", attends, expected)?;
        let behind = self.norm.is_none_or(|norm| norm == NormPlacement::After);
        in_range(
            "model.norm",
            "before",
            behind,
            "after, where model.initialisation is deep-norm",
        )
    }

    /// A config with the scheme that the recipe names, if it names one.
    pub(super) fn initialised(&self, mut config: ModelConfig) -> ModelConfig {
        let Some(kind) = self.initialisation else {
            return config;
        };
        let is_deep = kind == InitialisationKind::DeepNorm;
        let alone = |stack: &mut StackConfig| {
            if is_deep {
                *stack = stack.clone().deep_norm();
            }
        };
        let pair = |encoder: &mut StackConfig, decoder: &mut StackConfig| {
            if is_deep {
                (*encoder, *decoder) =
                    StackConfig::deep_norm_pair(encoder.clone(), decoder.clone());
            }
        };
        let scheme = match &mut config {
            ModelConfig::Gpt(gpt) => {
                alone(&mut gpt.decoder);
                &mut gpt.initialisation
            }
            ModelConfig::Bert(bert) => {
                alone(&mut bert.encoder);
                &mut bert.initialisation
            }
            ModelConfig::Vit(vit) => {
                alone(&mut vit.encoder);
                &mut vit.initialisation
            }
            ModelConfig::Transformer(transformer) => {
                pair(&mut transformer.encoder, &mut transformer.decoder);
                &mut transformer.initialisation
            }
            ModelConfig::SpeechToText(speech) => {
                pair(&mut speech.encoder, &mut speech.decoder);
                &mut speech.initialisation
            }
            ModelConfig::EncoderDecoder(stacks) => {
                pair(&mut stacks.encoder, &mut stacks.decoder);
                &mut stacks.initialisation
            }
            ModelConfig::RnnLm(rnn) => &mut rnn.initialisation,
            ModelConfig::RnnSeq2Seq(rnn) => &mut rnn.initialisation,
        };
        *scheme = kind.scheme();
        config
    }
}
