//! The logarithm of a mel spectrogram, as Kaldi computes it: the features that Speech2Text reads.
//!
//! Sound is cut into overlapping windows; of each, the energy in bands that are as wide as hearing resolves. Kaldi's
//! `compute-fbank-feats` <https://kaldi-asr.org/doc/feat.html>; Stevens, Volkmann and Newman 1937 for the scale.

use std::f64::consts::PI;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use super::Recording;

/// How features are made from sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterbankConfig {
    /// Samples a second; a recording of another rate is resampled.
    pub sample_rate: u32,
    /// Bands.
    pub n_mels: usize,
    /// Whether each band's mean over the recording is taken out.
    pub normalize_mean: bool,
    /// Whether each band is divided by its standard deviation over the recording.
    pub normalize_variance: bool,
}

/// Seconds of a window, and from one to the next.
const WINDOW: f64 = 0.025;
const HOP: f64 = 0.010;

/// What a sample keeps of the one before it, taken out: the high bands are weak in speech.
const PRE_EMPHASIS: f64 = 0.97;

/// The lowest frequency, in hertz.
const LOWEST: f64 = 20.0;

/// Samples are 16-bit numbers to Kaldi.
const SCALE: f64 = 32768.0;

/// The least energy: single precision's epsilon.
const FLOOR: f64 = 1.192_092_955_078_125e-07;

/// A band that never changes is not divided by its standard deviation, which is rounding.
const SMALLEST_DEVIATION: f64 = 1e-6;

impl FilterbankConfig {
    /// Speech2Text's choices: 16,000 samples a second, mean and variance normalised.
    pub fn with_mels(n_mels: usize) -> Self {
        Self {
            sample_rate: 16_000,
            n_mels,
            normalize_mean: true,
            normalize_variance: true,
        }
    }

    /// The features of a recording: none if it is shorter than a window.
    pub fn frames(&self, recording: Recording) -> Frames {
        let samples = recording.at_rate(self.sample_rate).samples;
        let mut frames = Filterbank::new(self).frames(&samples);
        if self.normalize_mean || self.normalize_variance {
            frames.normalize(self);
        }
        frames
    }
}

/// Features: a row of bands for each window.
#[derive(Debug, Clone, PartialEq)]
pub struct Frames {
    /// Bands.
    pub n_mels: usize,
    /// `[n_frames, n_mels]`, row by row.
    pub values: Vec<f32>,
}

impl Frames {
    /// How many windows there are.
    pub fn n_frames(&self) -> usize {
        self.values.len() / self.n_mels.max(1)
    }

    /// Each band to a mean of 0 and a variance of 1 over the recording.
    fn normalize(&mut self, config: &FilterbankConfig) {
        let n = self.n_frames() as f64;
        for band in 0..self.n_mels {
            let values = || self.values.iter().skip(band).step_by(self.n_mels);
            let mean = values().map(|&x| f64::from(x)).sum::<f64>() / n;
            let square = |&x: &f32| (f64::from(x) - mean).powi(2);
            let deviation = (values().map(square).sum::<f64>() / n).sqrt();
            let mean = if config.normalize_mean { mean } else { 0.0 };
            let divides = config.normalize_variance && deviation > SMALLEST_DEVIATION;
            let deviation = if divides { deviation } else { 1.0 };
            for value in self.values.iter_mut().skip(band).step_by(self.n_mels) {
                *value = ((f64::from(*value) - mean) / deviation) as f32;
            }
        }
    }
}

/// What does not depend on the sound.
struct Filterbank {
    window: Vec<f64>,
    hop: usize,
    fft: Arc<dyn RealToComplex<f64>>,
    /// For each band its weights, and the first frequency that they stand at.
    bands: Vec<(usize, Vec<f64>)>,
}

impl Filterbank {
    fn new(config: &FilterbankConfig) -> Self {
        let rate = f64::from(config.sample_rate);
        let [window, hop] = [WINDOW, HOP].map(|seconds| ((rate * seconds) as usize).max(1));
        let n_fft = window.next_power_of_two();
        Self {
            window: povey(window),
            hop,
            fft: RealFftPlanner::new().plan_fft_forward(n_fft),
            bands: bands(config.n_mels, n_fft, rate),
        }
    }

    fn frames(&self, samples: &[f32]) -> Frames {
        let mut values = Vec::new();
        let mut input = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        for window in samples.windows(self.window.len()).step_by(self.hop) {
            self.cut(window, &mut input);
            // The buffers are the plan's own, so their sizes are right.
            if self.fft.process(&mut input, &mut spectrum).is_err() {
                continue;
            }
            let energy = |(first, weights): &(usize, Vec<f64>)| {
                let powers = spectrum[*first..].iter().map(|bin| bin.norm_sqr());
                let energy: f64 = powers.zip(weights).map(|(power, w)| power * w).sum();
                energy.max(FLOOR).ln() as f32
            };
            values.extend(self.bands.iter().map(energy));
        }
        Frames {
            n_mels: self.bands.len(),
            values,
        }
    }

    /// One window: without its mean, emphasised, tapered, filled up with zeros.
    fn cut(&self, samples: &[f32], input: &mut [f64]) {
        input.fill(0.0);
        let scaled = samples.iter().map(|&sample| f64::from(sample) * SCALE);
        let mean = scaled.clone().sum::<f64>() / samples.len() as f64;
        // The first sample follows itself.
        let mut before = samples
            .first()
            .map_or(0.0, |&x| f64::from(x) * SCALE - mean);
        for ((value, sample), weight) in input.iter_mut().zip(scaled).zip(&self.window) {
            let sample = sample - mean;
            *value = (sample - PRE_EMPHASIS * before) * weight;
            before = sample;
        }
    }
}

