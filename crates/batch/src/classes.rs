//! Texts and images with the classes they belong to.

use crate::buckets::{BatchSize, Buckets};
use crate::content::{self, See};
use crate::error::BatchError;
use crate::noise::{TextNoise, shifted};
use crate::padding::pad_right;
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};
use hearth_data::{TextIds, TokenId};
use std::borrow::Cow;

/// What a model that names a class is trained on.
#[derive(Debug, Clone)]
pub struct ClassBatch<I, B: Backend> {
    /// What is read.
    pub input: I,
    /// `[batch, 1]`: the number of each class.
    pub labels: Tensor<B, 2, Int>,
    /// How many labels there are.
    pub n_labels: usize,
}

/// A supply of labelled batches; an epoch's order is a function of the seed and the epoch.
pub trait ClassBatches {
    /// What a model reads.
    type Input<B: Backend>;

    /// Shows all of it as bytes: for a hash that tells whether it is the same data.
    fn content(&self, see: &mut See<'_>);

    /// The batches of an epoch, as indices. Every item is in exactly one.
    fn epoch(&self, seed: u64, epoch: u64) -> Vec<Vec<usize>>;

    /// All items once: for validation.
    fn all(&self) -> Vec<Vec<usize>>;

    /// The tensors of some items.
    ///
    /// - `draw`: the seed of what is changed at random in them; none to have them as they are
    fn batch<B: Backend>(
        &self,
        indices: &[usize],
        draw: Option<u64>,
        device: &B::Device,
    ) -> ClassBatch<Self::Input<B>, B>;

    /// What is read, by name: to be looked at elsewhere.
    fn tensors<B: Backend>(input: Self::Input<B>) -> Vec<(String, TensorData)>;
}

/// Labels, one an item.
#[derive(Debug, Clone)]
struct Labels(Vec<usize>);

impl Labels {
    fn content(&self, see: &mut See<'_>) {
        content::count(self.0.len(), see);
        self.0.iter().for_each(|&label| content::count(label, see));
    }

    fn batch<I, B: Backend>(
        &self,
        indices: &[usize],
        input: I,
        device: &B::Device,
    ) -> ClassBatch<I, B> {
        let labels: Vec<i64> = indices.iter().map(|&i| self.0[i] as i64).collect();
        let shape = [labels.len(), 1];
        ClassBatch {
            input,
            n_labels: labels.len(),
            labels: Tensor::from_data(TensorData::new(labels, shape), device),
        }
    }
}

/// Texts as ids, each with its class.
#[derive(Debug, Clone)]
pub struct TextClasses {
    texts: Vec<TextIds>,
    labels: Labels,
    buckets: Buckets,
    pad: TokenId,
    noise: Option<TextNoise>,
}

impl TextClasses {
    /// # Errors
    /// If there is no text, or the batch size is zero.
    pub fn new(
        items: Vec<(TextIds, usize)>,
        batch_size: usize,
        pad: TokenId,
    ) -> Result<Self, BatchError> {
        if items.is_empty() {
            return Err(BatchError::NoItems);
        }
        let lengths = items.iter().map(|(text, _)| [text.ids.len(), 0]).collect();
        let buckets = Buckets::new(lengths, BatchSize::Pairs(batch_size))?;
        let (texts, labels) = items.into_iter().unzip();
        Ok(Self {
            texts,
            labels: Labels(labels),
            buckets,
            pad,
            noise: None,
        })
    }

    /// The same, changed by this each time they are drawn.
    pub fn with_noise(self, noise: TextNoise) -> Self {
        Self {
            noise: Some(noise),
            ..self
        }
    }

    /// How many texts there are.
    pub fn n_items(&self) -> usize {
        self.texts.len()
    }
}

impl ClassBatches for TextClasses {
    /// Tokens `[batch, seq]`, and where they are padding: `[batch, seq]`.
    type Input<B: Backend> = (Tensor<B, 2, Int>, Option<Tensor<B, 2, Bool>>);

    fn content(&self, see: &mut See<'_>) {
        self.labels.content(see);
        self.texts
            .iter()
            .for_each(|text| content::ids(&text.ids, see));
    }

    fn epoch(&self, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
        self.buckets.epoch(seed, epoch)
    }

    fn all(&self) -> Vec<Vec<usize>> {
        self.buckets.all()
    }

    fn batch<B: Backend>(
        &self,
        indices: &[usize],
        draw: Option<u64>,
        device: &B::Device,
    ) -> ClassBatch<Self::Input<B>, B> {
        let text = |&i: &usize| match (&self.noise, draw) {
            (Some(noise), Some(draw)) => Cow::Owned(noise.read(&self.texts[i], draw, i)),
            _ => Cow::Borrowed(self.texts[i].ids.as_slice()),
        };
        let texts: Vec<_> = indices.iter().map(text).collect();
        let padded = pad_right(&texts, self.pad, device);
        let input = (padded.tokens, padded.padding_mask);
        self.labels.batch(indices, input, device)
    }

