//! The stem of a model of images: an image becomes a vector a patch.

use crate::error::{ConfigError, at_least_one, rate};
use crate::initialisation::WeightInitialisers;
use crate::vit::ImageSize;
use burn::module::{Initializer, Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// Sizes of a [`PatchEmbedding`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchEmbeddingConfig {
    /// The images.
    pub image: ImageSize,
    /// The side of a square patch, in pixels.
    pub patch: usize,
    /// Width of a vector.
    pub d_model: usize,
    /// Dropout on the sum.
    pub dropout: f64,
}

impl PatchEmbeddingConfig {
    /// How many patches an image is cut into.
    pub fn n_patches(&self) -> usize {
        let patch = self.patch.max(1);
        (self.image.height / patch).saturating_mul(self.image.width / patch)
    }

    /// Whether a stem can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("n_channels", self.image.n_channels)?;
        at_least_one("patch", self.patch)?;
        at_least_one("d_model", self.d_model)?;
        rate("dropout", self.dropout)?;
        for (field, size) in [("height", self.image.height), ("width", self.image.width)] {
            at_least_one(field, size)?;
            if !size.is_multiple_of(self.patch) {
                let patch = self.patch;
                return Err(ConfigError::Patches { field, size, patch });
            }
        }
        Ok(())
    }

    pub(crate) fn init<B: Backend>(
        &self,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> PatchEmbedding<B> {
        let (n_channels, patch, d_model) = (self.image.n_channels, self.patch, self.d_model);
        let fan_in = n_channels * patch * patch;
        let shape = [d_model, n_channels, patch, patch];
        let table = |rows| initialisers.embedding.init([rows, d_model], device);
        PatchEmbedding {
            weight: initialisers
                .inner
                .init_with(shape, Some(fan_in), Some(d_model), device),
            bias: Initializer::Zeros.init([d_model], device),
            class: table(1),
            positions: table(1 + self.n_patches()),
            dropout: DropoutConfig::new(self.dropout).init(),
            height: self.image.height,
            width: self.image.width,
        }
    }
}

/// Patches, each multiplied by one matrix, behind a vector that stands for the image, and learned positions. Dosovitskiy
/// et al. 2021, §3.1.
#[derive(Module, Debug)]
pub struct PatchEmbedding<B: Backend> {
    /// `[d_model, n_channels, patch, patch]`
    weight: Param<Tensor<B, 4>>,
    /// `[d_model]`
    bias: Param<Tensor<B, 1>>,
    /// `[1, d_model]`: what the vector of the image starts from.
    class: Param<Tensor<B, 2>>,
    /// `[1 + n_patches, d_model]`
    positions: Param<Tensor<B, 2>>,
    dropout: Dropout,
    height: usize,
    width: usize,
}

impl<B: Backend> PatchEmbedding<B> {
    /// The size of the images.
    pub fn image(&self) -> ImageSize {
        let [_, n_channels, _, _] = self.weight.dims();
        ImageSize {
            n_channels,
            height: self.height,
            width: self.width,
        }
    }

    /// - `pixels`: `[batch, n_channels, height, width]`
    /// - returns `[batch, 1 + n_patches, d_model]`, patches row by row
    ///
    /// # Panics
    /// If the images are of another size.
    pub fn forward(&self, pixels: Tensor<B, 4>) -> Tensor<B, 3> {
        let [batch, n_channels, height, width] = pixels.dims();
        let found = ImageSize {
            n_channels,
            height,
            width,
        };
        assert_eq!(found, self.image(), "images of another size");
        let [d_model, _, patch, _] = self.weight.dims();
        let (rows, columns) = (height / patch, width / patch);
        // A convolution whose kernels do not overlap is a product with each patch.
        let patches = pixels
            .reshape([batch, n_channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch * rows * columns, n_channels * patch * patch]);
        let weight = self.weight.val().reshape([d_model as i32, -1]);
        let vectors = patches.matmul(weight.transpose()) + self.bias.val().unsqueeze::<2>();
        let vectors = vectors.reshape([batch, rows * columns, d_model]);
        let class = self.class.val().unsqueeze::<3>();
        let class = class.expand([batch, 1, d_model]);
        let vectors = Tensor::cat(vec![class, vectors], 1);
        let positions = self.positions.val().unsqueeze::<3>();
        self.dropout.forward(vectors + positions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initialisation, TestBackend, materialise};
    use burn::tensor::{Distribution, Tolerance, s};

    /// What a convolution with the patch as its kernel and as its stride gives.
    #[test]
    fn patches_are_a_convolution_without_overlap() {
        let device = Default::default();
        let config = PatchEmbeddingConfig {
            image: ImageSize {
                n_channels: 3,
                height: 4,
                width: 6,
            },
            patch: 2,
            d_model: 5,
            dropout: 0.0,
        };
        let initialisers = Initialisation::Xavier.initialisers(5, 1);
        let stem: PatchEmbedding<TestBackend> = materialise(config.init(&initialisers, &device));
        let pixels = Tensor::random([2, 3, 4, 6], Distribution::Default, &device);
        let options = burn::tensor::ops::ConvOptions::new([2, 2], [0, 0], [1, 1], 1);
        let (weight, bias) = (stem.weight.val(), Some(stem.bias.val()));
        let expected = burn::tensor::module::conv2d(pixels.clone(), weight, bias, options);
        let expected = expected.reshape([2, 5, 6]).swap_dims(1, 2);
        let positions = stem.positions.val().unsqueeze::<3>();
        let expected = expected + positions.slice(s![.., 1.., ..]);
        let found = stem.forward(pixels).slice(s![.., 1.., ..]).into_data();
        let tolerance = Tolerance::absolute(1e-5);
        found.assert_approx_eq::<f32>(&expected.into_data(), tolerance);
    }
}
