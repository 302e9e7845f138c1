//! How an image becomes the numbers that a model reads: Hugging Face's `ViTImageProcessor`.

use serde::{Deserialize, Serialize};

use super::resize::resize;
use super::{Image, ImageSize, Resample};
use crate::DataError;

/// How pixels become numbers: resized, rescaled, normalised, in this order.
///
/// The fields, their names and their defaults are those of `ViTImageProcessor` in Hugging Face's
/// `preprocessor_config.json`; others are ignored. Resizing agrees with PIL bit by bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PixelConfig {
    /// Whether grey becomes colour. An image has the channels that the model wants either way, as many as
    /// [`image_mean`](Self::image_mean) has numbers; so this only says what other programs do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_convert_rgb: Option<bool>,
    /// Whether an image is resized. If not, all images have to be of one size.
    pub do_resize: bool,
    /// The size of all images.
    pub size: ImageSize,
    /// How an image is resized.
    pub resample: Resample,
    /// Whether bytes are multiplied by [`rescale_factor`](Self::rescale_factor).
    pub do_rescale: bool,
    /// What bytes are multiplied by.
    pub rescale_factor: f64,
    /// Whether the mean is taken out and the deviation divided by.
    pub do_normalize: bool,
    /// The mean of each channel: one for grey, three for colour.
    pub image_mean: Vec<f64>,
    /// The standard deviation of each channel.
    pub image_std: Vec<f64>,
}

impl Default for PixelConfig {
    fn default() -> Self {
        let size = ImageSize {
            height: 224,
            width: 224,
        };
        Self::new(3, size)
    }
}

impl PixelConfig {
    /// The defaults for so many channels and this size: bilinear, and bytes to numbers from -1 to 1.
    ///
    /// - `channels`: 1 (grey) or 3 (colour)
    pub fn new(channels: usize, size: ImageSize) -> Self {
        Self {
            do_convert_rgb: None,
            do_resize: true,
            size,
            resample: Resample::Bilinear,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: vec![0.5; channels],
            image_std: vec![0.5; channels],
        }
    }

    /// How many channels an image has for the model.
    pub fn channels(&self) -> usize {
        self.image_mean.len()
    }

    /// Refuses what makes no image.
    ///
    /// # Errors
    ///
    /// [`DataError::PixelConfig`]: a side is 0 or more than [`ImageSize::MAX_SIDE`]; there are neither 1 nor 3 means, not as many
    /// deviations, or one mean where grey becomes colour; a number is not finite or too large to compute with, or a deviation
    /// is zero or less.
    pub fn validate(&self) -> Result<(), DataError> {
        let refuse = |field, found: String, expected: &str| {
            Err(DataError::PixelConfig {
                field,
                found,
                expected: expected.into(),
            })
        };
        let ImageSize { height, width } = self.size;
        if ![height, width]
            .iter()
            .all(|side| (1..=ImageSize::MAX_SIDE).contains(side))
        {
            let expected = format!("1 to {} pixels a side", ImageSize::MAX_SIDE);
            return refuse("size", format!("{height} x {width}"), &expected);
        }
        let channels = self.channels();
        if ![1, 3].contains(&channels) {
            let expected = "1 number (grey) or 3 (colour)";
            return refuse("image_mean", format!("{channels} numbers"), expected);
        }
        if self.image_std.len() != channels {
            let expected = format!("{channels}, as in image_mean");
            return refuse(
                "image_std",
                format!("{} numbers", self.image_std.len()),
                &expected,
            );
        }
        if self.do_convert_rgb == Some(true) && channels != 3 {
            let expected = "3 numbers, because do_convert_rgb is true";
            return refuse("image_mean", format!("{channels} number"), expected);
        }
        // Single precision computes with these.
        const LARGEST: f64 = 1e6;
        const SMALLEST: f64 = 1e-6;
        let bounded = |x: &f64| (-LARGEST..=LARGEST).contains(x);
        if let Some(mean) = self.image_mean.iter().find(|x| !bounded(x)) {
            return refuse("image_mean", mean.to_string(), "-1e6 to 1e6");
        }
        let positive = |x: &f64| (SMALLEST..=LARGEST).contains(x);
        if let Some(deviation) = self.image_std.iter().find(|x| !positive(x)) {
            return refuse("image_std", deviation.to_string(), "1e-6 to 1e6");
        }
        if !positive(&self.rescale_factor) {
            return refuse(
                "rescale_factor",
                self.rescale_factor.to_string(),
                "1e-6 to 1e6",
            );
        }
        Ok(())
    }

    /// The image in the channels and, if it is to be resized, in the size that the model reads: still bytes.
    ///
    /// # Panics
    ///
    /// If the config is not [valid](Self::validate), or the image has no pixels.
    pub fn prepare(&self, image: Image) -> Image {
        let image = image.with_channels(self.channels());
        let size = ImageSize {
            height: image.height,
            width: image.width,
        };
        if self.do_resize && size != self.size {
            resize(&image, self.size, self.resample)
        } else {
            image
        }
    }

    /// The numbers of a [prepared](Self::prepare) image.
    ///
    /// - returns `[channels, height, width]`
    ///
    /// # Panics
    ///
    /// If the image has other channels than the config.
    pub fn values(&self, image: &Image) -> Vec<f32> {
        assert_eq!(image.channels, self.channels(), "channels of an image");
        let channels = self.image_mean.iter().zip(&self.image_std);
        channels
            .enumerate()
            .flat_map(|(channel, (&mean, &deviation))| {
                let table: Vec<f32> = (0..=255)
                    .map(|byte| self.value(byte, mean, deviation))
                    .collect();
                let pixels = image.pixels.iter().skip(channel);
                pixels
                    .step_by(image.channels)
                    .map(move |&byte| table[usize::from(byte)])
            })
            .collect()
    }

