//! The stem of a speech model: frames of sound become fewer, wider vectors.

use crate::error::{ConfigError, at_least_one, rate};
use crate::initialisation::WeightInitialisers;
use crate::positions::{self, PositionEncoding, Positions};
use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Dropout, DropoutConfig, PaddingConfig1d};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// The most convolutions: each halves the frames.
const MAX_KERNELS: usize = 16;

/// Sizes and kinds of a [`FrameEmbedding`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameEmbeddingConfig {
    /// Numbers a frame: bins of a mel spectrogram.
    pub n_mels: usize,
    /// Width of the convolutions but the last, before their gates halve it.
    pub d_hidden: usize,
    /// Frames that each convolution looks at; odd.
    pub kernels: Vec<usize>,
    /// Width of a vector.
    pub d_model: usize,
    /// The longest sequence, counted in vectors, behind the convolutions.
    pub max_positions: usize,
    /// Learned or computed positions.
    pub positions: PositionEncoding,
    /// Multiply vectors by `√d_model` before positions are added.
    pub scale: bool,
    /// Dropout on the sum.
    pub dropout: f64,
}

impl FrameEmbeddingConfig {
    /// Whether a stem can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("n_mels", self.n_mels)?;
        at_least_one("d_model", self.d_model)?;
        rate("dropout", self.dropout)?;
        let found = self.kernels.len();
        if !(1..=MAX_KERNELS).contains(&found) {
            return Err(ConfigError::Kernels {
                found,
                limit: MAX_KERNELS,
            });
        }
        if let Some(&kernel) = self.kernels.iter().find(|&&kernel| kernel % 2 == 0) {
            let field = "kernels";
            return Err(ConfigError::EvenKernel { field, kernel });
        }
        if found > 1 {
            at_least_one("d_hidden / 2", self.d_hidden / 2)?;
            if !self.d_hidden.is_multiple_of(2) {
                return Err(ConfigError::OddGate {
                    d_hidden: self.d_hidden,
                });
            }
        }
        positions::validate(self.positions, self.max_positions, self.d_model)
    }

    pub(crate) fn init<B: Backend>(
        &self,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> FrameEmbedding<B> {
        let last = self.kernels.len().saturating_sub(1);
        let layers = self.kernels.iter().enumerate();
        let convolution = |(i, &kernel): (usize, &usize)| {
            let d_input = if i == 0 {
                self.n_mels
            } else {
                self.d_hidden / 2
            };
            let d_output = if i == last {
                2 * self.d_model
            } else {
                self.d_hidden
            };
            let padding = PaddingConfig1d::Explicit(kernel / 2, kernel / 2);
            let mut layer = Conv1dConfig::new(d_input, d_output, kernel)
                .with_stride(2)
                .with_padding(padding)
                .init(device);
            let fan_in = d_input * kernel;
            let shape = [d_output, d_input, kernel];
            let (fan_in, fan_out) = (Some(fan_in), Some(d_output * kernel));
            layer.weight = initialisers.inner.init_with(shape, fan_in, fan_out, device);
            layer.bias = Some(Initializer::Zeros.init([d_output], device));
            layer
        };
        FrameEmbedding {
            convolutions: layers.map(convolution).collect(),
            positions: Positions::new(
                self.positions,
                [self.max_positions, self.d_model],
                initialisers,
                device,
            ),
            n_mels: self.n_mels,
            max_positions: self.max_positions,
            dropout: DropoutConfig::new(self.dropout).init(),
            scale: if self.scale {
                (self.d_model as f64).sqrt()
            } else {
                1.0
            },
        }
    }
}

/// Convolutions over time, each of which halves the frames and is gated (a GLU, Dauphin et al. 2017
/// <https://arxiv.org/abs/1612.08083>), and positions: the subsampling of Synnaeve et al. 2019
/// <https://arxiv.org/abs/1911.08460>, as Speech2Text (Wang et al. 2020 <https://arxiv.org/abs/2010.05171>) has it.
///
/// Convolutions do not know of padding: the last visible vector sees a few of the frames behind the end of its row.
#[derive(Module, Debug)]
pub struct FrameEmbedding<B: Backend> {
    convolutions: Vec<Conv1d<B>>,
    positions: Option<Positions<B>>,
    n_mels: usize,
    max_positions: usize,
    dropout: Dropout,
    scale: f64,
}

impl<B: Backend> FrameEmbedding<B> {
    /// - `frames`: `[batch, n_frames, n_mels]`
    /// - returns `[batch, seq, d_model]`, where `seq` is [`seq`](Self::seq) of `n_frames`
    ///
    /// # Panics
    /// If there are more frames than positions.
    pub fn forward(&self, frames: Tensor<B, 3>) -> Tensor<B, 3> {
        // [batch, channels, n_frames]
        let mut hidden = frames.swap_dims(1, 2);
        for convolution in &self.convolutions {
            let doubled = convolution.forward(hidden);
            let [_, channels, _] = doubled.dims();
            let [value, gate] = [0, channels / 2].map(|start| {
                let half = doubled.clone();
                half.narrow(1, start, channels / 2)
            });
            hidden = value * sigmoid(gate);
        }
        let vectors = hidden.swap_dims(1, 2);
        let vectors = if self.scale == 1.0 {
            vectors
        } else {
            vectors.mul_scalar(self.scale)
        };
        let [_, seq, _] = vectors.dims();
        assert!(
            seq <= self.max_positions,
            "{seq} vectors of frames are more than the model's {} positions",
            self.max_positions
        );
        let vectors = match &self.positions {
            Some(positions) => vectors + positions.forward(0, seq, &[0]),
            None => vectors,
        };
        self.dropout.forward(vectors)
    }

