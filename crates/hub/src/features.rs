//! `preprocessor_config.json`: how sound becomes the frames that a model reads, as Hugging Face's
//! `Speech2TextFeatureExtractor` says it.

use std::fs;
use std::path::Path;

use hearth_data::FilterbankConfig;
use serde::Deserialize;
use serde_json::json;

use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;

pub(crate) const PREPROCESSOR: &str = "preprocessor_config.json";

/// The rates, in samples a second, that sound is turned into.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=192_000;

/// The fields that matter, with Hugging Face's defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    dither: f64,
    do_ceptral_normalize: bool,
    feature_extractor_type: String,
    normalize_means: bool,
    normalize_vars: bool,
    num_mel_bins: usize,
    padding_value: f64,
    sampling_rate: u32,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            dither: 0.0,
            do_ceptral_normalize: true,
            feature_extractor_type: "Speech2TextFeatureExtractor".into(),
            normalize_means: true,
            normalize_vars: true,
            num_mel_bins: 80,
            padding_value: 0.0,
            sampling_rate: 16_000,
        }
    }
}

/// None where there is no such file, or the model reads no sound.
pub(crate) fn read(dir: &Path, model: &ModelConfig) -> Result<Option<FilterbankConfig>, HubError> {
    let path = dir.join(PREPROCESSOR);
    let exists = path.try_exists();
    let exists = exists.map_err(|source| HubError::reading(&path, source))?;
    let ModelConfig::SpeechToText(model) = model else {
        return Ok(None);
    };
    if !exists {
        return Ok(None);
    }
    let file = ConfigFile::read(&path)?;
    let fields: Fields = file.fields()?;
    let defaults = Fields::default();
    file.require(
        "feature_extractor_type",
        &fields.feature_extractor_type,
        &defaults.feature_extractor_type,
    )?;
    // Noise, which would make each hearing another.
    file.require("dither", &fields.dither, &defaults.dither)?;
    file.require(
        "padding_value",
        &fields.padding_value,
        &defaults.padding_value,
    )?;
    file.require("num_mel_bins", &fields.num_mel_bins, &model.frames.n_mels)?;
    if !RATES.contains(&fields.sampling_rate) {
        let expected = format!("{} to {}", RATES.start(), RATES.end());
        return Err(file.refuse("sampling_rate", fields.sampling_rate.to_string(), expected));
    }
    let normalizes = fields.do_ceptral_normalize;
    Ok(Some(FilterbankConfig {
        sample_rate: fields.sampling_rate,
        n_mels: fields.num_mel_bins,
        normalize_mean: normalizes && fields.normalize_means,
        normalize_variance: normalizes && fields.normalize_vars,
    }))
}

/// Refuses features that a later load would.
pub(crate) fn check(
    features: &FilterbankConfig,
    model: &ModelConfig,
    dir: &Path,
) -> Result<(), HubError> {
    let n_mels = match model {
        ModelConfig::SpeechToText(model) => model.frames.n_mels,
        _ => 0,
    };
    if features.n_mels == n_mels && RATES.contains(&features.sample_rate) {
        return Ok(());
    }
    Err(HubError::Unsupported {
        path: dir.join(PREPROCESSOR),
        field: "the features".into(),
        found: format!(
            "{} mels at {} samples a second",
            features.n_mels, features.sample_rate
        ),
        expected: format!(
            "{n_mels} mels as the model reads, at {} to {}",
            RATES.start(),
            RATES.end()
        ),
    })
}

pub(crate) fn write(features: &FilterbankConfig, dir: &Path) -> Result<(), HubError> {
    let path = dir.join(PREPROCESSOR);
    let json = json!({
        "feature_extractor_type": Fields::default().feature_extractor_type,
        "feature_size": features.n_mels,
        "num_mel_bins": features.n_mels,
        "sampling_rate": features.sample_rate,
        "dither": 0.0,
        "do_ceptral_normalize": features.normalize_mean || features.normalize_variance,
        "normalize_means": features.normalize_mean,
        "normalize_vars": features.normalize_variance,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": true,
    });
    fs::write(&path, format!("{json:#}\n")).map_err(|source| HubError::writing(&path, source))
}
