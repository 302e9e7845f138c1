//! Resizing as PIL does it, to the last bit: a filter as wide as what it makes small, so that nothing is aliased.
//!
//! Weights are whole numbers of 2^-22; each of the two passes, first along rows and then along columns, rounds to bytes.

use super::{Image, ImageSize, Resample};

/// Bits behind the point of a weight.
const PRECISION: u32 = 22;

pub(super) fn resize(image: &Image, size: ImageSize, resample: Resample) -> Image {
    let Image {
        channels,
        height,
        width,
        ..
    } = *image;
    let mut pixels = Vec::with_capacity(height * size.width * channels);
    let columns = windows(width, size.width, resample);
    for row in image.pixels.chunks_exact((width * channels).max(1)) {
        for (first, weights) in &columns {
            for channel in 0..channels {
                let values = row[first * channels + channel..].iter();
                pixels.push(weigh(values.step_by(channels), weights));
            }
        }
    }
    let stride = size.width * channels;
    let mut resized = Vec::with_capacity(size.height * stride);
    for (first, weights) in windows(height, size.height, resample) {
        for at in 0..stride {
            let values = pixels[first * stride + at..].iter();
            resized.push(weigh(values.step_by(stride), &weights));
        }
    }
    Image {
        channels,
        height: size.height,
        width: size.width,
        pixels: resized,
    }
}

fn weigh<'a>(values: impl Iterator<Item = &'a u8>, weights: &[i32]) -> u8 {
    let half = 1 << (PRECISION - 1);
    let weighted = values.zip(weights);
    let sum: i32 = weighted.map(|(&x, weight)| i32::from(x) * weight).sum();
    ((half + sum) >> PRECISION).clamp(0, 255) as u8
}

/// For each place of the result the first place that it reads, and the weights from there.
fn windows(from: usize, to: usize, resample: Resample) -> Vec<(usize, Vec<i32>)> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let reach = resample.reach() * stretch;
    (0..to)
        .map(|place| {
            let centre = (place as f64 + 0.5) * scale;
            // Both are cut, as a cast cuts them; what is below zero becomes zero.
            let first = (centre - reach + 0.5) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weight = |x: usize| resample.weight((x as f64 - centre + 0.5) * (1.0 / stretch));
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let total: f64 = weights.iter().sum();
            let whole = |weight: &f64| {
                let scaled = weight / total * f64::from(1 << PRECISION);
                (scaled + 0.5f64.copysign(scaled)) as i32
            };
            (first, weights.iter().map(whole).collect())
        })
        .collect()
}

impl Resample {
    /// How far from its centre a filter reads, in pixels.
    fn reach(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// The filter at a distance. Keys 1981 <https://doi.org/10.1109/TASSP.1981.1163711> for the cubic one, with a = -1/2.
    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[track_caller]
    fn assert_resized(resample: Resample, [height, width]: [usize; 2], expected: &[u8]) {
        let resized = resize(&example(), ImageSize { height, width }, resample);
        assert_eq!(resized.pixels, expected, "{resample:?} {height} x {width}");
        assert_eq!((resized.height, resized.width), (height, width));
    }

    /// `Image.resize` of Pillow 13: smaller, larger, and larger one way only.
    #[test]
    #[rustfmt::skip]
    fn resizing_is_that_of_pillow_to_the_last_bit() {
        assert_resized(Resample::Bilinear, [2, 3], &[
            88, 143, 116, 144, 144, 110, 103, 114, 150, 128, 117, 127, 111, 117, 122, 128, 115, 153,
        ]);
        assert_resized(Resample::Bicubic, [2, 3], &[
            82, 146, 114, 150, 148, 106, 100, 111, 154, 131, 114, 130, 111, 113, 117, 128, 118, 156,
        ]);
        assert_resized(Resample::Bilinear, [8, 4], &[
            30, 113, 184, 119, 202, 80, 172, 122, 133, 68, 139, 222, 46, 129, 152, 142, 194, 81, 146, 123, 143, 103, 120, 156, 72,
            149, 109, 167, 180, 85, 114, 122, 152, 141, 98, 79, 126, 134, 86, 112, 137, 113, 122, 91, 109, 85, 118, 167, 127, 131,
            87, 101, 107, 125, 124, 100, 92, 79, 119, 198, 75, 140, 112, 136, 90, 120, 120, 147, 100, 122, 101, 173, 127, 122, 157,
            129, 79, 140, 122, 154, 104, 138, 111, 182, 171, 108, 191, 122, 72, 155, 124, 156, 106, 147, 120, 191,
        ]);
        assert_resized(Resample::Bicubic, [8, 4], &[
            20, 103, 197, 121, 214, 71, 185, 121, 124, 55, 139, 241, 32, 125, 160, 153, 205, 72, 152, 125, 146, 99, 119, 156, 63,
            151, 105, 181, 182, 81, 111, 122, 162, 145, 98, 64, 139, 131, 79, 106, 136, 115, 123, 83, 100, 75, 121, 175, 138, 129,
            79, 90, 103, 128, 127, 93, 77, 66, 120, 217, 70, 145, 106, 138, 87, 120, 119, 151, 99, 126, 96, 172, 129, 125, 162, 127,
            75, 143, 121, 160, 101, 147, 107, 182, 183, 107, 199, 112, 69, 161, 123, 158, 99, 154, 120, 196,
        ]);
        let large = resize(&example(), ImageSize { height: 9, width: 10 }, Resample::Bilinear);
        assert_eq!(large.pixels[240..], [
            240, 67, 150, 155, 123, 206, 110, 129, 212, 181, 21, 104, 85, 79, 162, 66, 149, 143, 137, 207, 47, 208, 99, 118, 163,
            105, 188, 78, 161, 244,
        ]);
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let size = ImageSize {
            height: 5,
            width: 7,
        };
        for resample in [Resample::Bilinear, Resample::Bicubic] {
            assert_eq!(resize(&example(), size, resample), example());
        }
    }

    #[test]
    fn one_colour_stays_one_colour_at_any_size() {
        let image = Image {
            channels: 1,
            height: 300,
            width: 1,
            pixels: vec![201; 300],
        };
        for resample in [Resample::Bilinear, Resample::Bicubic] {
            for (height, width) in [(1, 1), (7, 500), (299, 3)] {
                let resized = resize(&image, ImageSize { height, width }, resample);
                assert!(resized.pixels.iter().all(|&pixel| pixel == 201));
                assert_eq!(resized.pixels.len(), height * width);
            }
        }
    }
}
