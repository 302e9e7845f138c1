//! What a step of training costs: operations, and the numbers that its forward pass keeps for the backward one.
//!
//! Operations are three times those of a forward pass: a backward pass multiplies twice by each matrix, once for the
//! gradient of its input and once for its own.
//!
//! A forward pass keeps what its operations read. Most of that lies around matrices and attention, so that it is taken as
//!
//! `f Σ n_tokens (m + n) + 4 Σ n_heads · n_queries · n_keys`
//!
//! over all matrices, `m × n`, and all layers of attention. The factors stand for what is between two matrices (norms, biases,
//! non-linearities, dropout; the gates of a recurrent cell) and between scores and weights. They were fitted to the bytes that
//! flex and ndarray allocate (`train/tests/memory.rs`): `f` is 3/2, of recurrent models 5/2.
//!
//! A head that guesses masked tokens reads those alone, which are 15 of 100 (Devlin et al. 2019, §3.1).

use super::{TokenCost, is_looked_up, is_of_source, n_numbers};
use crate::config::ModelConfig;
use crate::parameters::Parameter;

/// What a step of training reads, as a model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchShape {
    /// Texts, pairs, recordings or images.
    pub n_rows: usize,
    /// Positions of each that are predicted; of a model that only reads, those that are read.
    pub seq: usize,
    /// Positions of each that are read first, by an encoder beside a decoder; 0 where there is none.
    pub source_seq: usize,
}

/// What a step of training costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepCost {
    /// Operations, forward and backward.
    pub flops: u64,
    /// Bytes kept for the backward pass, in single precision; an estimate.
    pub activation_bytes: u64,
}

impl ModelConfig {
    /// What one batch costs a model of the given parameters, made from this config.
    pub fn step_cost(&self, parameters: &[Parameter], batch: BatchShape) -> StepCost {
        let (seq, source_seq) = (batch.seq as u64, batch.source_seq as u64);
        let cost = self.cost(parameters);
        let source = cost.source_token.unwrap_or_default();
        // Attention grows with the positions there are.
        let forward = |token: TokenCost, seq: u64, most: Option<usize>| {
            let matrices = 2 * token.n_multiplied;
            let most = most.map_or(seq, |most| most as u64).max(1);
            seq * matrices + seq * (token.flops - matrices) * seq / most
        };
        let passed_over: u64 = parameters
            .iter()
            .filter(|parameter| parameter.shape.len() > 1)
            .map(|parameter| {
                let n_passed_over = seq - self.n_read(&parameter.path, seq);
                2 * n_passed_over * n_numbers(&parameter.shape)
            })
            .sum();
        let flops = forward(cost.token, seq, self.n_positions())
            + forward(source, source_seq, self.n_source_positions())
            - passed_over;
        let kept = self.kept(parameters, seq, source_seq);
        StepCost {
            flops: 3 * batch.n_rows as u64 * flops,
            activation_bytes: 4 * batch.n_rows as u64 * kept,
        }
    }

    /// How many of a row's tokens are multiplied by a matrix.
    fn n_read(&self, path: &str, seq: u64) -> u64 {
        let guesses = matches!(self, Self::Bert(config) if config.masked.is_some());
        let is_head = path.starts_with("masked.")
            || self.is_tied() && path.ends_with("embedding.tokens.weight");
        match guesses && is_head {
            true => seq * 15 / 100,
            false => seq,
        }
    }

