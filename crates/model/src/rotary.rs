//! Rotary positions: queries and keys are turned by an angle that grows with their place, so that their product depends
//! on how far apart they stand.
//!
//! Su et al. 2021 <https://arxiv.org/abs/2104.09864>. Channel `i` is paired with channel `i + d_head/2`, as in LLaMA; the
//! paper pairs neighbours, which is the same up to a permutation of the channels.

use crate::error::ConfigError;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use hearth_kernels::split_heads;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How fast the pairs of channels turn: pair `i` by `theta^(-2i/d_head)` a position, perhaps stretched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotaryConfig {
    /// The base of the frequencies.
    pub theta: f64,
    /// How positions beyond those of the training are reached.
    #[serde(default)]
    pub scaling: RotaryScaling,
}

impl Default for RotaryConfig {
    fn default() -> Self {
        Self {
            theta: 10_000.0,
            scaling: RotaryScaling::None,
        }
    }
}

/// How frequencies are stretched, so that a model reads texts longer than those it was trained on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RotaryScaling {
    /// Not at all.
    #[default]
    None,
    /// All alike: positions are divided by `factor`. Chen et al. 2023 <https://arxiv.org/abs/2306.15595>.
    Linear {
        /// How many times longer texts become.
        factor: f64,
    },
    /// Slow pairs are stretched, fast ones are not, with a ramp between, as LLaMA 3.1 does.
    Llama3 {
        /// How many times longer texts become.
        factor: f64,
        /// A pair that turns fewer times than this over the original length is stretched wholly.
        low_freq_factor: f64,
        /// A pair that turns more often than this is not stretched.
        high_freq_factor: f64,
        /// The length that the model was trained on.
        original_max_positions: usize,
    },
    /// As before with a ramp in the number of the pair, and attention made sharper by `attention_factor`. YaRN, Peng et
    /// al. 2023 <https://arxiv.org/abs/2309.00071>.
    Yarn {
        /// How many times longer texts become.
        factor: f64,
        /// Turns over the original length beyond which a pair is not stretched.
        beta_fast: f64,
        /// Turns below which it is stretched wholly.
        beta_slow: f64,
        /// What queries and keys are multiplied by; `0.1 ln(factor) + 1` in the paper.
        attention_factor: f64,
        /// The length that the model was trained on.
        original_max_positions: usize,
    },
}

