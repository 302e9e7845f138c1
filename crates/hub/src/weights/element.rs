//! Numbers as safetensors stores them: little-endian, one after the other.

use burn::tensor::{BoolStore, DType, TensorData, bf16, f16};
use safetensors::Dtype;

use super::encoding::Encoding;

/// What [`decode`] and [`encode`] know, for messages.
pub(crate) const KNOWN: &str = "F32, F64, F16, BF16, I64, I32, U8 or BOOL";

/// Whether a tensor of the type can be read at all.
pub(crate) fn is_known(dtype: Dtype) -> bool {
    Encoding::of(dtype).is_some()
        || matches!(
            dtype,
            Dtype::F64 | Dtype::I64 | Dtype::I32 | Dtype::U8 | Dtype::BOOL
        )
}

/// A tensor from its bytes, whose number fits its shape; none of a type that is not [`is_known`].
pub(crate) fn decode(dtype: Dtype, bytes: &[u8], shape: &[usize]) -> Option<TensorData> {
    macro_rules! data {
        ($number:ty) => {{
            let (numbers, _) = bytes.as_chunks();
            let values: Vec<_> = numbers
                .iter()
                .map(|&b| <$number>::from_le_bytes(b))
                .collect();
            TensorData::new(values, shape)
        }};
    }
    Some(match dtype {
        Dtype::F32 => data!(f32),
        Dtype::F64 => data!(f64),
        Dtype::F16 => data!(f16),
        Dtype::BF16 => data!(bf16),
        Dtype::I64 => data!(i64),
        Dtype::I32 => data!(i32),
        Dtype::U8 => data!(u8),
        Dtype::BOOL => TensorData::new(bytes.iter().map(|&b| b != 0).collect(), shape),
        _ => return None,
    })
}

/// A tensor's type and bytes; none of a type that is not [`is_known`].
pub(crate) fn encode(data: &TensorData) -> Option<(Dtype, Vec<u8>)> {
    macro_rules! bytes {
        ($number:ty) => {{
            let values = data.as_slice::<$number>().ok()?;
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        }};
    }
    Some(match data.dtype {
        DType::F32 => (Dtype::F32, bytes!(f32)),
        DType::F64 => (Dtype::F64, bytes!(f64)),
        DType::F16 => (Dtype::F16, bytes!(f16)),
        DType::BF16 => (Dtype::BF16, bytes!(bf16)),
        DType::I64 => (Dtype::I64, bytes!(i64)),
        DType::I32 => (Dtype::I32, bytes!(i32)),
        DType::U8 => (Dtype::U8, bytes!(u8)),
        DType::Bool(BoolStore::Native) => {
            let values = data.as_slice::<bool>().ok()?;
            (
                Dtype::BOOL,
                values.iter().map(|&value| u8::from(value)).collect(),
            )
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_type_comes_back() {
        let shape = [2, 1];
        let tensors = [
            TensorData::new(vec![1.5f32, f32::NAN], shape),
            TensorData::new(vec![1.5f64, -2.0], shape),
            TensorData::new(vec![f16::from_f32(1.5), f16::NEG_INFINITY], shape),
            TensorData::new(vec![bf16::from_f32(1.5), bf16::ZERO], shape),
            TensorData::new(vec![i64::MIN, 3], shape),
            TensorData::new(vec![i32::MIN, 3], shape),
            TensorData::new(vec![0u8, 255], shape),
            TensorData::new(vec![true, false], shape),
        ];
        for data in tensors {
            let (dtype, bytes) = encode(&data).expect("a known type");
            assert!(is_known(dtype));
            let back = decode(dtype, &bytes, &shape).expect("a known type");
            assert_eq!((back.dtype, back.as_bytes()), (data.dtype, data.as_bytes()));
        }
    }
}
