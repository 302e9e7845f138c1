//! Where a model looks: the weights of its attention, behind the softmax.
//!
//! Bahdanau et al. 2015, §5.2.1 <https://arxiv.org/abs/1409.0473> draw them as a picture of which source word a
//! translated word is made of. They are what [`Attention`](crate::Attention) itself computes, written down on the way: a pass
//! that nobody records goes by the fused kernel and costs nothing more.

use crate::autoregressive::{Conditional, LanguageModel};
use crate::cache::KeyValueCache;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};

/// The weights of one pass through a stack, in the order of its layers. Dropout is left out.
///
/// Each row sums to 1, or is nothing but zeros where a query sees no key.
#[derive(Debug, Clone, Default)]
pub struct AttentionMaps<B: Backend> {
    /// `[batch, n_heads, seq, seq]` of each layer.
    pub self_attention: Vec<Tensor<B, 4>>,
    /// `[batch, n_heads, target_seq, source_seq]` of each layer with cross-attention.
    pub cross_attention: Vec<Tensor<B, 4>>,
}

/// What a pass through a stack leaves behind besides its vectors, where that is wanted.
pub(crate) struct Record<'a, B: Backend> {
    /// Keys and values of the new positions, behind those of the past.
    pub(crate) caches: Option<&'a mut Vec<KeyValueCache<B>>>,
    /// Where the layers looked.
    pub(crate) maps: Option<&'a mut AttentionMaps<B>>,
}

/// How many maps a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionSize {
    /// Layers that look; 0 for a model without attention.
    pub n_layers: usize,
    /// Maps of each of them.
    pub n_heads: usize,
}

/// A language model that tells where in its own text it looks.
pub trait SelfAttention<B: Backend>: LanguageModel<B> {
    /// How many maps [`self_attention`](Self::self_attention) gives.
    fn self_attention_size(&self) -> AttentionSize;

    /// How much each position looks at those up to itself, layer by layer.
    ///
    /// - `tokens`: `[batch, seq]`, whole sequences that start at position 0
    /// - returns `[batch, n_heads, seq, seq]` of each layer
    fn self_attention(&self, tokens: Tensor<B, 2, Int>) -> Vec<Tensor<B, 4>>;
}

/// A model that tells where in a source it looks as it writes.
pub trait CrossAttention<B: Backend>: Conditional<B> {
    /// How many maps [`cross_attention`](Self::cross_attention) gives.
    fn cross_attention_size(&self) -> AttentionSize;

