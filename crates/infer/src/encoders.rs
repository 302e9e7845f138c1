//! What models that read and do not write are asked for: a class, an embedding, what stands under a mask.

use crate::ensemble::Mixture;
use crate::error::{InferError, known_tokens};
use crate::logits::to_floats;
use crate::prompts::not_longer;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend};
use hearth_batch::pad_right;
use hearth_data::TokenId;
use hearth_model::{Bert, Pooling, Vit};

/// One token that might stand under a mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    /// The token.
    pub id: TokenId,
    /// How probable it is.
    pub probability: f64,
}

/// The tokens that might stand at one masked position.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskGuesses {
    /// Where in the text, counted in tokens.
    pub position: usize,
    /// The likeliest first.
    pub guesses: Vec<Guess>,
}

/// A vector for each text.
///
/// - `pad`: the id that fills short texts up; hidden from the model
/// - returns as many numbers a text as the model is wide
///
/// # Errors
/// A text is empty, too long, or has unknown tokens; the model computes what is no number.
pub fn embed<B: Backend>(
    model: &Bert<B>,
    texts: &[Vec<TokenId>],
    pad: TokenId,
    pooling: Pooling,
    device: &B::Device,
) -> Result<Vec<Vec<f32>>, InferError> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let (hidden, padding_mask) = read(model, texts, pad, device)?;
    let vectors = model.pool(pooling, hidden, padding_mask);
    rows(vectors, |row| texts[row].len())
}

/// How probable each class is for each text; none for a model without classes.
///
/// - `pad`: the id that fills short texts up; hidden from the model
/// - returns a probability a class
///
/// # Errors
/// As [`embed`].
pub fn classify<B: Backend>(
    model: &Bert<B>,
    texts: &[Vec<TokenId>],
    pad: TokenId,
    device: &B::Device,
) -> Result<Option<Vec<Vec<f32>>>, InferError> {
    if texts.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let (hidden, padding_mask) = read(model, texts, pad, device)?;
    let Some(logits) = model.class_logits(hidden, padding_mask) else {
        return Ok(None);
    };
    rows(softmax(logits, 1), |row| texts[row].len()).map(Some)
}

/// How probable each class is for each image.
///
/// - `images`: the numbers of each, `[n_channels, height, width]`
/// - returns a probability a class
///
/// # Errors
/// An image is not of the model's size; the model computes what is no number.
pub fn classify_images<B: Backend>(
    model: &Vit<B>,
    images: &[Vec<f32>],
    device: &B::Device,
) -> Result<Vec<Vec<f32>>, InferError> {
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let size = model.image();
    let expected = size.n_channels * size.height * size.width;
    if let Some((row, image)) = images.iter().enumerate().find(|(_, i)| i.len() != expected) {
        let found = image.len();
        return Err(InferError::ImageSize {
            row,
            found,
            expected,
        });
    }
    let shape = [images.len(), size.n_channels, size.height, size.width];
    let pixels = Tensor::from_data(TensorData::new(images.concat(), shape), device);
    rows(softmax(model.forward(pixels), 1), |_| 0)
}

/// What several models find of one thing, as one: the weighted mean of their probabilities or, made to sum to 1 again, of
/// their log-probabilities.
///
/// - `members`: the probability of each class by each model, and the model's weight
/// - returns a probability a class
pub fn mix_classes(members: &[(Vec<f32>, f64)], mixture: Mixture) -> Vec<f32> {
    let n_classes = members.iter().map(|(found, _)| found.len()).min();
    let total: f64 = members.iter().map(|(_, weight)| weight).sum();
    let mean = |class: usize| {
        let parts = members.iter().map(|(found, weight)| {
            let probability = f64::from(found[class]);
            weight / total
                * match mixture {
                    Mixture::Probabilities => probability,
                    Mixture::LogProbabilities => probability.ln(),
                }
        });
        match mixture {
            Mixture::Probabilities => parts.sum::<f64>(),
            Mixture::LogProbabilities => parts.sum::<f64>().exp(),
        }
    };
    let means: Vec<f64> = (0..n_classes.unwrap_or(0)).map(mean).collect();
    let sum = means.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    means.into_iter().map(|mean| (mean / sum) as f32).collect()
}

