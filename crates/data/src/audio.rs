//! Sound: recordings from files, and the features that speech models read.

mod corpus;
mod filterbank;
mod resample;
mod tones;
mod wav;

pub use corpus::{SpeechCorpus, Utterance};
pub use filterbank::{FilterbankConfig, Frames};
pub use resample::resample;
pub use tones::tones;
pub use wav::read_wav;

/// One channel of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples a second.
    pub sample_rate: u32,
    /// The samples; full scale is 1.
    pub samples: Vec<f32>,
}

impl Recording {
    /// The same sound with so many samples a second.
    pub fn at_rate(self, sample_rate: u32) -> Self {
        Self {
            samples: resample(&self.samples, self.sample_rate, sample_rate),
            sample_rate,
        }
    }

    /// The same sound, faster and higher, or slower and deeper: its samples said to be so many more, or fewer, a second.
    pub fn at_speed(self, speed: f64) -> Self {
        let sample_rate = (f64::from(self.sample_rate) * speed).round().max(1.0) as u32;
        Self {
            sample_rate,
            ..self
        }
    }

    /// How long it is.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}