impl RotaryConfig {
    /// Whether angles can be made from these numbers.
    pub(crate) fn validate(&self, d_head: usize) -> Result<(), ConfigError> {
        if !d_head.is_multiple_of(2) {
            return Err(ConfigError::OddHead { d_head });
        }
        let positive = |field, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(ConfigError::NotPositive { field, value })
        };
        positive("theta", self.theta)?;
        match self.scaling {
            RotaryScaling::None => Ok(()),
            RotaryScaling::Linear { factor } => positive("factor", factor),
            RotaryScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_positions,
            } => {
                positive("factor", factor)?;
                positive("low_freq_factor", low_freq_factor)?;
                positive(
                    "high_freq_factor - low_freq_factor",
                    high_freq_factor - low_freq_factor,
                )?;
                positive("original_max_positions", original_max_positions as f64)
            }
            RotaryScaling::Yarn {
                factor,
                beta_fast,
                beta_slow,
                attention_factor,
                original_max_positions,
            } => {
                positive("factor", factor)?;
                positive("beta_fast", beta_fast)?;
                positive("beta_slow", beta_slow)?;
                positive("attention_factor", attention_factor)?;
                positive("theta - 1", self.theta - 1.0)?;
                positive("original_max_positions", original_max_positions as f64)
            }
        }
    }

    /// How far each pair turns from one position to the next, in radians.
    fn frequencies(&self, d_head: usize) -> Vec<f64> {
        let n_pairs = d_head / 2;
        let exponent = |pair: usize| 2.0 * pair as f64 / d_head as f64;
        let plain = (0..n_pairs).map(|pair| self.theta.powf(-exponent(pair)));
        match self.scaling {
            RotaryScaling::None => plain.collect(),
            RotaryScaling::Linear { factor } => plain.map(|frequency| frequency / factor).collect(),
            RotaryScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_positions,
            } => plain
                .map(|frequency| {
                    let turns = original_max_positions as f64 * frequency / (2.0 * PI);
                    let kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    blend(frequency, factor, kept)
                })
                .collect(),
            RotaryScaling::Yarn {
                factor,
                beta_fast,
                beta_slow,
                original_max_positions,
                ..
            } => {
                // The pair that turns so many times over the original length.
                let pair_of = |turns: f64| {
                    let ratio = original_max_positions as f64 / (turns * 2.0 * PI);
                    d_head as f64 * ratio.ln() / (2.0 * self.theta.ln())
                };
                let low = pair_of(beta_fast).floor().max(0.0);
                let high = pair_of(beta_slow).ceil().min(d_head as f64 - 1.0);
                let width = if high == low { 0.001 } else { high - low };
                plain
                    .enumerate()
                    .map(|(pair, frequency)| {
                        blend(frequency, factor, 1.0 - (pair as f64 - low) / width)
                    })
                    .collect()
            }
        }
    }

    /// The angles of the `seq` positions after `n_past`.
    ///
    /// - `n_hidden`: how many columns of left padding each row starts with; a row's positions count from behind them
    pub(crate) fn rotation<B: Backend>(
        &self,
        d_head: usize,
        (n_past, seq): (usize, usize),
        n_hidden: &[usize],
        device: &B::Device,
    ) -> Rotation<B> {
        let length = match self.scaling {
            RotaryScaling::Yarn {
                attention_factor, ..
            } => attention_factor,
            _ => 1.0,
        };
        let frequencies = self.frequencies(d_head);
        let first = n_hidden.first().copied().unwrap_or(0);
        let same = n_hidden.iter().all(|&n| n == first);
        let rows = if same { &[first][..] } else { n_hidden };
        let n_values = rows.len() * seq * d_head;
        let (mut cos, mut sin) = (Vec::with_capacity(n_values), Vec::with_capacity(n_values));
        for &n in rows {
            for column in n_past..n_past + seq {
                let position = column.saturating_sub(n) as f64;
                // Both channels of a pair turn alike.
                for frequency in frequencies.iter().chain(&frequencies) {
                    let (s, c) = (position * frequency).sin_cos();
                    cos.push((c * length) as f32);
                    sin.push((s * length) as f32);
                }
            }
        }
        let shape = [rows.len(), seq, 1, d_head];
        if let [1, 1, _, _] = shape {
            return Rotation::One(matrix(turn(&cos, &sin), device));
        }
        let tensor = |values| Tensor::from_data(TensorData::new(values, shape), device);
        Rotation::Many {
            cos: tensor(cos),
            sin: tensor(sin),
            quarter_turn: matrix(turn(&vec![0.0; d_head], &vec![1.0; d_head]), device),
        }
    }
}

/// A frequency of which a part is kept and the rest stretched.
fn blend(frequency: f64, factor: f64, kept: f64) -> f64 {
    let kept = kept.clamp(0.0, 1.0);
    frequency * kept + frequency / factor * (1.0 - kept)
}

/// The angles of some positions, made once a forward pass and shared by its layers.
#[derive(Debug, Clone)]
pub enum Rotation<B: Backend> {
    /// One position, as a token that is decoded has: all there is to do is a product.
    One(
        /// `[d_head, d_head]`
        Tensor<B, 2>,
    ),
    /// Several positions, turned by `x cos + quarter_turn(x) sin`.
    Many {
        /// `[batch or 1, seq, 1, d_head]`
        cos: Tensor<B, 4>,
        /// `[batch or 1, seq, 1, d_head]`
        sin: Tensor<B, 4>,
        /// `[d_head, d_head]`
        quarter_turn: Tensor<B, 2>,
    },
}

impl<B: Backend> Rotation<B> {
    /// Turns each head's vectors.
    ///
    /// - `x`: `[batch, seq, n_heads * d_head]`
    /// - returns `[batch, n_heads, seq, d_head]`
    pub(crate) fn split(&self, x: Tensor<B, 3>, n_heads: usize) -> Tensor<B, 4> {
        let [batch, seq, width] = x.dims();
        let d_head = width / n_heads;
        let vectors = x.reshape([batch * seq * n_heads, d_head]);
        match self {
            // Of a single position the axes lie as they are wanted.
            Self::One(turn) => vectors
                .matmul(turn.clone())
                .reshape([batch, n_heads, 1, d_head]),
            Self::Many {
                cos,
                sin,
                quarter_turn,
            } => {
                let shape = [batch, seq, n_heads, d_head];
                let turned = vectors.clone().matmul(quarter_turn.clone()).reshape(shape);
                let turned = vectors.reshape(shape) * cos.clone() + turned * sin.clone();
                split_heads(turned.reshape([batch, seq, width]), n_heads)
            }
        }
    }
}