/// Povey's window: a Hann window to the power of 0.85, like Hamming's, but zero at its ends.
fn povey(n: usize) -> Vec<f64> {
    let step = 2.0 * PI / (n as f64 - 1.0).max(1.0);
    (0..n)
        .map(|i| (0.5 - 0.5 * (step * i as f64).cos()).powf(0.85))
        .collect()
}

fn mel(hertz: f64) -> f64 {
    1127.0 * (1.0 + hertz / 700.0).ln()
}

/// Triangles over the mel scale, each from the middle of its neighbour below to that of its neighbour above.
fn bands(n_mels: usize, n_fft: usize, rate: f64) -> Vec<(usize, Vec<f64>)> {
    let (low, high) = (mel(LOWEST), mel(rate / 2.0));
    let width = (high - low) / (n_mels as f64 + 1.0);
    let bins: Vec<f64> = (0..n_fft / 2)
        .map(|bin| mel(bin as f64 * rate / n_fft as f64))
        .collect();
    (0..n_mels)
        .map(|band| {
            let left = low + width * band as f64;
            let rises = |&bin: &f64| {
                let up = (bin - left) / width;
                up.min(2.0 - up)
            };
            let first = bins.iter().position(|bin| rises(bin) > 0.0);
            let first = first.unwrap_or(0);
            let weights = bins[first..].iter().map(rises);
            (first, weights.take_while(|&weight| weight > 0.0).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rising tone in a little noise.
    fn sound() -> Recording {
        let mut state = 1u32;
        let samples = (0..4000).map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state) / 2f64.powi(32) - 0.5;
            let t = f64::from(i) / 16_000.0;
            let phase = 2.0 * PI * (200.0 * t + 3000.0 * t * t);
            (0.3 * phase.sin() + 0.02 * noise) as f32
        });
        Recording {
            sample_rate: 16_000,
            samples: samples.collect(),
        }
    }

    fn frames(n_mels: usize, normalize: bool) -> Frames {
        let config = FilterbankConfig {
            normalize_mean: normalize,
            normalize_variance: normalize,
            ..FilterbankConfig::with_mels(n_mels)
        };
        config.frames(sound())
    }

    #[track_caller]
    fn assert_rows(found: &Frames, expected: &[(usize, [f32; 10])]) {
        for (row, expected) in expected {
            let found = &found.values[row * 10..][..10];
            for (found, expected) in found.iter().zip(expected) {
                // Theirs is computed in single precision.
                assert!(
                    (found - expected).abs() < 2e-4,
                    "row {row}: {found}, {expected}"
                );
            }
        }
    }

    /// `Speech2TextFeatureExtractor(num_mel_bins=10)` of transformers, on the same sound.
    #[test]
    #[rustfmt::skip]
    fn features_are_those_of_hugging_face() {
        let plain = frames(10, false);
        assert_eq!(plain.n_frames(), 23);
        assert_rows(&plain, &[
            (0, [23.4711, 22.87462, 15.6497, 16.72787, 17.1373, 17.817, 18.48949, 19.51122, 20.14099, 20.54371]),
            (11, [13.15422, 14.13527, 25.30713, 25.8046, 17.1022, 18.26073, 18.60147, 19.35809, 20.01582, 20.67826]),
            (22, [12.83204, 13.9069, 15.36123, 20.36414, 27.19777, 25.19309, 19.02596, 19.4246, 20.25242, 21.06374]),
        ]);
        assert_rows(&frames(10, true), &[
            (0, [2.33661, 1.03751, -1.09683, -1.42446, -0.92763, -0.52678, -1.11714, -0.02436, -0.20914, -0.6279]),
            (11, [-0.41318, -0.84844, 1.07833, 0.81824, -0.93584, -0.2816, -0.75635, -0.70243, -0.79498, 0.03776]),
            (22, [-0.49905, -0.89772, -1.1618, -0.526, 1.42554, 3.54878, 0.61132, -0.40792, 0.31234, 1.94502]),
        ]);
        let narrow = frames(80, false);
        let expected = [10.26323, 9.93587, 13.14174, 24.08816, 14.25639, 15.58522, 16.73726, 18.09544, 18.55406];
        for (found, expected) in narrow.values[11 * 80..].iter().step_by(9).zip(expected) {
            assert!((found - expected).abs() < 2e-4, "{found}, {expected}");
        }
    }

    /// transformers' `spectrogram` with windows of 25 ms at 8,000 samples a second.
    #[test]
    #[rustfmt::skip]
    fn windows_are_as_long_at_another_rate() {
        let config = FilterbankConfig {
            sample_rate: 8_000,
            n_mels: 10,
            normalize_mean: false,
            normalize_variance: false,
        };
        let sound = Recording { sample_rate: 8_000, ..sound() };
        let found = config.frames(sound);
        assert_eq!(found.n_frames(), 48);
        assert_rows(&found, &[
            (5, [22.85478, 21.85077, 14.88636, 15.295, 16.57179, 17.67565, 17.47774, 18.55511, 18.60173, 19.12332]),
        ]);
    }

    #[test]
    fn silence_is_finite_and_less_than_a_window_is_nothing() {
        let config = FilterbankConfig::with_mels(8);
        let silence = |n| Recording {
            sample_rate: 16_000,
            samples: vec![0.0; n],
        };
        let frames = config.frames(silence(1600));
        assert_eq!(frames.n_frames(), 8);
        assert!(frames.values.iter().all(|&value| value == 0.0));
        assert_eq!(config.frames(silence(399)).n_frames(), 0);
        assert_eq!(config.frames(silence(0)).n_frames(), 0);
    }
}
