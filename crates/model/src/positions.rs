//! How a model knows where a token stands.

use crate::error::{ConfigError, at_least_one};
use crate::initialisation::WeightInitialisers;
use crate::precision::widen;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig as Table};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend, s};
use serde::{Deserialize, Serialize};

/// The kinds of absolute positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionEncoding {
    /// None: attention sees positions itself, or not at all.
    None,
    /// One learned vector a position, as GPT-2 and BERT have.
    Learned,
    /// Sine and cosine of geometrically spaced frequencies, `sin(p / 10000^(2i/d))` and `cos(…)`.
    ///
    /// Vaswani et al. 2017, §3.5. All sines come first, then all cosines, as in tensor2tensor and Marian; the paper
    /// interleaves them, which is the same up to a permutation of the channels.
    Sinusoidal,
    /// The sinusoids of fairseq (Ott et al. 2019 <https://arxiv.org/abs/1904.01038>), which Speech2Text has: frequency `i`
    /// of `n = d/2` is `10000^(-i/(n-1))`, so that the last one is exactly `1/10000`, and the first position is not 0.
    Fairseq {
        /// The number of the first position; in fairseq one more than the id of the padding token.
        first: usize,
    },
}

impl PositionEncoding {
    /// Whether the vectors are computed, not learned: a table that no file of weights holds.
    pub fn is_computed(self) -> bool {
        match self {
            Self::None | Self::Learned => false,
            Self::Sinusoidal | Self::Fairseq { .. } => true,
        }
    }
}

/// Absolute positions, added to the token embeddings.
#[derive(Module, Debug)]
pub struct Positions<B: Backend> {
    learned: Option<Embedding<B>>,
    /// `[max_positions, d_model]`
    sinusoidal: Option<Tensor<B, 2>>,
    max_positions: usize,
}

impl<B: Backend> Positions<B> {
    /// Sinusoidal positions by themselves, for vectors that come from elsewhere than a token embedding.
    ///
    /// # Panics
    /// If `d_model` is odd.
    pub fn sinusoidal(max_positions: usize, d_model: usize, device: &B::Device) -> Self {
        assert!(
            d_model.is_multiple_of(2),
            "d_model {d_model} is odd, but sinusoidal positions need an even width"
        );
        Self {
            learned: None,
            sinusoidal: Some(sinusoids([max_positions, d_model], device)),
            max_positions,
        }
    }

