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
//! a target sees all of its source, which is twice as much. Under a window of `W` of `n` positions a token sees
//! `W - W² / 2n` on average, one of an encoder twice as many.
//!
//! Embeddings are looked up, not multiplied, and do not count. The head does: Kaplan et al. leave it out of `N` and count
//! it beside, and a head that is tied to the embedding costs what another costs. A convolution counts as often as it is
//! applied for one vector of what the encoder reads.

mod step;

pub use step::{BatchShape, StepCost};

use crate::config::ModelConfig;
use crate::parameters::Parameter;
use hearth_model::StackConfig;

/// What a model costs, by its shapes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the weights in single precision.
    pub weight_bytes: u64,
    /// Bytes of keys and values that are held at most while a text is written, in single precision: over a full context,
    /// or as much of it as a window leaves. None where no context is the longest.
    pub cache_bytes: Option<u64>,
    /// A token that is predicted: of a decoder.
    pub token: TokenCost,
    /// A token, or a vector of frames, that is read first: of an encoder. None where there is no encoder beside a decoder.
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
        let is_pair = self.encoder().is_some() || matches!(self, Self::RnnSeq2Seq(_));
        let (mut token, mut source) = (TokenCost::default(), TokenCost::default());
        let (mut own, mut cross) = (0, 0);
        for Parameter { path, shape } in parameters {
            let is_source = is_pair && is_of_source(path);
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
            if !is_looked_up(path) {
                cost.n_multiplied += self.n_applied(path) * n_numbers(shape);
            }
            let is_kept = path.ends_with(".key.weight") || path.ends_with(".value.weight");
            if is_kept && !is_source {
                cost.cache_bytes += 4 * width as u64;
            }
            if path.ends_with("cross_attention.query.weight") {
                cross += 4 * width as u64;
            } else if path.ends_with("self_attention.query.weight") {
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
        let n_positions = self.n_positions();
        let n_source_positions = self.n_source_positions().unwrap_or(0) as u64;
        token.attention_flops_per_position = own + cross;
        let context = n_positions.unwrap_or(0) as u64;
        let sees_ahead = matches!(self, Self::Bert(_) | Self::Vit(_));
        let of_own = twice_seen(own, context, self.decoder());
        let of_own = if sees_ahead { of_own } else { of_own / 2 };
        token.flops = 2 * token.n_multiplied + of_own + cross * n_source_positions;
        if sees_ahead {
            // Nothing is kept, for nothing is written.
            token.cache_bytes = 0;
        }
        source.flops = 2 * source.n_multiplied
            + twice_seen(
                source.attention_flops_per_position,
                n_source_positions,
                self.encoder(),
            );
        let cache_bytes = n_positions.map(|n| {
            let n_held = self.decoder().map_or(0, |decoder| decoder.n_cached(n));
            token.cache_bytes * n_held as u64 + source.cache_bytes * n_source_positions
        });
        Cost {
            weight_bytes: parameters.iter().map(|p| 4 * n_numbers(&p.shape)).sum(),
            cache_bytes,
            token,
            source_token: is_pair.then_some(source),
        }
    }

    /// The layers that write or, of a model that writes nothing, those that read.
    fn decoder(&self) -> Option<&StackConfig> {
        match self {
            Self::Gpt(config) => Some(&config.decoder),
            Self::Transformer(config) => Some(&config.decoder),
            Self::EncoderDecoder(config) => Some(&config.decoder),
            Self::SpeechToText(config) => Some(&config.decoder),
            // What reads is where its tokens are.
            Self::Bert(config) => Some(&config.encoder),
            Self::Vit(config) => Some(&config.encoder),
            Self::RnnLm(_) | Self::RnnSeq2Seq(_) => None,
        }
    }

    /// The layers that read what is not written.
    fn encoder(&self) -> Option<&StackConfig> {
        match self {
            Self::Transformer(config) => Some(&config.encoder),
            Self::EncoderDecoder(config) => Some(&config.encoder),
            Self::SpeechToText(config) => Some(&config.encoder),
            _ => None,
        }
    }

    /// The most positions a source can have, where the model says so.
    fn n_source_positions(&self) -> Option<usize> {
        match self {
            Self::SpeechToText(config) => Some(config.frames.max_positions),
            _ => self.n_positions(),
        }
    }

    /// How often a matrix is applied for a token: a convolution twice as often as the next, which reads every second of
    /// its outputs.
    fn n_applied(&self, path: &str) -> u64 {
        let Self::SpeechToText(config) = self else {
            return 1;
        };
        let is_at = |i: &usize| path.starts_with(&format!("{CONVOLUTIONS}{i}."));
        let n = config.frames.kernels.len();
        (0..n).find(is_at).map_or(1, |i| 1 << (n - 1 - i))
    }
}

