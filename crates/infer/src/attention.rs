//! Where a model looks as it reads or writes, as numbers on the host.

use crate::error::{InferError, known_tokens};
use crate::logits::to_floats;
use crate::prompts::{TokenSource, check, not_longer, source_batch};
use burn::tensor::{Tensor, backend::Backend, s};
use hearth_batch::{PairTokens, pad_right};
use hearth_data::TokenId;
use hearth_model::{CrossAttention, SelfAttention};

/// Which of a model's maps is asked for. Both count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionChoice {
    /// The layer.
    pub layer: usize,
    /// The head; none for the mean of them all.
    pub head: Option<usize>,
}

/// How much each query looks at each key: a row a query, which sums to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMap {
    /// The number of rows.
    pub n_queries: usize,
    /// The number of columns.
    pub n_keys: usize,
    /// Row by row.
    pub weights: Vec<f32>,
}

/// How much each token of a text looks at those up to itself.
///
/// # Errors
/// There are no tokens, more than the model has positions for, or unknown ones; the model computes what is no number.
///
/// # Panics
/// If the model has no such layer or head: see
/// [`self_attention_size`](SelfAttention::self_attention_size).
pub fn self_attention<B: Backend, M: SelfAttention<B>>(
    model: &M,
    tokens: &[TokenId],
    choice: AttentionChoice,
    device: &B::Device,
) -> Result<AttentionMap, InferError> {
    check("text", &[tokens], model.vocab())?;
    not_longer("text", &[tokens], model.max_positions())?;
    let tokens = pad_right(&[tokens], 0, device).tokens;
    choice.of(&model.self_attention(tokens))
}

/// How much a model looks at each token of a source as it writes each token of a target.
///
/// - `special`: the token that a target begins behind; it has no row
///
/// # Errors
/// A side has no tokens, more than the model has positions for, or unknown ones; the model computes what is no number.
///
/// # Panics
/// If the model has no such layer or head: see
/// [`cross_attention_size`](CrossAttention::cross_attention_size).
pub fn cross_attention<B: Backend, M: TokenSource<B> + CrossAttention<B>>(
    model: &M,
    source: &[TokenId],
    target: &[TokenId],
    special: PairTokens,
    choice: AttentionChoice,
    device: &B::Device,
) -> Result<AttentionMap, InferError> {
    check("target", &[target], model.vocab())?;
    not_longer("target", &[target], model.max_positions())?;
    known_tokens(&[special.start], model.vocab())?;
    let source = source_batch(model, &[source], special.pad, device)?;
    // Row `i` looks where the token behind it is chosen.
    let input = [&[special.start], &target[..target.len() - 1]].concat();
    let input = pad_right(&[input], special.pad, device).tokens;
    choice.of(&model.cross_attention(source.tokens, source.padding_mask, input))
}

impl AttentionChoice {
    /// - `maps`: `[1, n_heads, query_seq, key_seq]` of each layer
    fn of<B: Backend>(self, maps: &[Tensor<B, 4>]) -> Result<AttentionMap, InferError> {
        let Self { layer, head } = self;
        assert!(layer < maps.len(), "layer {layer} of {}", maps.len());
        let map = maps[layer].clone();
        let [_, n_heads, n_queries, n_keys] = map.dims();
        let map = match head {
            Some(head) => {
                assert!(head < n_heads, "head {head} of {n_heads}");
                map.slice(s![.., head..head + 1, .., ..])
            }
            None => map.mean_dim(1),
        };
        let weights = to_floats(map);
        match weights.iter().position(|weight| !weight.is_finite()) {
            Some(place) => Err(InferError::NonFinite {
                row: 0,
                n_tokens: place / n_keys + 1,
            }),
            None => Ok(AttentionMap {
                n_queries,
                n_keys,
                weights,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use hearth_model::{GptConfig, TransformerConfig};

    const LAST: AttentionChoice = AttentionChoice {
        layer: 1,
        head: None,
    };

    #[test]
    fn the_mean_of_the_heads_is_their_mean() {
        let device = Default::default();
        let gpt = GptConfig::tiny(11).init::<Flex>(&device);
        let text = [1, 5, 3, 9];
        let of = |head| {
            let choice = AttentionChoice { layer: 0, head };
            self_attention(&gpt, &text, choice, &device).expect("a map")
        };
        let (mean, one, two) = (of(None), of(Some(0)), of(Some(1)));
        assert_eq!((mean.n_queries, mean.n_keys), (4, 4));
        assert_ne!(one, two);
        for (i, mean) in mean.weights.iter().enumerate() {
            assert!((mean - (one.weights[i] + two.weights[i]) / 2.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_row_is_of_the_token_that_is_written_and_knows_nothing_of_it() {
        let device = Default::default();
        let model = TransformerConfig::tiny(11).init::<Flex>(&device);
        let special = PairTokens { start: 1, pad: 0 };
        let of = |target: &[TokenId]| {
            cross_attention(&model, &[4, 5, 6], target, special, LAST, &device).expect("a map")
        };
        let (one, other) = (of(&[7, 8]), of(&[7, 9]));
        assert_eq!((one.n_queries, one.n_keys), (2, 3));
        assert_eq!(one, other);
        assert_ne!(one.weights[3..], of(&[9, 8]).weights[3..]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let device = Default::default();
        let gpt = GptConfig::tiny(11).init::<Flex>(&device);
        let of =
            |text: &[TokenId]| self_attention(&gpt, text, LAST, &device).expect_err("an error");
        assert!(matches!(of(&[]), InferError::Empty { .. }));
        assert!(matches!(of(&[11]), InferError::UnknownToken { .. }));
        assert!(matches!(of(&[1; 33]), InferError::TooLong { .. }));
    }
}