    /// None where a model has none.
    pub(crate) fn new(
        kind: PositionEncoding,
        [max_positions, d_model]: [usize; 2],
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Option<Self> {
        let (learned, sinusoidal) = match kind {
            PositionEncoding::None => return None,
            PositionEncoding::Learned => {
                let table = Table::new(max_positions, d_model)
                    .with_initializer(initialisers.embedding.clone());
                (Some(table.init(device)), None)
            }
            PositionEncoding::Sinusoidal => {
                (None, Some(sinusoids([max_positions, d_model], device)))
            }
            PositionEncoding::Fairseq { first } => {
                (None, Some(fairseq(first, [max_positions, d_model], device)))
            }
        };
        Some(Self {
            learned,
            sinusoidal,
            max_positions,
        })
    }

    /// How many positions there are.
    pub fn max_positions(&self) -> usize {
        self.max_positions
    }

    /// The vectors of the `seq` positions after `n_past`.
    ///
    /// - `n_hidden`: how many columns of left padding each row starts with; a row's positions count from behind them
    /// - returns `[1, seq, d_model]` where all rows stand at the same place, else `[batch, seq, d_model]`
    ///
    /// # Panics
    /// If a position lies beyond the last one.
    pub fn forward(&self, n_past: usize, seq: usize, n_hidden: &[usize]) -> Tensor<B, 3> {
        let end = n_past + seq;
        let fewest_hidden = n_hidden.iter().copied().min().unwrap_or(0);
        assert!(
            end - fewest_hidden.min(end) <= self.max_positions,
            "a sequence of {end} tokens is longer than the model's {} positions",
            self.max_positions
        );
        let table = match (&self.learned, &self.sinusoidal) {
            (Some(learned), _) => learned.weight.val(),
            (None, Some(table)) => table.clone(),
            (None, None) => unreachable!("positions are learned or sinusoidal"),
        };
        if n_hidden.iter().all(|&n| n == fewest_hidden) && fewest_hidden <= n_past {
            let start = n_past - fewest_hidden;
            return widen(table.slice(s![start..start + seq, ..])).unsqueeze::<3>();
        }
        let ids: Vec<i64> = n_hidden
            .iter()
            .flat_map(|&n| (n_past..end).map(move |column| column.saturating_sub(n) as i64))
            .collect();
        let [_, d_model] = table.dims();
        let ids = Tensor::<B, 1, Int>::from_data(TensorData::from(ids.as_slice()), &table.device());
        widen(table.select(0, ids)).reshape([n_hidden.len(), seq, d_model])
    }
}

/// Checks what [`Positions`] must hold.
pub(crate) fn validate(
    kind: PositionEncoding,
    max_positions: usize,
    d_model: usize,
) -> Result<(), ConfigError> {
    at_least_one("max_positions", max_positions)?;
    if kind.is_computed() && d_model % 2 == 1 {
        return Err(ConfigError::OddWidth { d_model });
    }
    match kind {
        PositionEncoding::Fairseq { .. } if d_model < 4 => {
            Err(ConfigError::OneFrequency { d_model })
        }
        _ => Ok(()),
    }
}

/// `[max_positions, d_model]`: sines in the first half of the channels, cosines in the second.
fn sinusoids<B: Backend>([max_positions, d_model]: [usize; 2], device: &B::Device) -> Tensor<B, 2> {
    let angle = |position: usize, i: usize| {
        position as f64 / 10_000f64.powf(2.0 * i as f64 / d_model as f64)
    };
    table([max_positions, d_model], angle, device)
}

/// The same with fairseq's frequencies. They and the angles are rounded to single precision, as they are there: far out
/// it matters.
fn fairseq<B: Backend>(
    first: usize,
    [max_positions, d_model]: [usize; 2],
    device: &B::Device,
) -> Tensor<B, 2> {
    let step = (10_000f64.ln() / (d_model as f64 / 2.0 - 1.0)) as f32;
    let frequencies: Vec<f32> = (0..d_model / 2).map(|i| (i as f32 * -step).exp()).collect();
    let angle = |position: usize, i: usize| {
        f64::from((first.saturating_add(position)) as f32 * frequencies[i])
    };
    table([max_positions, d_model], angle, device)
}

fn table<B: Backend>(
    [max_positions, d_model]: [usize; 2],
    angle: impl Fn(usize, usize) -> f64,
    device: &B::Device,
) -> Tensor<B, 2> {
    let half = d_model / 2;
    let mut values = Vec::with_capacity(max_positions * d_model);
    for position in 0..max_positions {
        values.extend((0..half).map(|i| angle(position, i).sin() as f32));
        values.extend((0..half).map(|i| angle(position, i).cos() as f32));
    }
    Tensor::from_data(TensorData::new(values, [max_positions, d_model]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initialisation, TestBackend};

    fn sinusoidal() -> Positions<TestBackend> {
        let scheme = Initialisation::Xavier.initialisers(4, 1);
        Positions::new(
            PositionEncoding::Sinusoidal,
            [8, 4],
            &scheme,
            &Default::default(),
        )
        .expect("sinusoids")
    }

    fn values(tensor: Tensor<TestBackend, 3>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    #[test]
    fn position_one_of_width_four_is_what_the_paper_says() {
        let found = values(sinusoidal().forward(1, 1, &[0]));
        let expected = [1f64.sin(), 0.01f64.sin(), 1f64.cos(), 0.01f64.cos()];
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-7,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn fairseq_counts_from_its_first_position_and_ends_at_the_lowest_frequency() {
        let scheme = Initialisation::Xavier.initialisers(4, 1);
        let kind = PositionEncoding::Fairseq { first: 2 };
        let positions = Positions::new(kind, [8, 4], &scheme, &Default::default());
        let found = values(positions.expect("sinusoids").forward(1, 1, &[0]));
        let expected = [3f64.sin(), 3e-4f64.sin(), 3f64.cos(), 3e-4f64.cos()];
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-7,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn a_padded_row_counts_from_behind_its_padding() {
        let positions = sinusoidal();
        let rows = values(positions.forward(0, 3, &[0, 2]));
        let (first, second) = rows.split_at(12);
        assert_eq!(first, values(positions.forward(0, 3, &[0])));
        assert_eq!(second[8..], values(positions.forward(0, 1, &[0])));
    }

    #[test]
    #[should_panic(expected = "a sequence of 9 tokens is longer than the model's 8 positions")]
    fn a_position_beyond_the_last_names_both_numbers() {
        sinusoidal().forward(8, 1, &[0]);
    }
}