/// What might stand at each masked position of each text; none for a model that guesses no tokens.
///
/// - `pad`: the id that fills short texts up; hidden from the model
/// - `mask`: the id that masks
/// - `n_guesses`: how many for each position
///
/// # Errors
/// As [`embed`].
pub fn fill_mask<B: Backend>(
    model: &Bert<B>,
    texts: &[Vec<TokenId>],
    (pad, mask): (TokenId, TokenId),
    n_guesses: usize,
    device: &B::Device,
) -> Result<Option<Vec<Vec<MaskGuesses>>>, InferError> {
    if texts.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let (hidden, _) = read(model, texts, pad, device)?;
    let [batch, seq, d_model] = hidden.dims();
    let masked = |(row, text): (usize, &Vec<TokenId>)| {
        let positions = text.iter().enumerate().filter(|&(_, &id)| id == mask);
        let positions = positions.map(|(position, _)| (row, position));
        positions.collect::<Vec<_>>()
    };
    let places: Vec<(usize, usize)> = texts.iter().enumerate().flat_map(masked).collect();
    if places.is_empty() {
        return Ok(model
            .guesses_tokens()
            .then(|| vec![Vec::new(); texts.len()]));
    }
    // The head is by far the widest part: it runs where it is asked.
    let indices = places
        .iter()
        .map(|&(row, position)| (row * seq + position) as i64);
    let indices: Vec<i64> = indices.collect();
    let indices = Tensor::from_data(TensorData::from(indices.as_slice()), device);
    let hidden = hidden.reshape([batch * seq, d_model]).select(0, indices);
    let Some(logits) = model.token_logits(hidden.unsqueeze_dim(1)) else {
        return Ok(None);
    };
    let probabilities = softmax(logits, 2).reshape([places.len() as i32, -1]);
    let probabilities = rows(probabilities, |place| texts[places[place].0].len())?;
    let mut found = vec![Vec::new(); texts.len()];
    for ((row, position), probabilities) in places.into_iter().zip(&probabilities) {
        let guess = |&class: &usize| Guess {
            id: class as TokenId,
            probability: f64::from(probabilities[class]),
        };
        let guesses = likeliest(probabilities, n_guesses)
            .iter()
            .map(guess)
            .collect();
        found[row].push(MaskGuesses { position, guesses });
    }
    Ok(Some(found))
}

/// The classes of the highest probabilities, the highest first; of equal ones, the lowest number.
pub fn likeliest(probabilities: &[f32], n: usize) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    classes.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    classes.truncate(n);
    classes
}

/// `[batch, seq, d_model]`, and where it is padding: `[batch, seq]`.
type Read<B> = (Tensor<B, 3>, Option<Tensor<B, 2, Bool>>);

fn read<B: Backend>(
    model: &Bert<B>,
    texts: &[Vec<TokenId>],
    pad: TokenId,
    device: &B::Device,
) -> Result<Read<B>, InferError> {
    known_tokens(&[pad], model.vocab())?;
    for (row, text) in texts.iter().enumerate() {
        if text.is_empty() {
            return Err(InferError::Empty { what: "text", row });
        }
        known_tokens(text, model.vocab())?;
    }
    not_longer("text", texts, model.max_positions())?;
    let padded = pad_right(texts, pad, device);
    let hidden = model.encode(padded.tokens, None, padded.padding_mask.clone());
    Ok((hidden, padded.padding_mask))
}

