//! `preprocessor_config.json` of a model of images: how a picture becomes the numbers that it reads, as Hugging Face's
//! `ViTImageProcessor` says it.

use std::fs;
use std::path::Path;

use hearth_data::{DataError, ImageSize, PixelConfig};
use serde_json::json;

use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::features::PREPROCESSOR;

/// None where there is no such file, or the model reads no images.
pub(crate) fn read(dir: &Path, model: &ModelConfig) -> Result<Option<PixelConfig>, HubError> {
    let path = dir.join(PREPROCESSOR);
    let exists = path.try_exists();
    let exists = exists.map_err(|source| HubError::reading(&path, source))?;
    if !exists || !matches!(model, ModelConfig::Vit(_)) {
        return Ok(None);
    }
    let config: PixelConfig = ConfigFile::read(&path)?.fields()?;
    check(&config, model, dir)?;
    Ok(Some(config))
}

/// What a model's images go through where nothing is said: Hugging Face's defaults, in the model's own size.
pub(crate) fn default(model: &ModelConfig) -> Option<PixelConfig> {
    let ModelConfig::Vit(model) = model else {
        return None;
    };
    let image = model.patches.image;
    let size = ImageSize {
        height: image.height,
        width: image.width,
    };
    Some(PixelConfig::new(image.n_channels, size))
}

/// Refuses what makes no image, or none that the model reads.
pub(crate) fn check(config: &PixelConfig, model: &ModelConfig, dir: &Path) -> Result<(), HubError> {
    let path = dir.join(PREPROCESSOR);
    let refuse = |field: &str, found, expected| HubError::Unsupported {
        path: path.clone(),
        field: field.into(),
        found,
        expected,
    };
    match config.validate() {
        Ok(()) => {}
        Err(DataError::PixelConfig {
            field,
            found,
            expected,
        }) => return Err(refuse(field, found, expected)),
        Err(source) => return Err(HubError::Tokenizer { path, source }),
    }
    let shape = |config: &PixelConfig| {
        let size = config.size;
        format!("{} x {} x {}", config.channels(), size.height, size.width)
    };
    let Some(expected) = default(model) else {
        let expected = "nothing, beside a model that reads no images";
        return Err(refuse("the image", shape(config), expected.into()));
    };
    let (found, expected) = (shape(config), shape(&expected));
    if found != expected {
        let what = "channels x height x width of an image";
        return Err(refuse(
            what,
            found,
            format!("{expected} as the model reads"),
        ));
    }
    Ok(())
}

pub(crate) fn write(config: &PixelConfig, dir: &Path) -> Result<(), HubError> {
    let path = dir.join(PREPROCESSOR);
    let mut json = json!(config);
    json["image_processor_type"] = "ViTImageProcessor".into();
    fs::write(&path, format!("{json:#}\n")).map_err(|source| HubError::writing(&path, source))
}