    fn tensors<B: Backend>((tokens, _): Self::Input<B>) -> Vec<(String, TensorData)> {
        vec![("tokens".to_owned(), tokens.into_data())]
    }
}

/// Images of one size, each with its class.
#[derive(Debug, Clone)]
pub struct ImageClasses {
    /// Of all images, one behind the other.
    values: Vec<f32>,
    /// `[n_channels, height, width]`
    shape: [usize; 3],
    labels: Labels,
    buckets: Buckets,
    max_shift: usize,
}

impl ImageClasses {
    /// - `values`: of all images, each `[n_channels, height, width]`
    ///
    /// # Errors
    /// If there is no image, the batch size is zero, or there are not as many numbers as the images have.
    pub fn new(
        values: Vec<f32>,
        shape: [usize; 3],
        labels: Vec<usize>,
        batch_size: usize,
    ) -> Result<Self, BatchError> {
        if labels.is_empty() {
            return Err(BatchError::NoItems);
        }
        let expected = labels.len() * shape.iter().product::<usize>();
        if values.len() != expected {
            let found = values.len();
            return Err(BatchError::Pixels { found, expected });
        }
        let lengths = vec![[0, 0]; labels.len()];
        Ok(Self {
            values,
            shape,
            labels: Labels(labels),
            buckets: Buckets::new(lengths, BatchSize::Pairs(batch_size))?,
            max_shift: 0,
        })
    }

    /// The same, moved by up to so many pixels each way, each time they are drawn.
    pub fn with_shift(self, max_shift: usize) -> Self {
        Self { max_shift, ..self }
    }

    /// How many images there are.
    pub fn n_items(&self) -> usize {
        self.labels.0.len()
    }
}

impl ClassBatches for ImageClasses {
    /// `[batch, n_channels, height, width]`
    type Input<B: Backend> = Tensor<B, 4>;

    fn content(&self, see: &mut See<'_>) {
        self.labels.content(see);
        self.shape
            .iter()
            .for_each(|&size| content::count(size, see));
        content::numbers(&self.values, see);
    }

    fn epoch(&self, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
        self.buckets.epoch(seed, epoch)
    }

    fn all(&self) -> Vec<Vec<usize>> {
        self.buckets.all()
    }

    fn batch<B: Backend>(
        &self,
        indices: &[usize],
        draw: Option<u64>,
        device: &B::Device,
    ) -> ClassBatch<Tensor<B, 4>, B> {
        let [n_channels, height, width] = self.shape;
        let size = n_channels * height * width;
        let mut values = Vec::with_capacity(indices.len() * size);
        for &i in indices {
            let image = &self.values[i * size..(i + 1) * size];
            match draw.filter(|_| self.max_shift > 0) {
                Some(draw) => {
                    values.extend(shifted(image, self.shape, self.max_shift, (draw, i)));
                }
                None => values.extend_from_slice(image),
            }
        }
        let shape = [indices.len(), n_channels, height, width];
        let input = Tensor::from_data(TensorData::new(values, shape), device);
        self.labels.batch(indices, input, device)
    }

    fn tensors<B: Backend>(images: Tensor<B, 4>) -> Vec<(String, TensorData)> {
        vec![("images".to_owned(), images.into_data())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    fn labels(tensor: Tensor<Flex, 2, Int>) -> Vec<i64> {
        tensor.into_data().iter().collect()
    }

    #[test]
    fn every_text_keeps_its_class_and_comes_once_an_epoch() {
        // The class of a text is its length.
        let texts = (0..50)
            .map(|i| (vec![7; 1 + i % 9].into(), 1 + i % 9))
            .collect();
        let texts = TextClasses::new(texts, 4, 0).expect("texts");
        assert_eq!(texts.n_items(), 50);
        for batches in [texts.epoch(3, 0), texts.epoch(3, 1), texts.all()] {
            let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..50).collect::<Vec<_>>());
            for indices in batches {
                let batch = texts.batch::<Flex>(&indices, None, &Default::default());
                let tokens: Vec<i64> = batch.input.0.to_data().iter().collect();
                let [_, seq] = batch.input.0.dims();
                let lengths: Vec<i64> = tokens
                    .chunks(seq)
                    .map(|row| row.iter().filter(|&&id| id == 7).count() as i64)
                    .collect();
                assert_eq!(labels(batch.labels), lengths);
            }
        }
        assert_ne!(texts.epoch(3, 0), texts.epoch(3, 1));
    }

    #[test]
    fn every_image_keeps_its_class() {
        // The class of an image is in each of its six pixels.
        let values = (0..10).flat_map(|i| [i as f32; 6]).collect();
        let images = ImageClasses::new(values, [1, 2, 3], (0..10).collect(), 4).expect("images");
        for indices in images.epoch(1, 2) {
            let batch = images.batch::<Flex>(&indices, None, &Default::default());
            assert_eq!(batch.input.dims(), [indices.len(), 1, 2, 3]);
            let pixels: Vec<f32> = batch.input.to_data().iter().collect();
            let found: Vec<i64> = pixels.chunks(6).map(|image| image[5] as i64).collect();
            assert_eq!(labels(batch.labels), found);
        }
        let short = ImageClasses::new(vec![0.0; 11], [1, 2, 3], vec![0, 1], 4);
        let error = short.expect_err("a pixel is missing");
        let (found, expected) = (11, 12);
        assert_eq!(error, BatchError::Pixels { found, expected });
    }

    #[test]
    fn nothing_makes_no_batch() {
        assert!(TextClasses::new(Vec::new(), 4, 0).is_err());
        assert!(TextClasses::new(vec![(vec![1].into(), 0)], 0, 0).is_err());
        assert!(ImageClasses::new(Vec::new(), [1, 2, 3], Vec::new(), 4).is_err());
    }
}