    /// How many vectors become of so many frames: half of them for each convolution, rounded up.
    pub fn seq(&self, n_frames: usize) -> usize {
        let halved = |n: usize, _: &Conv1d<B>| n.div_ceil(2);
        self.convolutions.iter().fold(n_frames, halved)
    }

    /// Which vectors stand for nothing but padding.
    ///
    /// - `padding_mask`: `[batch, n_frames]`, padding at the end of rows
    /// - returns `[batch, seq]`
    pub fn subsampled(&self, padding_mask: Tensor<B, 2, Bool>) -> Tensor<B, 2, Bool> {
        let ([batch, n_frames], device) = (padding_mask.dims(), padding_mask.device());
        let seq = self.seq(n_frames);
        // Vector i begins at frame i · 2ⁿ: it stands for nothing where that one is padding.
        let stride = 1i64 << self.convolutions.len();
        let first = Tensor::<B, 1, Int>::arange(0..seq as i64, &device).mul_scalar(stride);
        let n_visible = padding_mask.int().equal_elem(0).int().sum_dim(1);
        let first = first.reshape([1, seq]).expand([batch, seq]);
        first.greater_equal(n_visible.expand([batch, seq]))
    }

    /// Numbers a frame.
    pub fn n_mels(&self) -> usize {
        self.n_mels
    }

    /// The most frames that can be read.
    pub fn max_frames(&self) -> usize {
        self.max_positions
            .saturating_mul(1 << self.convolutions.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initialisation, TestBackend};
    use burn::tensor::s;

    fn stem(positions: PositionEncoding) -> FrameEmbedding<TestBackend> {
        let config = FrameEmbeddingConfig {
            n_mels: 3,
            d_hidden: 4,
            kernels: vec![5, 3],
            d_model: 4,
            max_positions: 8,
            positions,
            scale: true,
            dropout: 0.0,
        };
        config.validate().expect("it is in order");
        config.init(
            &Initialisation::Xavier.initialisers(4, 1),
            &Default::default(),
        )
    }

    fn frames(n: usize) -> Tensor<TestBackend, 3> {
        let values = Tensor::<TestBackend, 1, Int>::arange(0..3 * n as i64, &Default::default());
        values.float().sin().reshape([1, n, 3])
    }

    #[test]
    fn as_many_vectors_come_out_as_the_lengths_say() {
        let stem = stem(PositionEncoding::Sinusoidal);
        for (n_frames, seq) in [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (32, 8)] {
            assert_eq!(stem.seq(n_frames), seq);
            assert_eq!(stem.forward(frames(n_frames)).dims(), [1, seq, 4]);
        }
        assert_eq!(stem.max_frames(), 32);
    }

    #[test]
    fn the_first_convolution_and_gate_are_their_formulas() {
        let stem = stem(PositionEncoding::None);
        let layer = &stem.convolutions[0];
        let weight: Vec<f32> = layer.weight.val().into_data().iter().collect();
        let input: Vec<f32> = frames(6).into_data().iter().collect();
        let expected = |channel: usize, time: usize| -> f32 {
            let terms = (0..3).flat_map(|mel| (0..5).map(move |k| (mel, k)));
            terms
                .filter_map(|(mel, k)| {
                    let frame = (2 * time + k).checked_sub(2).filter(|&frame| frame < 6)?;
                    Some(weight[(channel * 3 + mel) * 5 + k] * input[frame * 3 + mel])
                })
                .sum()
        };
        let found: Vec<f32> = layer
            .forward(frames(6).swap_dims(1, 2))
            .into_data()
            .iter()
            .collect();
        for channel in 0..4 {
            for time in 0..3 {
                let difference = found[channel * 3 + time] - expected(channel, time);
                assert!(difference.abs() < 1e-5, "{channel} {time}: {difference}");
            }
        }
    }

    #[test]
    fn a_vector_is_hidden_where_it_begins_in_padding() {
        let stem = stem(PositionEncoding::None);
        let device = Default::default();
        let n_visible = [1i64, 4, 5, 9];
        let lengths = Tensor::<TestBackend, 1, Int>::from_ints(n_visible, &device);
        let columns = Tensor::<TestBackend, 1, Int>::arange(0..9, &device);
        let mask = columns
            .reshape([1, 9])
            .expand([4, 9])
            .greater_equal(lengths.reshape([4, 1]).expand([4, 9]));
        let hidden = stem.subsampled(mask);
        let counts: Vec<i64> = hidden.int().sum_dim(1).into_data().iter().collect();
        assert_eq!(counts, [2, 2, 1, 0]);
        for (n_visible, n_hidden) in n_visible.into_iter().zip(counts) {
            assert_eq!(stem.seq(n_visible as usize) as i64, 3 - n_hidden);
        }
    }

    #[test]
    fn what_comes_later_than_its_kernels_changes_no_vector() {
        let stem = stem(PositionEncoding::Sinusoidal);
        let whole = stem.forward(frames(20)).slice(s![.., ..2, ..]);
        // Vector 1 ends at frame (1·2 + 1)·2 + 2.
        let shorter = stem.forward(frames(9)).slice(s![.., ..2, ..]);
        whole.into_data().assert_approx_eq::<f32>(
            &shorter.into_data(),
            burn::tensor::Tolerance::absolute(1e-5),
        );
    }
}