    /// Rescaled in double precision and normalised in single, as Hugging Face does.
    fn value(&self, byte: u8, mean: f64, deviation: f64) -> f32 {
        let scale = if self.do_rescale {
            self.rescale_factor
        } else {
            1.0
        };
        let value = (f64::from(byte) * scale) as f32;
        if self.do_normalize {
            (value - mean as f32) / deviation as f32
        } else {
            value
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    fn parse(json: &str) -> Result<PixelConfig, String> {
        let config: PixelConfig = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let valid = config.validate();
        valid.map(|()| config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_of_hugging_face_is_read_and_written() {
        let config = parse(
            r#"{"do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "ViTImageProcessor", "image_std": [0.229, 0.224, 0.225], "resample": 3,
            "rescale_factor": 0.00392156862745098, "size": {"height": 32, "width": 48}}"#,
        )
        .unwrap();
        assert_eq!(config.resample, Resample::Bicubic);
        assert_eq!((config.size.height, config.size.width), (32, 48));
        let written = serde_json::to_string(&config).unwrap();
        assert_eq!(parse(&written).unwrap(), config);
        assert!(written.contains(r#""resample":3"#), "{written}");
        assert!(written.contains(r#""size":{"height":32,"width":48}"#));
    }

    #[test]
    fn what_is_absent_has_the_default_and_one_number_is_a_square() {
        assert_eq!(parse("{}").unwrap(), PixelConfig::default());
        assert_eq!(parse(r#"{"size": 224}"#).unwrap(), PixelConfig::default());
        assert_eq!(parse(r#"{"do_convert_rgb": true}"#).unwrap().channels(), 3);
    }

    #[test]
    fn hostile_values_are_refused() {
        for (json, expected) in [
            (r#"{"size": 0}"#, "size is 0 x 0, expected 1 to 4096"),
            (
                r#"{"size": {"height": 4, "width": 5000}}"#,
                "size is 4 x 5000",
            ),
            (
                r#"{"size": 1e99}"#,
                "found the size 1e+99, expected one whole number",
            ),
            (r#"{"size": -1}"#, "found the size -1"),
            (r#"{"size": {"shortest_edge": 224}}"#, "shortest_edge"),
            (r#"{"size": {"height": 4}}"#, "expected one whole number or"),
            (
                r#"{"resample": 0}"#,
                "found the filter 0, expected 2 (bilinear)",
            ),
            (r#"{"resample": "nearest"}"#, "found the filter \"nearest\""),
            (
                r#"{"rescale_factor": 0}"#,
                "rescale_factor is 0, expected 1e-6",
            ),
            (r#"{"image_mean": [0.5, 0.5]}"#, "image_mean is 2 numbers"),
            (
                r#"{"image_mean": [0.5]}"#,
                "image_std is 3 numbers, expected 1,",
            ),
            (r#"{"image_mean": [1e300, 0, 0]}"#, "image_mean is 1"),
            (
                r#"{"image_std": [0.5, 0, 0.5]}"#,
                "image_std is 0, expected 1e-6",
            ),
            (r#"{"image_std": [0.5, 1e-300, 1]}"#, "image_std is 0.0"),
            (
                r#"{"image_mean": [0], "image_std": [1], "do_convert_rgb": true}"#,
                "because do_convert_rgb is true",
            ),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
        let broken = PixelConfig {
            image_std: vec![1.0, f64::NAN, 1.0],
            ..PixelConfig::default()
        };
        assert!(broken.validate().is_err());
    }

    #[test]
    fn channels_come_apart_and_each_is_normalised() {
        let config = PixelConfig {
            image_mean: vec![0.5, 0.0, 1.0],
            image_std: vec![0.5, 1.0, 0.1],
            ..PixelConfig::new(
                3,
                ImageSize {
                    height: 1,
                    width: 2,
                },
            )
        };
        let image = Image {
            channels: 3,
            height: 1,
            width: 2,
            pixels: vec![0, 51, 255, 255, 102, 0],
        };
        let values = config.values(&config.prepare(image));
        let expected = [-1.0, 1.0, 0.2, 0.4, 0.0, -10.0];
        for (found, expected) in values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{values:?}");
        }
    }

    #[test]
    fn what_is_not_to_be_done_is_not_done() {
        let config = PixelConfig {
            do_resize: false,
            do_rescale: false,
            do_normalize: false,
            ..PixelConfig::new(
                3,
                ImageSize {
                    height: 1,
                    width: 1,
                },
            )
        };
        let image = config.prepare(example());
        assert_eq!((image.height, image.width), (5, 7));
        let red = config.values(&image);
        assert_eq!(red[..3], [0.0, 57.0, 114.0]);
        assert_eq!(red.len(), 105);
    }

    #[test]
    fn grey_is_made_before_the_size() {
        let size = ImageSize {
            height: 3,
            width: 4,
        };
        let grey = PixelConfig::new(1, size).prepare(example());
        assert_eq!((grey.channels, grey.pixels.len()), (1, 12));
        let expected = resize(&example().with_channels(1), size, Resample::Bilinear);
        assert_eq!(grey, expected);
    }
}
