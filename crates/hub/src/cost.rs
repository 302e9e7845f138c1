//! What a model costs: memory, and operations a token.
//!
//! Counted as in Kaplan et al. 2020, §2.1 and Table 1 <https://arxiv.org/abs/2001.08361>: a matrix costs a token two
//! operations (a product and a sum) for each of its numbers; biases, norms and activations are not counted. With `N` the
//! numbers of all matrices that a token is multiplied by,
//!
//! `C = 2 N + 2 n_layers · n_positions · d_attention`
//!
//! where the second part is attention: a query and a key, a weight and a value, two operations a channel each, over the
//! half of the positions that a token sees on average behind a causal mask. An encoder's token sees all of them, as one of
//! a target sees all of its source, which is twice as much.
//!
//! Embeddings are looked up, not multiplied, and do not count. The head does: Kaplan et al. leave it out of `N` and count
//! it beside, and a head that is tied to the embedding costs what another costs.

use crate::config::ModelConfig;
use crate::parameters::Parameter;

/// What a model costs, by its shapes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the weights in single precision.
    pub weight_bytes: u64,
    /// A token that is predicted: of a decoder.
    pub token: TokenCost,
    /// A token that is read first: of an encoder. None where there is no encoder beside a decoder.
    pub source_token: Option<TokenCost>,
}

/// What one token costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCost {
    /// Numbers of the matrices it is multiplied by.
    pub n_multiplied: u64,
    /// Bytes of keys and values that are kept of it while a text is written, in single precision.
    pub cache_bytes: u64,
    /// Operations of attention for each position that is looked at.
    pub attention_flops_per_position: u64,
    /// Operations in all, forward, over a full context. A backward pass costs twice as much besides.
    pub flops: u64,
}

impl ModelConfig {
    /// What a model of the given parameters, made from this config, costs.
    pub fn cost(&self, parameters: &[Parameter]) -> Cost {
        let n_positions = self.n_positions().unwrap_or(0) as u64;
        let (mut token, mut source) = (TokenCost::default(), TokenCost::default());
        let (mut own, mut cross) = (0, 0);
        let is_pair = ["encoder.", "decoder."].iter().all(|part| {
            parameters
                .iter()
                .any(|parameter| parameter.path.contains(part))
        });
        for Parameter { path, shape } in parameters {
            let is_source = is_pair && path.contains("encoder.");
            // Of a source token, too, once: keys and values for all of the target.
            let is_memory = ["cross_attention.key.", "cross_attention.value."]
                .iter()
                .any(|part| path.contains(part));
            let cost = if is_source || is_memory {
                &mut source
            } else {
                &mut token
            };
            let &[.., width] = shape.as_slice() else {
                continue;
            };
            if shape.len() < 2 {
                continue;
            }
            let size = n_numbers(shape);
            let is_looked_up = path.split('.').any(|part| part.contains("embedding"));
            if !is_looked_up {
                cost.n_multiplied += size;
            }
            let is_kept = path.ends_with(".key.weight") || path.ends_with(".value.weight");
            if is_kept && !is_source {
                cost.cache_bytes += 4 * width as u64;
            }
            if path.ends_with("cross_attention.query.weight") {
                cross += 4 * width as u64;
            } else if path.ends_with(".query.weight") {
                if is_source {
                    source.attention_flops_per_position += 4 * width as u64;
                } else {
                    own += 4 * width as u64;
                }
            }
        }
        if self.is_tied()
            && let Some(embedding) = parameters
                .iter()
                .find(|parameter| parameter.path.ends_with("embedding.tokens.weight"))
        {
            token.n_multiplied += n_numbers(&embedding.shape);
        }
        token.attention_flops_per_position = own + cross;
        // Half of the positions of a causal text, all of those of a source.
        token.flops = 2 * token.n_multiplied + own * n_positions / 2 + cross * n_positions;
        source.flops = 2 * source.n_multiplied + source.attention_flops_per_position * n_positions;
        Cost {
            weight_bytes: parameters.iter().map(|p| 4 * n_numbers(&p.shape)).sum(),
            token,
            source_token: is_pair.then_some(source),
        }
    }
}

fn n_numbers(shape: &[usize]) -> u64 {
    shape.iter().map(|&axis| axis as u64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use hearth_model::{EncoderDecoderConfig, GptConfig, StackSize, TransformerConfig};

    fn cost(config: ModelConfig) -> Cost {
        config.cost(&config.parameters::<Flex>(&Default::default()))
    }

    #[test]
    fn a_gpt_costs_what_the_paper_says() {
        let (vocab, n_positions, d_model, n_layers) = (11, 20, 8, 3);
        let size = StackSize {
            d_model,
            n_heads: 2,
            n_layers,
        };
        let cost = cost(ModelConfig::Gpt(GptConfig::gpt2(vocab, n_positions, size)));
        // Table 1, with d_ff = 4 d_model: N = 12 n_layers d_model² without the head.
        let n_multiplied = 12 * n_layers * d_model * d_model + vocab * d_model;
        let flops = 2 * n_multiplied + 2 * n_layers * n_positions * d_model;
        let expected = TokenCost {
            n_multiplied: n_multiplied as u64,
            cache_bytes: (2 * n_layers * d_model * 4) as u64,
            attention_flops_per_position: (4 * n_layers * d_model) as u64,
            flops: flops as u64,
        };
        assert_eq!(cost.token, expected);
        assert_eq!(cost.source_token, None);
        // Weights, norms, biases, embeddings.
        let layer = 12 * d_model * d_model + 13 * d_model;
        let n_numbers = n_layers * layer + (vocab + n_positions + 2) * d_model;
        assert_eq!(cost.weight_bytes, 4 * n_numbers as u64);
    }

    #[test]
    fn a_source_is_read_once_and_a_target_looks_at_it() {
        let config = TransformerConfig::tiny(11);
        let (d, d_ff) = (config.decoder.d_model, config.decoder.d_ff);
        let (layers, n_positions) = (config.decoder.n_layers, config.embedding.max_positions);
        let cost = cost(ModelConfig::Transformer(config));
        let target = layers * (4 * d * d + 2 * d * d + 2 * d * d_ff) + 11 * d;
        let source = layers * (4 * d * d + 2 * d * d_ff + 2 * d * d);
        let read = cost.source_token.expect("a source");
        assert_eq!(cost.token.n_multiplied, target as u64);
        assert_eq!(read.n_multiplied, source as u64);
        assert_eq!(cost.token.cache_bytes, read.cache_bytes);
        // Itself by halves and the source whole: 6 of 4 + 4.
        let attention = layers * n_positions * d;
        assert_eq!(cost.token.flops, (2 * target + 6 * attention) as u64);
        assert_eq!(read.flops, (2 * source + 4 * attention) as u64);
    }

    #[test]
    fn without_positions_attention_is_counted_by_position() {
        let size = StackSize {
            d_model: 8,
            n_heads: 2,
            n_layers: 1,
        };
        let cost = cost(ModelConfig::EncoderDecoder(EncoderDecoderConfig::torch(
            size,
        )));
        assert_eq!(cost.token.flops, 2 * cost.token.n_multiplied);
        assert_eq!(cost.token.attention_flops_per_position, 2 * 4 * 8);
    }
}
