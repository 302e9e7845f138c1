//! Raw tensors in and out, for commands that compare numbers with numbers elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::TensorData;

use super::element;
use super::read::TensorFile;
use super::write::{Entry, write};
use crate::atomic;
use crate::error::HubError;

/// All tensors of a safetensors file, by name: numbers of the types F32, F64, F16, BF16, I64, I32, U8 and BOOL.
///
/// # Errors
/// The file cannot be read, is damaged, or holds a tensor of another type.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, TensorData>, HubError> {
    let mut file = TensorFile::open(path)?;
    let infos = file.tensors().clone();
    infos
        .into_iter()
        .map(|(name, info)| {
            let data = file.read(&name, &info)?;
            Ok((name, data))
        })
        .collect()
}

/// Writes named tensors to a safetensors file, whole or not at all.
///
/// # Errors
/// The file cannot be written, or a tensor has another type than [`read_tensors`] reads.
pub fn write_tensors(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, TensorData)>,
) -> Result<(), HubError> {
    let entry = |(name, data): (String, TensorData)| {
        let Some((dtype, bytes)) = element::encode(&data) else {
            return Err(HubError::ElementType {
                path: path.into(),
                tensor: name,
                found: format!("{:?}", data.dtype),
                expected: element::KNOWN,
            });
        };
        Ok(Entry {
            name,
            dtype,
            shape: data.shape.to_vec(),
            bytes: Box::new(move || bytes),
        })
    };
    // Of two tensors with one name the later counts, as in the map that reading returns.
    let tensors: BTreeMap<_, _> = tensors.into_iter().collect();
    let entries = tensors.into_iter().map(entry).collect::<Result<_, _>>()?;
    atomic::replace_file(path, |temporary| write(temporary, entries))
}