    /// Numbers kept of one row.
    fn kept(&self, parameters: &[Parameter], seq: u64, source_seq: u64) -> u64 {
        let is_pair = source_seq > 0;
        let (mut beside, mut scores) = (0, 0);
        for Parameter { path, shape } in parameters {
            let is_source = is_pair && is_of_source(path);
            let is_memory =
                path.contains("cross_attention.key") || path.contains("cross_attention.value");
            let n_tokens = if is_source || is_memory {
                source_seq
            } else {
                self.n_read(path, seq)
            };
            let &[.., d_input, d_output] = shape.as_slice() else {
                continue;
            };
            let is_head = self.is_tied() && path.ends_with("embedding.tokens.weight");
            if is_head || !is_looked_up(path) {
                beside += self.n_applied(path) * n_tokens * (d_input + d_output) as u64;
            }
            if path.ends_with("attention.query.weight") {
                let stack = if is_source {
                    self.encoder()
                } else {
                    self.decoder()
                };
                let n_heads = stack.map_or(1, |stack| stack.n_heads as u64);
                let n_keys = if path.contains("cross_attention") {
                    source_seq
                } else {
                    n_tokens
                };
                scores += n_heads * n_tokens * n_keys;
            }
        }
        let is_recurrent = matches!(self, Self::RnnLm(_) | Self::RnnSeq2Seq(_));
        beside * if is_recurrent { 5 } else { 3 } / 2 + 4 * scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use hearth_model::{BertConfig, GptConfig, TransformerConfig};

    fn cost(config: &ModelConfig, [n_rows, seq, source_seq]: [usize; 3]) -> StepCost {
        let parameters = config.parameters::<Flex>(&Default::default());
        let batch = BatchShape {
            n_rows,
            seq,
            source_seq,
        };
        config.step_cost(&parameters, batch)
    }

    #[test]
    fn a_step_over_full_contexts_is_three_passes_and_over_half_of_them_has_a_quarter_of_attention()
    {
        let config = ModelConfig::Gpt(GptConfig::tiny(11));
        let token = config.cost(&config.parameters::<Flex>(&Default::default()));
        let n = config.n_positions().expect("positions");
        let (whole, matrices) = (token.token.flops, 2 * token.token.n_multiplied);
        let full = cost(&config, [5, n, 0]);
        assert_eq!(full.flops, 3 * 5 * n as u64 * whole);
        let half = cost(&config, [5, n / 2, 0]);
        let attention = (whole - matrices) / 2;
        assert_eq!(half.flops, 3 * 5 * (n / 2) as u64 * (matrices + attention));
    }

    #[test]
    fn a_head_of_masks_reads_those_alone() {
        let config = BertConfig::tiny(1000).masked_lm();
        let d = config.encoder.d_model as u64;
        let (masked, bare) = (
            ModelConfig::Bert(config.clone()),
            ModelConfig::Bert(BertConfig {
                masked: None,
                ..config
            }),
        );
        let [with, without] = [masked, bare].map(|config| cost(&config, [1, 20, 0]));
        // Three of twenty tokens, by the layer before the head and by the head.
        let head = 3 * 2 * 3 * (d * d + 1000 * d);
        assert_eq!(with.flops - without.flops, head);
        assert!(with.activation_bytes > without.activation_bytes);
    }

    #[test]
    fn what_is_kept_lies_around_matrices_and_attention() {
        let config = GptConfig::tiny(11);
        let (d, d_ff) = (config.decoder.d_model, config.decoder.d_ff);
        let (layers, heads) = (config.decoder.n_layers, config.decoder.n_heads);
        let found = cost(&ModelConfig::Gpt(config), [2, 3, 0]).activation_bytes;
        let beside = 3 * (layers * (4 * 2 * d + 2 * (d + d_ff)) + d + 11);
        let scores = layers * heads * 3 * 3;
        assert_eq!(found, (4 * 2 * (beside * 3 / 2 + 4 * scores)) as u64);

        let config = TransformerConfig::tiny(11);
        let (d, d_ff) = (config.decoder.d_model, config.decoder.d_ff);
        let (layers, heads) = (config.decoder.n_layers, config.decoder.n_heads);
        let found = cost(&ModelConfig::Transformer(config), [1, 3, 5]).activation_bytes;
        // Of cross-attention the keys and the values are the source's.
        let source = 5 * layers * (4 * 2 * d + 2 * (d + d_ff) + 2 * 2 * d);
        let target = 3 * (layers * (4 * 2 * d + 2 * (d + d_ff) + 2 * 2 * d) + d + 11);
        let scores = layers * heads * (5 * 5 + 3 * 3 + 3 * 5);
        let expected = 4 * ((source + target) * 3 / 2 + 4 * scores);
        assert_eq!(found, expected as u64);
    }
}
