//! Sequences of different lengths as one rectangle.

use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;

/// Padded sequences, and where the padding is.
#[derive(Debug, Clone)]
pub struct Padded<B: Backend> {
    /// `[batch, seq]`
    pub tokens: Tensor<B, 2, Int>,
    /// `[batch, seq]`, true where a token is padding; none where nothing is.
    pub padding_mask: Option<Tensor<B, 2, Bool>>,
}

/// Pads behind the sequences, as encoders and training targets want it.
pub fn pad_right<B: Backend, S: AsRef<[TokenId]>>(
    sequences: &[S],
    pad: TokenId,
    device: &B::Device,
) -> Padded<B> {
    let (batch, seq) = (sequences.len(), longest(sequences));
    let mut tokens = Vec::with_capacity(batch * seq);
    let mut hidden = Vec::with_capacity(batch * seq);
    for sequence in sequences {
        let sequence = sequence.as_ref();
        let n_padding = seq - sequence.len();
        tokens.extend(sequence.iter().map(|&id| i64::from(id)));
        tokens.extend(std::iter::repeat_n(i64::from(pad), n_padding));
        hidden.extend(std::iter::repeat_n(false, sequence.len()));
        hidden.extend(std::iter::repeat_n(true, n_padding));
    }
    let padding_mask = hidden
        .contains(&true)
        .then(|| Tensor::from_data(TensorData::new(hidden, [batch, seq]), device));
    Padded {
        tokens: Tensor::from_data(TensorData::new(tokens, [batch, seq]), device),
        padding_mask,
    }
}

/// Pads before the sequences, so that all end at the same place and can be continued together. Also returns how many
/// columns of each row are padding.
///
/// - returns `[batch, seq]`
pub fn pad_left<B: Backend, S: AsRef<[TokenId]>>(
    sequences: &[S],
    pad: TokenId,
    device: &B::Device,
) -> (Tensor<B, 2, Int>, Vec<usize>) {
    let (batch, seq) = (sequences.len(), longest(sequences));
    let n_hidden: Vec<usize> = sequences.iter().map(|s| seq - s.as_ref().len()).collect();
    let mut tokens = Vec::with_capacity(batch * seq);
    for (sequence, &n_padding) in sequences.iter().zip(&n_hidden) {
        tokens.extend(std::iter::repeat_n(i64::from(pad), n_padding));
        tokens.extend(sequence.as_ref().iter().map(|&id| i64::from(id)));
    }
    (
        Tensor::from_data(TensorData::new(tokens, [batch, seq]), device),
        n_hidden,
    )
}

fn longest<S: AsRef<[TokenId]>>(sequences: &[S]) -> usize {
    sequences
        .iter()
        .map(|s| s.as_ref().len())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    #[test]
    fn the_right_side_is_padded_and_masked() {
        let padded = pad_right::<Flex, _>(&[vec![5, 6, 7], vec![8]], 0, &Default::default());
        let tokens: Vec<i64> = padded.tokens.into_data().iter().collect();
        assert_eq!(tokens, [5, 6, 7, 8, 0, 0]);
        let mask: Vec<bool> = padded
            .padding_mask
            .expect("a mask")
            .into_data()
            .iter()
            .collect();
        assert_eq!(mask, [false, false, false, false, true, true]);
    }

    #[test]
    fn equal_lengths_need_no_mask() {
        let padded = pad_right::<Flex, _>(&[vec![5, 6], vec![8, 9]], 0, &Default::default());
        assert!(padded.padding_mask.is_none());
    }

    #[test]
    fn the_left_side_is_padded_and_counted() {
        let (tokens, n_hidden) =
            pad_left::<Flex, _>(&[vec![5, 6, 7], vec![8]], 0, &Default::default());
        let tokens: Vec<i64> = tokens.into_data().iter().collect();
        assert_eq!(tokens, [5, 6, 7, 0, 0, 8]);
        assert_eq!(n_hidden, [0, 2]);
    }
}
