//! Reading PNG, JPEG and PNM files, which are not to be trusted.

use std::io::Cursor;
use std::path::Path;

use image::error::LimitErrorKind;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::Image;
use crate::DataError;
use crate::read::read_bytes_up_to;

/// The largest image file that is read, 256 MiB.
pub(super) const MAX_IMAGE_BYTES: u64 = 1 << 28;

/// The most pixels a side of an image that is read, and the most in all: a small file can claim to hold any number.
const MAX_SIDE: u32 = 1 << 15;
const MAX_PIXELS: u64 = 1 << 26;

/// Reads a PNG, JPEG or PNM file, told by its first bytes: in grey if it is grey, else in colour.
///
/// What is transparent is shown without its transparency, 16 bits a channel become 8, and a photograph that says how it was
/// held is turned upright. JPEG leaves its decoders some freedom: other programs may read a pixel one or two steps brighter
/// or darker.
///
/// # Errors
///
/// The file cannot be read, is in none of these formats, damaged or cut short, has more than 32,768 pixels a side or 67
/// million in all, or is larger than 256 MiB.
pub fn read_image(path: &Path) -> Result<Image, DataError> {
    image(path, &read_bytes_up_to(path, MAX_IMAGE_BYTES)?)
}

/// The image that a file's bytes are.
pub(super) fn image(path: &Path, bytes: &[u8]) -> Result<Image, DataError> {
    decode(bytes).map_err(|problem| DataError::Image {
        path: path.into(),
        problem,
    })
}

/// The picture that a file holds, or what is wrong with it.
fn decode(bytes: &[u8]) -> Result<Image, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    let mut reader = ImageReader::new(Cursor::new(bytes));
    reader.limits(limits);
    let reader = reader.with_guessed_format();
    let mut decoder = reader
        .map_err(ImageError::IoError)
        .and_then(ImageReader::into_decoder)
        .map_err(|error| describe(&error, bytes))?;
    let (width, height) = decoder.dimensions();
    let n_pixels = u64::from(width) * u64::from(height);
    if n_pixels > MAX_PIXELS || width > MAX_SIDE || height > MAX_SIDE {
        return Err(too_large(&format!("{width} x {height} pixels")));
    }
    if n_pixels == 0 {
        return Err(format!(
            "found {width} x {height} pixels, expected at least one"
        ));
    }
    // What cannot be read of that does no harm.
    let orientation = decoder.orientation();
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| describe(&error, bytes))?;
    if let Ok(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, pixels) = if image.color().has_color() {
        (3, image.into_rgb8().into_raw())
    } else {
        (1, image.into_luma8().into_raw())
    };
    Ok(Image {
        channels,
        height,
        width,
        pixels,
    })
}

fn too_large(found: &str) -> String {
    format!("found {found}, expected at most {MAX_SIDE} a side and {MAX_PIXELS} in all")
}

fn describe(error: &ImageError, bytes: &[u8]) -> String {
    match error {
        ImageError::Unsupported(_) => {
            let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]);
            format!(
                "found {} bytes that begin with {beginning:?}, expected a PNG, JPEG or PNM image",
                bytes.len()
            )
        }
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError => too_large("more pixels a side"),
            _ => too_large("an image that takes more than 512 MiB"),
        },
        error => format!("the image is damaged or cut short: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Luma, LumaA, Rgb, Rgba};

    use super::super::example;
    use super::*;

    fn written(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn colours() -> image::RgbImage {
        image::RgbImage::from_raw(7, 5, example().pixels).unwrap()
    }

    #[test]
    fn formats_without_loss_give_the_image_itself() {
        for format in [ImageFormat::Png, ImageFormat::Pnm] {
            assert_eq!(decode(&written(colours(), format)).unwrap(), example());
            let grey = example().with_channels(1);
            let picture = image::GrayImage::from_raw(7, 5, grey.pixels.clone()).unwrap();
            assert_eq!(decode(&written(picture, format)).unwrap(), grey);
        }
    }

    #[test]
    fn depth_and_transparency_are_taken_out() {
        let deep = image::ImageBuffer::from_pixel(2, 1, Luma([0x80ffu16]));
        let read = |image: DynamicImage| decode(&written(image, ImageFormat::Png)).unwrap();
        assert_eq!(read(deep.into()).pixels, [0x80, 0x80]);
        let clear = image::ImageBuffer::from_pixel(1, 1, Rgba([10u8, 20, 30, 0]));
        assert_eq!(read(clear.into()).pixels, [10, 20, 30]);
        let clear = image::ImageBuffer::from_pixel(1, 1, LumaA([10u8, 0]));
        assert_eq!(read(clear.into()).pixels, [10]);
    }

    #[test]
    fn jpeg_is_close_to_what_was_written() {
        let smooth =
            image::ImageBuffer::from_fn(32, 16, |x, y| Rgb([8 * x as u8, 8 * y as u8, 77]));
        let image = decode(&written(smooth.clone(), ImageFormat::Jpeg)).unwrap();
        assert_eq!((image.channels, image.height, image.width), (3, 16, 32));
        let pairs = image.pixels.iter().zip(smooth.as_raw());
        let far = pairs.map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
        assert!(far < 30, "{far}");
    }

    #[test]
    fn what_is_no_image_is_said() {
        let png = written(colours(), ImageFormat::Png);
        let jpeg = written(colours(), ImageFormat::Jpeg);
        let pnm = |header: &str| header.as_bytes().to_vec();
        for (bytes, expected) in [
            (vec![], "found 0 bytes that begin with \"\", expected a PNG"),
            (b"GIF89a and so on".to_vec(), "begin with \"GIF89a a\""),
            (png[..png.len() / 2].to_vec(), "damaged or cut short"),
            (png[..20].to_vec(), "damaged or cut short"),
            (jpeg[..jpeg.len() / 2].to_vec(), "damaged or cut short"),
            (pnm("P5 40000 1 255\n"), "expected at most 32768 a side"),
            (pnm("P5 30000 30000 255\n"), "found 30000 x 30000 pixels"),
            (pnm("P5 4294967295 4294967295 255\n"), "expected at most"),
            (
                pnm("P5 0 7 255\n"),
                "found 0 x 7 pixels, expected at least one",
            ),
            (pnm("P5 8000 8000 255\nabc"), "damaged or cut short"),
        ] {
            let problem = decode(&bytes).unwrap_err();
            assert!(problem.contains(expected), "{expected:?}: {problem}");
        }
    }

    #[test]
    fn damage_anywhere_never_panics() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Pnm] {
            let good = written(colours(), format);
            for at in 0..good.len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut bytes = good.clone();
                    bytes[at] = value;
                    let _ = decode(&bytes);
                }
                let _ = decode(&good[..at]);
            }
        }
    }

    #[test]
    fn a_missing_file_is_io_and_a_bad_one_names_itself() {
        assert!(read_image(Path::new("/nowhere/a.png")).unwrap_err().is_io());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, "text").unwrap();
        let error = read_image(&path).unwrap_err();
        assert!(!error.is_io());
        assert!(
            error.to_string().contains("a.png: found 4 bytes"),
            "{error}"
        );
    }
}
