//! The Vision Transformer: patches of an image are read as tokens are. Dosovitskiy et al. 2021
//! <https://arxiv.org/abs/2010.11929>.

use crate::activation::Activation;
use crate::classifier::{ClassHead, ClassHeadConfig, Classifier};
use crate::error::{ConfigError, cross_attention};
use crate::gpt::same_width;
use crate::initialisation::{Initialisation, materialise};
use crate::mask::Mask;
use crate::patches::{PatchEmbedding, PatchEmbeddingConfig};
use crate::stack::Stack;
use crate::stack_config::{StackConfig, StackSize};
use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend, s};
use serde::{Deserialize, Serialize};

/// What a [`Vit`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Patches and their positions.
    pub patches: PatchEmbeddingConfig,
    /// The layers.
    pub encoder: StackConfig,
    /// What names a class.
    pub classes: ClassHeadConfig,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

/// The size of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// Numbers a pixel: 1 for shades of grey, 3 for colours.
    pub n_channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl VitConfig {
    /// ViT's choices in the given size, without dropout: norm before each branch and after the last layer, GELU.
    pub fn vit(image: ImageSize, patch: usize, n_classes: usize, size: StackSize) -> Self {
        Self {
            patches: PatchEmbeddingConfig {
                image,
                patch,
                d_model: size.d_model,
                dropout: 0.0,
            },
            encoder: StackConfig {
                activation: Activation::Gelu,
                norm_epsilon: 1e-12,
                ..StackConfig::pre_norm(size)
            },
            classes: ClassHeadConfig {
                n_classes,
                dropout: 0.0,
            },
            initialisation: Initialisation::Gpt2,
        }
    }

    /// Two layers, 16 wide, over grey images of 8 x 8 in patches of 4: for tests and first steps.
    pub fn tiny(n_classes: usize) -> Self {
        let image = ImageSize {
            n_channels: 1,
            height: 8,
            width: 8,
        };
        let size = StackSize {
            d_model: 16,
            n_heads: 2,
            n_layers: 2,
        };
        Self::vit(image, 4, n_classes, size)
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.patches.validate()?;
        self.encoder.validate()?;
        self.classes.validate()?;
        let found = self.encoder.cross_attention;
        cross_attention("encoder.cross_attention", found, false)?;
        let d_model = self.encoder.d_model;
        same_width("patches.d_model", self.patches.d_model, d_model)
    }

    /// A model with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Vit<B> {
        materialise(self.skeleton(device))
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> Vit<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let d_model = self.encoder.d_model;
        let initialisers = self
            .initialisation
            .initialisers(d_model, self.encoder.n_layers);
        Vit {
            patches: self.patches.init(&initialisers, device),
            encoder: self.encoder.init(self.initialisation, device),
            classes: self.classes.init(d_model, &initialisers, device),
        }
    }
}

/// An encoder over the patches of an image, and a head that names a class.
#[derive(Module, Debug)]
pub struct Vit<B: Backend> {
    patches: PatchEmbedding<B>,
    encoder: Stack<B>,
    classes: ClassHead<B>,
}

impl<B: Backend> Vit<B> {
    /// The size of the images that are read.
    pub fn image(&self) -> ImageSize {
        self.patches.image()
    }

    /// How many classes there are.
    pub fn n_classes(&self) -> usize {
        self.classes.n_classes()
    }

    /// A vector for the image, and one for each patch, row by row.
    ///
    /// - `pixels`: `[batch, n_channels, height, width]`
    /// - returns `[batch, 1 + n_patches, d_model]`
    ///
    /// # Panics
    /// If the image is of another size.
    pub fn encode(&self, pixels: Tensor<B, 4>) -> Tensor<B, 3> {
        let stem = self.patches.forward(pixels);
        self.encoder.forward(stem, &Mask::none(), None)
    }

    /// Rates the classes of each image.
    ///
    /// - `pixels`: `[batch, n_channels, height, width]`
    /// - returns `[batch, n_classes]`
    ///
    /// # Panics
    /// If the image is of another size.
    pub fn forward(&self, pixels: Tensor<B, 4>) -> Tensor<B, 2> {
        let hidden = self.encode(pixels);
        let [batch, _, d_model] = hidden.dims();
        let first = hidden.slice(s![.., ..1, ..]).reshape([batch, d_model]);
        self.classes.forward(first)
    }
}

impl<B: Backend> Classifier<B> for Vit<B> {
    /// `[batch, n_channels, height, width]`
    type Input = Tensor<B, 4>;

    fn rate_classes(&self, pixels: Tensor<B, 4>) -> Tensor<B, 2> {
        self.forward(pixels)
    }
}
