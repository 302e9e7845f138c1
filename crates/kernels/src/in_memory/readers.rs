//! Readers of the backends in Rust: macros, so that only a crate that has a backend names it.

/// Makes a type the [`Reader`](crate::Reader) of burn-flex's tensors, in a crate that has `burn_flex`.
#[macro_export]
macro_rules! read_flex {
    ($reader:ty) => {
        impl $crate::Reader for $reader {
            type Backend = ::burn_flex::Flex;

            fn numbers(tensor: &::burn_flex::FlexTensor) -> Option<&[f32]> {
                tensor.as_slice()
            }
        }
    };
}

/// Makes a type the [`Reader`](crate::Reader) of burn-ndarray's tensors, in a crate that has `burn_ndarray`.
#[macro_export]
macro_rules! read_ndarray {
    ($reader:ty) => {
        impl $crate::Reader for $reader {
            type Backend = ::burn_ndarray::NdArray;

            fn numbers(tensor: &::burn_ndarray::NdArrayTensor) -> Option<&[f32]> {
                match tensor {
                    ::burn_ndarray::NdArrayTensor::F32(numbers) => numbers.view().to_slice(),
                    _ => None,
                }
            }
        }
    };
}