/// The matrix that turns every pair `(a, b)` by its angle, to `(a cos - b sin, b cos + a sin)`. By a quarter it is made of zeros,
/// ones and minus ones, so that its product is exact, and a single operation where halves that change places take many.
///
/// - `cos`, `sin`: `[d_head]`
/// - returns `[d_head, d_head]`, to be multiplied from the right
fn turn(cos: &[f32], sin: &[f32]) -> Vec<f32> {
    let (d_head, half) = (cos.len(), cos.len() / 2);
    let mut values = vec![0f32; d_head * d_head];
    for (low, high) in (0..half).zip(half..) {
        values[low * d_head + low] = cos[low];
        values[high * d_head + high] = cos[high];
        values[high * d_head + low] = -sin[low];
        values[low * d_head + high] = sin[high];
    }
    values
}

/// A square matrix.
fn matrix<B: Backend>(values: Vec<f32>, device: &B::Device) -> Tensor<B, 2> {
    let size = values.len().isqrt();
    Tensor::from_data(TensorData::new(values, [size, size]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;
    use burn::tensor::{Distribution, Tolerance, s};

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
        }
    }

    /// The values are those that `transformers.modeling_rope_utils` computes.
    #[test]
    fn stretched_frequencies_are_those_of_hugging_face() {
        let config = |theta, scaling| RotaryConfig { theta, scaling };
        close(
            &config(10_000.0, RotaryScaling::Linear { factor: 4.0 }).frequencies(4),
            &[0.25, 0.0025],
        );
        let llama3 = RotaryScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_positions: 64,
        };
        close(&config(10_000.0, llama3).frequencies(8), LLAMA3);
        let yarn = RotaryScaling::Yarn {
            factor: 4.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor: 1.0,
            original_max_positions: 2048,
        };
        close(&config(10_000.0, yarn).frequencies(16), YARN);
    }

    const LLAMA3: &[f64] = &[1.0, 0.013_042_256, 0.001_25, 0.000_125];
    const YARN: &[f64] = &[
        1.0,
        0.316_227_76,
        0.1,
        0.025_693_506,
        0.006_25,
        0.001_383_496_6,
        0.000_25,
        0.000_079_056_95,
    ];

    #[test]
    fn a_product_depends_on_the_distance_alone() {
        let device = Default::default();
        let rotary = RotaryConfig::default();
        let x = Tensor::<TestBackend, 3>::random([1, 1, 16], Distribution::Default, &device);
        let y = Tensor::<TestBackend, 3>::random([1, 1, 16], Distribution::Default, &device);
        let product = |p: usize, q: usize| -> Vec<f32> {
            let at = |x: &Tensor<TestBackend, 3>, n_past| {
                let rotation = rotary.rotation(8, (n_past, 1), &[0], &device);
                rotation.split(x.clone(), 2)
            };
            let product = (at(&x, p) * at(&y, q)).sum_dim(3).into_data();
            product.iter().collect()
        };
        let pairs = product(3, 7).into_iter().zip(product(103, 107));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4));
        let moved = product(3, 8).into_iter().zip(product(3, 7));
        assert!(moved.into_iter().any(|(a, b)| (a - b).abs() > 1e-4));
    }

    #[test]
    fn a_padded_row_counts_from_behind_its_padding_and_a_position_turns_alone_as_among_others() {
        let device = Default::default();
        let rotary = RotaryConfig::default();
        let x = Tensor::<TestBackend, 3>::random([2, 5, 24], Distribution::Default, &device);
        let all = rotary.rotation(8, (0, 5), &[0, 2], &device);
        let all = all.split(x.clone(), 3);
        for (row, n_hidden) in [0, 2].into_iter().enumerate() {
            for position in 0..5 - n_hidden {
                let place = n_hidden + position;
                let alone = rotary.rotation(8, (position, 1), &[0], &device);
                assert!(matches!(alone, Rotation::One(_)));
                let alone = alone.split(x.clone().slice(s![row, place]), 3);
                let alone = alone.into_data();
                let found = all.clone().slice(s![row, .., place]).into_data();
                found.assert_approx_eq::<f32>(&alone, Tolerance::absolute(1e-6));
            }
        }
    }
}
