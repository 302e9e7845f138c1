//! Handwritten digits that need no file.

use smartcore::dataset::digits::load_dataset;

use super::{Image, LabelledImage, LabelledImages};

/// 1,797 handwritten digits of 8 by 8 pixels in grey: the test part of Alpaydin and Kaynak 1998, "Optical Recognition of
/// Handwritten Digits" <https://doi.org/10.24432/C50P49>, CC BY 4.0, which scikit-learn's `load_digits` gives too.
///
/// They count in each pixel how many of its 16 dots are black: 0 to 16. Here 16 is 255.
pub fn digits() -> LabelledImages {
    const SIDE: usize = 8;
    let dataset = load_dataset();
    let images = dataset.data.chunks_exact(SIDE * SIDE);
    let images = images
        .zip(&dataset.target)
        .map(|(dots, &digit)| LabelledImage {
            image: Image {
                channels: 1,
                height: SIDE,
                width: SIDE,
                pixels: dots
                    .iter()
                    .map(|dots| (dots * 255.0 / 16.0).round() as u8)
                    .collect(),
            },
            label: digit as usize,
        });
    LabelledImages {
        images: images.collect(),
        labels: (0..10).map(|digit: usize| digit.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first image and the counts as scikit-learn 1.x has them.
    #[test]
    fn digits_are_those_of_scikit_learn() {
        let digits = digits();
        let count = |label| {
            digits
                .images
                .iter()
                .filter(|one| one.label == label)
                .count()
        };
        let counts: Vec<usize> = (0..10).map(count).collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(digits.images[0].label, 0);
        let pixels = &digits.images[0].image.pixels;
        let dots: Vec<u8> = pixels[..16]
            .iter()
            .map(|&pixel| pixel.div_ceil(16))
            .collect();
        assert_eq!(dots, [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]);
        assert_eq!(pixels.iter().max(), Some(&239));
    }
}
