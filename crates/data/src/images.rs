//! Images: from files to the numbers that a model of vision reads.

mod config;
mod corpus;
mod digits;
mod fields;
mod idx;
mod read;
mod resize;

pub use config::PixelConfig;
pub use corpus::{LabelledImage, LabelledImages};
pub use digits::digits;
pub use fields::{ImageSize, Resample};
pub use read::read_image;

/// An image in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, channels]`, row by row.
    pub pixels: Vec<u8>,
}

impl Image {
    /// The same picture in grey (1) or in colour (3), as PIL's `convert` does it: grey is ITU-R 601's luma, and grey in
    /// colour has three equal channels.
    ///
    /// # Panics
    ///
    /// If there are neither 1 nor 3 channels, or ought to be.
    pub fn with_channels(self, channels: usize) -> Self {
        let pixels = match (self.channels, channels) {
            (from, to) if from == to && (from == 1 || from == 3) => self.pixels,
            (1, 3) => self.pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
            (3, 1) => self.pixels.chunks_exact(3).map(luma).collect(),
            (from, to) => panic!("{from} channels cannot become {to}, expected 1 or 3"),
        };
        Self {
            channels,
            pixels,
            ..self
        }
    }
}

/// In 65,536ths, as PIL rounds it.
fn luma(colour: &[u8]) -> u8 {
    let weighted = colour.iter().zip([19_595u32, 38_470, 7_471]);
    let sum: u32 = weighted.map(|(&x, weight)| u32::from(x) * weight).sum();
    ((sum + 0x8000) >> 16) as u8
}

/// A small picture without symmetry, of which the tests know what PIL makes.
#[cfg(test)]
fn example() -> Image {
    let (height, width) = (5, 7);
    let pixel = |i: usize| {
        let (y, x, channel) = (i / 3 / width, i / 3 % width, i % 3);
        (y * y * 31 + x * 57 + channel * 83 + x * y * 11) as u8
    };
    Image {
        channels: 3,
        height,
        width,
        pixels: (0..height * width * 3).map(pixel).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Image.convert("L")` of Pillow 13.
    #[test]
    #[rustfmt::skip]
    fn grey_is_that_of_pillow() {
        let grey = example().with_channels(1);
        assert_eq!(grey.pixels, [
            68, 125, 152, 209, 116, 97, 154, 99, 137, 205, 123, 115, 153, 71, 162, 91, 94, 143, 72, 75, 154, 91, 151, 91, 105,
            165, 105, 119, 128, 153, 74, 99, 170, 121, 146,
        ]);
        let colour = grey.clone().with_channels(3);
        assert_eq!(colour.pixels[..6], [68, 68, 68, 125, 125, 125]);
        assert_eq!(colour.with_channels(1), grey);
    }
}
