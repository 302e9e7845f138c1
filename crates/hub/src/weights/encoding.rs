//! How a file writes weights: plain numbers, or blocks of small integers with a scale.

use burn::tensor::{bf16, f16};
use safetensors::Dtype;

/// A way of writing weights. All are little-endian.
///
/// The quantised ones are ggml's (<https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h>): 32 numbers a block,
/// each a small integer `q`, and for the block a scale `d` and perhaps a minimum `m`, both in half precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    F32,
    F16,
    Bf16,
    /// `d · q`, `q` a signed byte.
    Q8_0,
    /// `d · (q - 8)`, two `q` a byte: the lower halves are the first 16 numbers.
    Q4_0,
    /// `d · q + m`, two `q` a byte, as above.
    Q4_1,
}

/// Numbers of a quantised block.
const BLOCK: usize = 32;

impl Encoding {
    /// The encoding of a type of safetensors; none where it is no type of weights.
    pub(crate) fn of(dtype: Dtype) -> Option<Self> {
        Some(match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::Bf16,
            _ => return None,
        })
    }

    /// How many numbers stand in a block, and how many bytes it takes.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q8_0 => (BLOCK, 2 + BLOCK),
            Self::Q4_0 => (BLOCK, 2 + BLOCK / 2),
            Self::Q4_1 => (BLOCK, 4 + BLOCK / 2),
        }
    }

    /// Appends the numbers of whole blocks, in single precision.
    pub(crate) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F32 => values.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
            Self::F16 => values.extend(bytes.as_chunks().0.iter().map(|&b| half(b))),
            Self::Bf16 => values.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| bf16::from_le_bytes(b).to_f32()),
            ),
            Self::Q8_0 => {
                for &[d0, d1, ref quants @ ..] in bytes.as_chunks::<{ 2 + BLOCK }>().0 {
                    let d = half([d0, d1]);
                    values.extend(quants.iter().map(|&q| d * f32::from(q.cast_signed())));
                }
            }
            Self::Q4_0 => {
                for &[d0, d1, ref pairs @ ..] in bytes.as_chunks::<{ 2 + BLOCK / 2 }>().0 {
                    let d = half([d0, d1]);
                    values.extend(halves(pairs).map(|q| d * (q - 8.0)));
                }
            }
            Self::Q4_1 => {
                for &[d0, d1, m0, m1, ref pairs @ ..] in bytes.as_chunks::<{ 4 + BLOCK / 2 }>().0 {
                    let (d, m) = (half([d0, d1]), half([m0, m1]));
                    values.extend(halves(pairs).map(|q| d * q + m));
                }
            }
        }
    }
}

fn half(bytes: [u8; 2]) -> f32 {
    f16::from_le_bytes(bytes).to_f32()
}

/// The lower halves of all bytes, then the upper ones.
fn halves(pairs: &[u8]) -> impl Iterator<Item = f32> {
    let lower = pairs.iter().map(|&pair| f32::from(pair & 0xf));
    lower.chain(pairs.iter().map(|&pair| f32::from(pair >> 4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: Encoding, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::new();
        encoding.decode(bytes, &mut values);
        values
    }

    #[test]
    fn half_precision_becomes_single() {
        // Bits, and what IEEE 754 says they are: one, the largest, the least normal, subnormal ones, zeros, infinities.
        #[rustfmt::skip]
        let halves: [(u16, f32); 9] = [
            (0x3c00, 1.0), (0xc500, -5.0), (0x7bff, 65504.0), (0x0400, 6.103_515_6e-5), (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5), (0x8000, -0.0), (0x7c00, f32::INFINITY), (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, expected) in halves {
            let found = decoded(Encoding::F16, &bits.to_le_bytes());
            assert_eq!(found[0].to_bits(), expected.to_bits(), "{bits:#x}");
        }
        #[rustfmt::skip]
        let brains: [(u16, f32); 6] = [
            (0x3f80, 1.0), (0xc040, -3.0), (0x7f7f, 3.389_531_4e38), (0x0001, 9.183_55e-41), (0x8000, -0.0),
            (0xff80, f32::NEG_INFINITY),
        ];
        for (bits, expected) in brains {
            let found = decoded(Encoding::Bf16, &bits.to_le_bytes());
            assert_eq!(found[0].to_bits(), expected.to_bits(), "{bits:#x}");
        }
        for (encoding, bits) in [(Encoding::F16, 0x7c01u16), (Encoding::Bf16, 0xff81)] {
            assert!(decoded(encoding, &bits.to_le_bytes())[0].is_nan());
        }
    }

    #[test]
    fn blocks_are_what_ggml_says() {
        let d = f16::from_f32(0.5).to_le_bytes();
        let m = f16::from_f32(-1.25).to_le_bytes();
        // q = 0, 1, … 127 would be too long: -16 to 15.
        let quants: Vec<u8> = (-16i8..16).map(i8::cast_unsigned).collect();
        let expected: Vec<f32> = (-16i8..16).map(|q| 0.5 * f32::from(q)).collect();
        assert_eq!(
            decoded(Encoding::Q8_0, &[&d, &quants[..]].concat()),
            expected
        );

        // The byte i holds i below and 15 - i above.
        let pairs: Vec<u8> = (0..16).map(|i| i | (15 - i) << 4).collect();
        let q = || (0..16u8).chain((0..16).rev()).map(f32::from);
        let expected: Vec<f32> = q().map(|q| 0.5 * (q - 8.0)).collect();
        assert_eq!(
            decoded(Encoding::Q4_0, &[&d, &pairs[..]].concat()),
            expected
        );
        let expected: Vec<f32> = q().map(|q| 0.5 * q - 1.25).collect();
        assert_eq!(
            decoded(Encoding::Q4_1, &[&d, &m, &pairs[..]].concat()),
            expected
        );
    }

    #[test]
    fn a_block_has_the_length_it_says() {
        for encoding in [
            Encoding::F32,
            Encoding::F16,
            Encoding::Bf16,
            Encoding::Q8_0,
            Encoding::Q4_0,
            Encoding::Q4_1,
        ] {
            let (n_numbers, n_bytes) = encoding.block();
            assert_eq!(
                decoded(encoding, &vec![0; 3 * n_bytes]).len(),
                3 * n_numbers
            );
        }
    }
}