/// The rows of a matrix, all of whose numbers must be finite.
fn rows<B: Backend>(
    matrix: Tensor<B, 2>,
    n_tokens: impl Fn(usize) -> usize,
) -> Result<Vec<Vec<f32>>, InferError> {
    let [_, width] = matrix.dims();
    let values = to_floats(matrix);
    let rows = values.chunks(width.max(1)).enumerate();
    let checked = rows.map(|(row, values)| {
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values.to_vec());
        }
        Err(InferError::NonFinite {
            row,
            n_tokens: n_tokens(row),
        })
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use hearth_model::{BertConfig, VitConfig};

    fn model() -> Bert<Flex> {
        Flex::seed(&Default::default(), 3);
        let config = BertConfig::tiny(11).masked_lm().classifier(3);
        config.init(&Default::default())
    }

    const TEXTS: [&[TokenId]; 3] = [&[1, 5, 3, 9], &[1, 2], &[4, 5, 5, 5, 2, 6]];

    fn near(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn classes_of_several_models_are_the_means_worked_out_by_hand() {
        let members = [(vec![0.6, 0.4], 1.0), (vec![0.1, 0.9], 3.0)];
        let found = mix_classes(&members, Mixture::Probabilities);
        assert!(near(&found, &[0.225, 0.775]));
        // 0.6^¼ 0.1^¾ and 0.4^¼ 0.9^¾
        let (one, other) = (0.156_508f32, 0.734_847_f32);
        let found = mix_classes(&members, Mixture::LogProbabilities);
        assert!(near(&found, &[one / (one + other), other / (one + other)]));
    }

    #[test]
    fn a_batch_gives_what_its_texts_alone_give() {
        let (model, device) = (model(), Default::default());
        let all = TEXTS.map(<[TokenId]>::to_vec);
        for pooling in [Pooling::Mean, Pooling::First, Pooling::Max] {
            let vectors = |texts: &[Vec<TokenId>]| embed(&model, texts, 0, pooling, &device);
            let together = vectors(&all).expect("vectors");
            let classes = |texts: &[Vec<TokenId>]| classify(&model, texts, 0, &device);
            let named = classes(&all).expect("classes").expect("a head");
            for (i, text) in all.iter().enumerate() {
                let alone = vectors(std::slice::from_ref(text)).expect("vectors");
                assert!(near(&together[i], &alone[0]));
                let alone = classes(std::slice::from_ref(text)).expect("classes");
                assert!(near(&named[i], &alone.expect("a head")[0]));
                assert!((named[i].iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn guesses_are_those_of_the_whole_head() {
        let (model, device) = (model(), Default::default());
        // 5 masks: twice at once, or never.
        let texts = TEXTS.map(<[TokenId]>::to_vec);
        let found = fill_mask(&model, &texts, (0, 5), 2, &device);
        let found = found.expect("guesses").expect("a head");
        let places: Vec<Vec<usize>> = found
            .iter()
            .map(|guesses| guesses.iter().map(|guess| guess.position).collect())
            .collect();
        assert_eq!(places, [vec![1], vec![], vec![1, 2, 3]]);
        let (hidden, _) = read(&model, &texts, 0, &device).expect("vectors");
        let logits = softmax(model.token_logits(hidden).expect("a head"), 2);
        let whole = to_floats(logits);
        let at = &whole[(2 * 6 + 3) * 11..][..11];
        let best = likeliest(at, 2);
        for (guess, class) in found[2][2].guesses.iter().zip(best) {
            assert_eq!(guess.id as usize, class);
            assert!((guess.probability - f64::from(at[class])).abs() < 1e-6);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let (model, device) = (model(), Default::default());
        let read = |text: &[TokenId]| embed(&model, &[text.to_vec()], 0, Pooling::Mean, &device);
        assert!(matches!(read(&[]), Err(InferError::Empty { .. })));
        assert!(matches!(read(&[11]), Err(InferError::UnknownToken { .. })));
        assert!(matches!(read(&[1; 33]), Err(InferError::TooLong { .. })));
        let vit: Vit<Flex> = VitConfig::tiny(2).init(&device);
        let images = [vec![0.0; 64], vec![0.0; 63]];
        let error = classify_images(&vit, &images, &device);
        assert!(matches!(error, Err(InferError::ImageSize { row: 1, .. })));
        let classes = classify_images(&vit, &images[..1], &device).expect("classes");
        assert_eq!(classes[0].len(), 2);
    }

    #[test]
    fn a_model_without_a_head_says_so() {
        let device = Default::default();
        let bare: Bert<Flex> = BertConfig::tiny(11).init(&device);
        let texts = [vec![1, 2]];
        assert_eq!(classify(&bare, &texts, 0, &device), Ok(None));
        assert_eq!(fill_mask(&bare, &texts, (0, 2), 1, &device), Ok(None));
        assert_eq!(fill_mask(&bare, &texts, (0, 3), 1, &device), Ok(None));
    }
}
