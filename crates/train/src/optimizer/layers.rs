//! Learning rates by layer.

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use hearth_hub::{Parameter, parameters};

/// Modules that make the vectors that the first layer reads.
const STEMS: [&str; 7] = [
    "convolution",
    "embedding",
    "embedding_norm",
    "segments",
    "source",
    "frames",
    "patches",
];

/// What the learning rate of a parameter is multiplied by: 1 above all layers, `decay` in the last of them, `decay²` in the one
/// before it, and so on; the stem is below the first. Clark et al. 2020, §3.2 <https://arxiv.org/abs/2003.10555>.
///
/// Layers of the same number, one of an encoder and one of a decoder, have the same rate.
#[derive(Debug)]
pub(super) struct LayerRates {
    decay: f64,
    n_layers: i32,
}

impl LayerRates {
    pub(super) fn of<B: AutodiffBackend, M: AutodiffModule<B>>(decay: f64, model: &M) -> Self {
        let n_layers = match decay {
            1.0 => 0,
            _ => {
                let parameters = parameters::<B, M>(model);
                let layers = parameters
                    .iter()
                    .filter_map(|Parameter { path, .. }| layer(path));
                layers.max().map_or(0, |last| last + 1)
            }
        };
        Self { decay, n_layers }
    }

    pub(super) fn rate(&self, path: &str) -> f64 {
        if self.decay == 1.0 {
            return 1.0;
        }
        let is_stem = path.split('.').any(|name| STEMS.contains(&name));
        let height = match layer(path) {
            _ if is_stem => 0,
            Some(layer) => layer + 1,
            None => self.n_layers + 1,
        };
        self.decay.powi(self.n_layers + 1 - height)
    }
}

/// The number of the layer that a parameter is in.
fn layer(path: &str) -> Option<i32> {
    let mut names = path.split('.').skip_while(|name| *name != "layers");
    names.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use hearth_hub::ModelConfig;
    use hearth_model::{
        BertConfig, GptConfig, SpeechToTextConfig, StackSize, TransformerConfig, VitConfig,
    };

    #[test]
    fn every_parameter_of_every_stem_is_below_the_layers() {
        let size = StackSize {
            d_model: 8,
            n_heads: 2,
            n_layers: 2,
        };
        let bert = BertConfig {
            convolution: Some(3),
            ..BertConfig::bert(10, 8, size)
        };
        let configs = [
            ModelConfig::Bert(bert.classifier(2)),
            ModelConfig::Vit(VitConfig::tiny(2)),
            ModelConfig::Gpt(GptConfig::gpt2(10, 8, size)),
            ModelConfig::Transformer(TransformerConfig::vaswani(10, 8, size)),
            ModelConfig::SpeechToText(SpeechToTextConfig::tiny(10)),
        ];
        let rates = LayerRates {
            decay: 0.5,
            n_layers: 2,
        };
        let above = ["head", "ctc_head", "pooler", "classes", "final_norm"];
        for config in configs {
            for Parameter { path, .. } in config.skeleton::<Flex>(&Default::default()).parameters()
            {
                let is_above = path.split('.').any(|name| above.contains(&name));
                let is_of_a_stack = path.contains("coder.layers.");
                let expected = match (is_above, is_of_a_stack) {
                    (true, _) => 1.0..=1.0,
                    (_, true) => 0.25..=0.5,
                    _ => 0.125..=0.125,
                };
                assert!(
                    expected.contains(&rates.rate(&path)),
                    "{path}: {}",
                    rates.rate(&path)
                );
            }
        }
    }

    #[test]
    fn rates_fall_towards_the_input() {
        let rates = LayerRates {
            decay: 0.5,
            n_layers: 2,
        };
        for (path, expected) in [
            ("classes.output.weight", 1.0),
            ("encoder.final_norm.gamma", 1.0),
            ("encoder.layers.1.feed_forward.up.weight", 0.5),
            ("encoder.layers.0.feed_forward.up.weight", 0.25),
            ("embedding.tokens.weight", 0.125),
        ] {
            assert_eq!(rates.rate(path), expected, "{path}");
        }
    }
}
