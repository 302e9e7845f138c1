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

    /// How long it is.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}