    /// How much each position of the target looks at those of the source, layer by layer.
    ///
    /// - `padding_mask`: where the source is padding, as in [`forward`](Conditional::forward)
    /// - `target`: `[batch, target_seq]`, starting with the start token: row `i` is how the token behind it is chosen
    /// - returns `[batch, n_heads, target_seq, source_seq]` of each layer; `source_seq` counts what the encoder made of
    ///   the source
    fn cross_attention(
        &self,
        source: Self::Source,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
    ) -> Vec<Tensor<B, 4>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        GptConfig, Initialisation, Mask, RnnAttentionKind, RnnKind, RnnSeq2SeqConfig,
        SpeechToTextConfig, StackConfig, StackSize, TestBackend, TransformerConfig, materialise,
    };
    use burn::tensor::{Distribution, TensorData, Tolerance};

    const SIZE: StackSize = StackSize {
        d_model: 16,
        n_heads: 4,
        n_layers: 2,
    };

    fn tokens<const SEQ: usize>(rows: [[i64; SEQ]; 2]) -> Tensor<TestBackend, 2, Int> {
        Tensor::from_data(TensorData::from(rows), &Default::default())
    }

    /// Calls `check` with the weight of each query (row of the batch, position) and key; and checks that the weights of a
    /// query sum to 1.
    fn each_weight(map: &Tensor<TestBackend, 4>, mut check: impl FnMut([usize; 3], f32)) {
        let [_, n_heads, query_seq, key_seq] = map.dims();
        let weights: Vec<f32> = map.to_data().iter().collect();
        for (i, row) in weights.chunks(key_seq).enumerate() {
            let total: f32 = row.iter().sum();
            assert!((total - 1.0).abs() < 1e-5, "row {i}: {total}");
            for (key, &weight) in row.iter().enumerate() {
                assert!(weight >= 0.0);
                check([i / (n_heads * query_seq), i % query_seq, key], weight);
            }
        }
    }

    fn spread(map: &Tensor<TestBackend, 4>) -> f32 {
        (map.clone().max() - map.clone().min()).into_scalar()
    }

    fn random(shape: [usize; 3]) -> Tensor<TestBackend, 3> {
        Tensor::random(shape, Distribution::Default, &Default::default())
    }

    #[test]
    fn a_pass_that_is_recorded_gives_the_vectors_of_any_other() {
        let device = Default::default();
        let config = StackConfig {
            cross_attention: true,
            ..StackConfig::llama(SIZE)
        };
        let stack = config.init::<TestBackend>(Initialisation::Xavier, &device);
        let stack = materialise(stack);
        let (x, mask) = (random([2, 9, 16]), Mask::causal(9, 9, &device));
        let memory = stack.memory(random([2, 4, 16]), None);
        let mut maps = AttentionMaps::default();
        let found = stack.whole(x.clone(), &mask, Some(&memory), Some(&mut maps));
        let expected = stack.forward(x, &mask, Some(&memory)).into_data();
        let found = found.into_data();
        found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
        assert_eq!(maps.self_attention[1].dims(), [2, 4, 9, 9]);
        assert_eq!(maps.cross_attention[1].dims(), [2, 4, 9, 4]);
    }

    #[test]
    fn a_language_model_looks_at_what_came_before_and_no_further_than_its_window() {
        let gpt2 = GptConfig::gpt2(11, 32, SIZE);
        let windowed = GptConfig {
            decoder: StackConfig {
                n_kv_heads: Some(2),
                window: Some(3),
                ..StackConfig::llama(SIZE)
            },
            ..GptConfig::llama(11, 32, SIZE)
        };
        for (config, window) in [(gpt2, 7), (windowed, 3)] {
            let gpt = config.init::<TestBackend>(&Default::default());
            let maps = gpt.self_attention(tokens([[1, 5, 3, 9, 2, 2, 4], [4, 4, 4, 1, 0, 7, 7]]));
            let size = gpt.self_attention_size();
            assert_eq!((size.n_layers, size.n_heads), (maps.len(), 4));
            for map in &maps {
                assert_eq!(map.dims(), [2, 4, 7, 7]);
                each_weight(map, |[_, query, key], weight| {
                    let is_seen = key <= query && key + window > query;
                    assert_eq!(weight > 0.0, is_seen, "{query} at {key}: {weight}");
                });
            }
        }
    }

    #[test]
    fn a_decoder_looks_at_the_source_and_not_at_its_padding() {
        let device = Default::default();
        let source = || tokens([[1, 5, 3, 0, 0], [2, 2, 4, 6, 1]]);
        let padding = [[false, false, false, true, true], [false; 5]];
        let padding = || Some(Tensor::from_data(padding, &device));
        let target = || tokens([[1, 5, 3], [1, 2, 2]]);
        let check = |maps: &[Tensor<TestBackend, 4>], size: AttentionSize| {
            assert_eq!(maps.len(), size.n_layers);
            for map in maps {
                assert_eq!(map.dims(), [2, size.n_heads, 3, 5]);
                each_weight(map, |[row, _, key], weight| {
                    assert_eq!(weight == 0.0, row == 0 && key > 2, "{key}: {weight}");
                });
                assert!(spread(map) > 1e-3);
            }
        };
        let config = TransformerConfig::vaswani(11, 32, SIZE);
        let model = config.init::<TestBackend>(&device);
        let maps = model.cross_attention(source(), padding(), target());
        check(&maps, model.cross_attention_size());
        assert_eq!(maps.len(), 2);

        for kind in [RnnKind::Lstm, RnnKind::Gru] {
            for attention in [
                RnnAttentionKind::Additive,
                RnnAttentionKind::Multiplicative,
                RnnAttentionKind::None,
            ] {
                let config = RnnSeq2SeqConfig::tiny(kind, attention, 11);
                let model = config.init::<TestBackend>(&device);
                let maps = model.cross_attention(source(), padding(), target());
                check(&maps, model.cross_attention_size());
                assert_eq!(maps.is_empty(), attention == RnnAttentionKind::None);
            }
        }
    }

    #[test]
    fn a_model_of_speech_looks_at_vectors_of_its_encoder() {
        let model = SpeechToTextConfig::tiny(11).init::<TestBackend>(&Default::default());
        let maps = model.cross_attention(random([2, 21, 8]), None, tokens([[1, 5, 3], [1, 2, 2]]));
        let size = model.cross_attention_size();
        assert_eq!(maps.len(), size.n_layers);
        for map in &maps {
            assert_eq!(map.dims(), [2, size.n_heads, 3, model.source_seq(21)]);
            each_weight(map, |_, weight| assert!(weight > 0.0));
        }
    }
}
