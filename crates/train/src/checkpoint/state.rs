//! `trainer_state.json`: where a run stands, besides its weights and its optimiser's tensors.

use crate::error::TrainError;
use crate::loss_scale::LossScale;
use crate::objective::Evaluation;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

pub(super) const NAME: &str = "trainer_state.json";

pub(crate) const FORMAT: u32 = 1;

/// All of it; numbers come back to the last bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainerState {
    pub(crate) format: u32,
    /// Steps done.
    pub(crate) step: u64,
    pub(crate) seed: u64,
    /// Updates that the optimiser has made: steps that were not skipped.
    pub(crate) n_updates: u64,
    /// Of what is trained and validated on.
    pub(crate) data: String,
    /// The best validation, and after how many steps.
    pub(crate) best: Option<(Measured, u64)>,
    pub(crate) last: Measured,
    /// Since the last line of the metrics.
    pub(crate) window: WindowState,
    pub(crate) skipped: SkippedState,
    #[serde(default)]
    pub(crate) plateau: PlateauState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loss_scale: Option<LossScale>,
    /// Target tokens trained on.
    pub(crate) n_tokens: usize,
    /// Since training began, over all parts of the run.
    #[serde(with = "exact")]
    pub(crate) seconds: f64,
    /// Of which in training steps.
    #[serde(with = "exact")]
    pub(crate) seconds_training: f64,
    /// The length of `metrics.jsonl`.
    pub(crate) metrics_bytes: u64,
}

/// A loss over a data set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    #[serde(with = "exact")]
    nll: f64,
    n_tokens: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n_right: Option<usize>,
}

/// Sums since the last line of the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowState {
    #[serde(with = "exact")]
    pub(crate) nll: f64,
    pub(crate) n_tokens: usize,
    pub(crate) n_skipped: u64,
}

/// Steps whose update was skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkippedState {
    /// All of them.
    pub(crate) total: u64,
    /// Those that no other step came behind.
    pub(crate) in_a_row: u64,
}

/// What validations have done to the learning rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlateauState {
    /// Validations since the best one, or since the last reduction.
    pub(crate) waited: u64,
    /// How often the learning rate was reduced.
    pub(crate) n_reductions: u32,
}

impl From<Evaluation> for Measured {
    fn from(of: Evaluation) -> Self {
        Self {
            nll: of.nll,
            n_tokens: of.n_tokens,
            n_right: of.n_right,
        }
    }
}

impl From<Measured> for Evaluation {
    fn from(of: Measured) -> Self {
        Self {
            nll: of.nll,
            n_tokens: of.n_tokens,
            n_right: of.n_right,
        }
    }
}

impl TrainerState {
    pub(super) fn write(&self, folder: &Path) -> Result<(), TrainError> {
        let path = folder.join(NAME);
        serde_json::to_string_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|text| fs::write(&path, text + "\n"))
            .map_err(TrainError::file("write", &path))
    }

    /// The state, or why there is none.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let bytes = fs::read(folder.join(NAME)).map_err(|error| format!("{NAME}: {error}"))?;
        let state: Self =
            serde_json::from_slice(&bytes).map_err(|error| format!("{NAME}: {error}"))?;
        if state.format != FORMAT {
            let found = state.format;
            return Err(format!("{NAME} has format {found}, expected {FORMAT}"));
        }
        Ok(state)
    }
}

/// A number as JSON, to the last bit. What JSON has no number for is its name.
mod exact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Name(String),
    }

    pub(super) fn serialize<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
        let written = if number.is_finite() {
            Written::Number(*number)
        } else {
            Written::Name(number.to_string())
        };
        written.serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
        match Written::deserialize(from)? {
            Written::Number(number) => Ok(number),
            Written::Name(name) => name.parse().map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn state(number: f64) -> TrainerState {
        let measured = Measured {
            nll: number,
            n_tokens: 3,
            n_right: Some(3),
        };
        TrainerState {
            format: FORMAT,
            step: 7,
            seed: i64::MAX as u64,
            n_updates: 6,
            data: "abc".into(),
            best: Some((measured, 5)),
            last: measured,
            window: WindowState {
                nll: number,
                n_tokens: 2,
                n_skipped: 1,
            },
            skipped: SkippedState {
                total: 1,
                in_a_row: 0,
            },
            plateau: PlateauState {
                waited: 2,
                n_reductions: 1,
            },
            loss_scale: Some(LossScale::default().behind(false)),
            n_tokens: 100,
            seconds: number,
            seconds_training: number,
            metrics_bytes: 12,
        }
    }

    #[test]
    fn every_number_comes_back_to_the_last_bit() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in [
            0.1 + 0.2,
            -0.0,
            f64::MIN_POSITIVE / 3.0,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1.0 / 3.0,
            12345.0,
        ] {
            state(number).write(folder.path()).expect("written");
            let read = TrainerState::read(folder.path()).expect("in order");
            assert_eq!(read, state(number));
            assert_eq!(read.seconds.to_bits(), number.to_bits(), "{number}");
        }
        state(f64::NAN).write(folder.path()).expect("written");
        let read = TrainerState::read(folder.path()).expect("in order");
        assert!(read.seconds.is_nan());
    }

    #[test]
    fn another_format_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let newer = TrainerState {
            format: FORMAT + 1,
            ..state(1.0)
        };
        newer.write(folder.path()).expect("written");
        let why = TrainerState::read(folder.path()).expect_err("unknown");
        assert!(why.contains("format 2, expected 1"), "{why}");
    }
}
