//! Learning rates by layer.

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use hearth_hub::{Parameter, parameters};

/// What the learning rate of a parameter is multiplied by: 1 above all layers, `decay` in the last of them, `decay²` in the one
/// before it, and so on; what is in no layer and no head is below the first. Clark et al. 2020, §3.2
/// <https://arxiv.org/abs/2003.10555>.
///
/// A stack in an encoder is counted as one in a decoder is: its last layer has the rate of the decoder's last one.
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
        let is_stem = ["embedding", "source", "frames", "patches"];
        let height = match layer(path) {
            Some(layer) => layer + 1,
            None if path.split('.').any(|name| is_stem.contains(&name)) => 0,
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