const CONVOLUTIONS: &str = "frames.convolutions.";

/// Whether a parameter of a model that has an encoder belongs to what reads the source.
fn is_of_source(path: &str) -> bool {
    ["frames.", "ctc_head.", "source.", "attention.key."]
        .iter()
        .any(|part| path.starts_with(part))
        || path.contains("encoder.")
}

/// Whether rows are taken of a matrix, which then is no factor.
fn is_looked_up(path: &str) -> bool {
    let names = ["tokens", "positions", "segments", "class"];
    let mut parts = path.split('.');
    parts.any(|part| part.contains("embedding") || names.contains(&part))
}

/// Twice what attention costs a token on average behind a causal mask, which is what it costs without one.
///
/// - `flops`: for each position that is looked at
fn twice_seen(flops: u64, n_positions: u64, stack: Option<&StackConfig>) -> u64 {
    let window = stack.and_then(|stack| stack.window);
    let window = window.map_or(n_positions, |window| n_positions.min(window as u64));
    if window == n_positions {
        return flops * n_positions;
    }
    // 2 W - W² / n, rounded once.
    let squares = (2 * n_positions)
        .saturating_sub(window)
        .saturating_mul(window);
    flops.saturating_mul(squares) / n_positions
}

fn n_numbers(shape: &[usize]) -> u64 {
    shape.iter().map(|&axis| axis as u64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use hearth_model::{
        BertConfig, EncoderDecoderConfig, GptConfig, RnnAttentionKind, RnnKind, RnnLmConfig,
        RnnSeq2SeqConfig, RnnSize, SpeechToTextConfig, StackSize, TransformerConfig, VitConfig,
    };

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
        assert_eq!(cost.cache_bytes, Some(20 * expected.cache_bytes));
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
        let bytes = (cost.token.cache_bytes + read.cache_bytes) * n_positions as u64;
        assert_eq!(cost.cache_bytes, Some(bytes));
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
        assert_eq!(cost.cache_bytes, None);
    }

    #[test]
    fn a_window_bounds_the_cache_and_what_a_token_looks_at() {
        let size = StackSize {
            d_model: 8,
            n_heads: 4,
            n_layers: 3,
        };
        let windowed = |window| {
            let mut config = GptConfig::llama(11, 1000, size);
            config.decoder.n_kv_heads = Some(2);
            config.decoder.window = window;
            cost(ModelConfig::Gpt(config))
        };
        let attention = |cost: &Cost| cost.token.flops - 2 * cost.token.n_multiplied;
        let whole = windowed(None);
        // Keys and values of two heads, two wide, in three layers.
        assert_eq!(whole.token.cache_bytes, 3 * 2 * 2 * 2 * 4);
        assert_eq!(whole.cache_bytes, Some(1000 * whole.token.cache_bytes));
        assert_eq!(attention(&whole), 500 * 4 * 3 * 8);
        // Nine past keys and a block of 64; ten keys a token, fewer only at the beginning: 10 - 10² / 2000.
        let narrow = windowed(Some(10));
        assert_eq!(narrow.cache_bytes, Some(73 * whole.token.cache_bytes));
        assert_eq!(attention(&narrow), 4 * 3 * 8 * (2 * 10 * 1000 - 100) / 2000);
        assert!(attention(&narrow) <= 10 * whole.token.attention_flops_per_position);
        // A window as wide as the context is none.
        assert_eq!(windowed(Some(1000)).token.flops, whole.token.flops);
        assert_eq!(windowed(Some(5000)), whole);
    }

    #[test]
    fn a_recurrent_model_multiplies_its_matrices_and_keeps_no_keys() {
        let size = RnnSize {
            d_embedding: 5,
            d_hidden: 7,
            n_layers: 2,
        };
        for (kind, n_parts) in [(RnnKind::Lstm, 4), (RnnKind::Gru, 3)] {
            let cost = cost(ModelConfig::RnnLm(RnnLmConfig::new(kind, 11, size)));
            // Each layer its input and its state; the head.
            let layers = n_parts * 7 * (5 + 7) + n_parts * 7 * (7 + 7);
            let expected = TokenCost {
                n_multiplied: layers + 11 * 7,
                cache_bytes: 0,
                attention_flops_per_position: 0,
                flops: 2 * (layers + 11 * 7),
            };
            assert_eq!(cost.token, expected);
            assert_eq!((cost.source_token, cost.cache_bytes), (None, Some(0)));
            // Two biases a layer, the embedding, and the bias of the head.
            let others = 2 * 2 * n_parts * 7 + 11 * 5 + 11;
            assert_eq!(cost.weight_bytes, 4 * (layers + 11 * 7 + others));
        }
        let mut tied = RnnLmConfig::tiny(RnnKind::Gru, 11);
        tied.tied = true;
        let cost = cost(ModelConfig::RnnLm(tied));
        assert_eq!(cost.token.n_multiplied, 2 * 3 * 16 * 32 + 11 * 16);
    }

    #[test]
    fn a_model_that_reads_sees_all_and_keeps_nothing() {
        let config = BertConfig::tiny(11).masked_lm();
        let (d, d_ff, layers) = (16, 64, 2);
        let bert = cost(ModelConfig::Bert(config));
        // The layers, and the head: a layer and the tied matrix.
        let multiplied = layers * (4 * d * d + 2 * d * d_ff) + d * d + 11 * d;
        assert_eq!(bert.token.n_multiplied, multiplied);
        assert_eq!(bert.token.flops, 2 * multiplied + 4 * layers * d * 32);
        assert_eq!((bert.token.cache_bytes, bert.cache_bytes), (0, Some(0)));
        let vit = cost(ModelConfig::Vit(VitConfig::tiny(3)));
        // Patches of 4 x 4, four of them and the vector of the image.
        let multiplied = layers * (4 * d * d + 2 * d * d_ff) + 16 * d + 3 * d;
        assert_eq!(vit.token.n_multiplied, multiplied);
        assert_eq!(vit.token.flops, 2 * multiplied + 4 * layers * d * 5);
    }

    #[test]
    fn a_recurrent_pair_reads_its_source_apart() {
        let attention = RnnAttentionKind::Multiplicative;
        let config = RnnSeq2SeqConfig::tiny(RnnKind::Gru, attention, 11);
        let cost = cost(ModelConfig::RnnSeq2Seq(config));
        let (d, network) = (16, 2 * 3 * 16 * 32);
        let read = cost.source_token.expect("a source");
        // Its layers, and the keys of attention.
        assert_eq!(read.n_multiplied, network + d * d);
        // Its layers, what joins a state and what it saw, and the head.
        assert_eq!(cost.token.n_multiplied, network + 2 * d * d + 11 * d);
    }

    #[test]
    fn a_model_of_speech_reads_frames_apart_from_its_text() {
        let mut config = SpeechToTextConfig::tiny(11);
        config.ctc = true;
        let cost = cost(ModelConfig::SpeechToText(config));
        // 16 wide, a layer each, 64 in between; 8 mels, five frames a kernel, 16 and 32 positions.
        let (d, d_ff) = (16, 64);
        let target = 4 * d * d + 2 * d * d + 2 * d * d_ff + 11 * d;
        assert_eq!(cost.token.n_multiplied, target);
        // The first convolution is applied twice for each vector behind the second.
        let convolutions = 2 * 64 * 8 * 5 + 2 * d * 32 * 5;
        let source = convolutions + 4 * d * d + 2 * d * d_ff + 2 * d * d + 11 * d;
        let read = cost.source_token.expect("a source");
        assert_eq!(read.n_multiplied, source);
        // Half of 32 positions of its own, and all 16 of the sound.
        assert_eq!(cost.token.flops, 2 * target + 4 * d * (16 + 16));
        assert_eq!(read.flops, 2 * source + 4 * d * 16);
        assert_eq!(cost.token.cache_bytes, 2 * d * 4);
        assert_eq!(cost.cache_bytes, Some(2 * d * 4 * (32 + 16)));
    }
}
