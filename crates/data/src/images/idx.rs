//! IDX, the format of MNIST: big-endian sizes, then bytes. LeCun, Cortes and Burges 1998
//! <https://yann.lecun.com/exdb/mnist/>.

use std::path::Path;

use super::Image;
use crate::DataError;
use crate::read::read_bytes_up_to;

/// The first four bytes: of bytes (8) with three axes, and with one.
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// The most that is read from one file, 2 GiB unpacked, and the most images: each takes some room of its own.
const MAX_IDX_BYTES: u64 = 2 << 30;
const MAX_IMAGES: usize = 1 << 24;

/// Grey images, from an `idx3-ubyte` file, gzip or not.
pub(super) fn read_images(path: &Path) -> Result<Vec<Image>, DataError> {
    let bytes = read_bytes_up_to(path, MAX_IDX_BYTES)?;
    images(&bytes).map_err(|problem| refuse(path, problem))
}

/// A label a byte, from an `idx1-ubyte` file, gzip or not.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = read_bytes_up_to(path, MAX_IDX_BYTES)?;
    labels(&bytes).map_err(|problem| refuse(path, problem))
}

fn refuse(path: &Path, problem: String) -> DataError {
    DataError::Image {
        path: path.into(),
        problem,
    }
}

fn images(bytes: &[u8]) -> Result<Vec<Image>, String> {
    let ([n, height, width], pixels) = parts(bytes, IMAGES, "images (0x00000803)")?;
    if height == 0 || width == 0 {
        return Err(format!(
            "found images of {height} x {width} pixels, expected at least one"
        ));
    }
    if n > MAX_IMAGES {
        return Err(format!("found {n} images, expected at most {MAX_IMAGES}"));
    }
    let images = pixels.chunks_exact(height * width);
    let images = images.map(|pixels| Image {
        channels: 1,
        height,
        width,
        pixels: pixels.to_vec(),
    });
    Ok(images.collect())
}

fn labels(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let ([_], labels) = parts(bytes, LABELS, "labels (0x00000801)")?;
    Ok(labels.to_vec())
}

/// The sizes of the axes, and the bytes behind them, of which there are as many as the sizes say.
fn parts<'a, const AXES: usize>(
    bytes: &'a [u8],
    magic: u32,
    what: &str,
) -> Result<([usize; AXES], &'a [u8]), String> {
    let (words, _) = bytes.as_chunks::<4>();
    let mut words = words.iter().map(|&word| u32::from_be_bytes(word));
    let first = words.next();
    if first != Some(magic) {
        let found = match first {
            Some(first) => format!("a file that begins with 0x{first:08x}"),
            None => format!("{} bytes", bytes.len()),
        };
        return Err(format!("found {found}, expected an IDX file of {what}"));
    }
    let mut sizes = [0; AXES];
    for size in &mut sizes {
        *size = words.next().ok_or("the header is cut short")? as usize;
    }
    let header = 4 + 4 * AXES;
    let content = &bytes[header..];
    let claimed = sizes
        .iter()
        .try_fold(1usize, |all, &size| all.checked_mul(size));
    if claimed != Some(content.len()) {
        let sizes = sizes.map(|size| size.to_string()).join(" x ");
        return Err(format!(
            "the header claims {sizes} bytes, but {} are there",
            content.len()
        ));
    }
    Ok((sizes, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(words: &[u32], content: &[u8]) -> Vec<u8> {
        let words = words.iter().flat_map(|word| word.to_be_bytes());
        words.chain(content.iter().copied()).collect()
    }

    #[test]
    fn images_and_labels_come_row_by_row() {
        let images = images(&file(&[0x803, 2, 1, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(images.len(), 2);
        assert_eq!((images[1].height, images[1].width), (1, 3));
        assert_eq!(images[1].pixels, [4, 5, 6]);
        assert_eq!(labels(&file(&[0x801, 2], &[7, 0])).unwrap(), [7, 0]);
    }

    #[test]
    fn every_claim_is_checked_against_the_file() {
        for (bytes, expected) in [
            (vec![], "found 0 bytes, expected an IDX file of images"),
            (
                file(&[0x801, 0], &[]),
                "begins with 0x00000801, expected an IDX file of images (0x00000803)",
            ),
            (file(&[0x803, 1, 1], &[]), "the header is cut short"),
            (
                file(&[0x803, 1, 2, 2], &[1, 2, 3]),
                "claims 1 x 2 x 2 bytes, but 3 are there",
            ),
            (
                file(&[0x803, 1, 1, 2], &[1, 2, 3]),
                "claims 1 x 1 x 2 bytes, but 3 are there",
            ),
            (
                file(&[0x803, u32::MAX, u32::MAX, u32::MAX], &[1]),
                "claims 4294967295 x",
            ),
            (
                file(&[0x803, u32::MAX, 0, 1], &[]),
                "images of 0 x 1 pixels",
            ),
        ] {
            let problem = images(&bytes).unwrap_err();
            assert!(problem.contains(expected), "{expected:?}: {problem}");
        }
        assert!(labels(&file(&[0x801, 3], &[1, 2])).is_err());
    }
}
