//! Safetensors files, read and written without hearth.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: Dtype,
    bytes: Vec<u8>,
}

impl Numbers {
    /// One tensor of a file.
    pub(crate) fn read(path: &Path, name: &str) -> Self {
        let bytes = fs::read(path).expect("a file");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let tensor = file.tensor(name).expect("a tensor of that name");
        Self {
            shape: tensor.shape().to_vec(),
            dtype: tensor.dtype(),
            bytes: tensor.data().to_vec(),
        }
    }

    pub(crate) fn ids(shape: &[usize], values: &[i64]) -> Self {
        Self {
            shape: shape.to_vec(),
            dtype: Dtype::I64,
            bytes: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }

    pub(crate) fn zeros(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            dtype: Dtype::F32,
            bytes: vec![0; 4 * shape.iter().product::<usize>()],
        }
    }

    pub(crate) fn floats(&self) -> Vec<f32> {
        assert_eq!(self.dtype, Dtype::F32);
        let (values, _) = self.bytes.as_chunks();
        values
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect()
    }

    /// The rows of a matrix of integers.
    pub(crate) fn rows(&self) -> Vec<Vec<i64>> {
        assert_eq!(self.dtype, Dtype::I64);
        let (values, _) = self.bytes.as_chunks();
        let ids: Vec<i64> = values
            .iter()
            .map(|&bytes| i64::from_le_bytes(bytes))
            .collect();
        ids.chunks(self.shape[1]).map(<[i64]>::to_vec).collect()
    }
}

/// All tensors of a file in single precision.
pub(crate) fn read_all(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(path).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let numbers = |name: &str| Numbers::read(path, name).floats();
    file.names()
        .into_iter()
        .map(|name| (name.to_owned(), numbers(name)))
        .collect()
}

/// Writes a file of named tensors.
pub(crate) fn write(path: &Path, tensors: &[(&str, Numbers)]) {
    let views = tensors.iter().map(|(name, numbers)| {
        let view = TensorView::new(numbers.dtype, numbers.shape.clone(), &numbers.bytes);
        (*name, view.expect("as many bytes as the shape asks for"))
    });
    let bytes = safetensors::serialize(views, None).expect("safetensors");
    fs::write(path, bytes).expect("a file");
}
