//! A safetensors file that nobody vouches for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::tensor::{Metadata, TensorInfo};

use super::element;
use super::encoding::Encoding;
use super::source::{RowOrder, Source, StoredTensor};
use crate::error::HubError;
use crate::limits;

/// The length of the number at a file's beginning, which is the length of its header.
const PREFIX: u64 = 8;

/// Whether something has this name, be it a link that leads nowhere.
pub(crate) fn exists(path: &Path) -> Result<bool, HubError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(HubError::reading(path, source)),
    }
}

/// Opens a regular file, and says how long it is. A pipe would have no length, and might never end.
pub(crate) fn open(path: &Path) -> Result<(File, u64), HubError> {
    let reading = |source| HubError::reading(path, source);
    let metadata = fs::metadata(path).map_err(|source| match fs::symlink_metadata(path) {
        // It is there, so what it says is at fault.
        Ok(link) if link.is_symlink() => HubError::Link {
            path: path.into(),
            source,
        },
        _ => reading(source),
    })?;
    if !metadata.is_file() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(reading(source));
    }
    let file = File::open(path).map_err(reading)?;
    let length = file.metadata().map_err(reading)?.len();
    Ok((file, length))
}

/// An open safetensors file whose header fits its length.
pub(crate) struct TensorFile {
    path: PathBuf,
    file: File,
    /// Where the first tensor begins.
    start: u64,
    tensors: BTreeMap<String, TensorInfo>,
}

impl TensorFile {
    pub(crate) fn open(path: &Path) -> Result<Self, HubError> {
        let reading = |source| HubError::reading(path, source);
        let wrong_length = |found, expected| HubError::Length {
            path: path.into(),
            found,
            expected,
        };

        let (mut file, length) = open(path)?;
        if length < PREFIX {
            return Err(wrong_length(length, PREFIX));
        }
        let mut prefix = [0; PREFIX as usize];
        file.read_exact(&mut prefix).map_err(reading)?;
        let header_length = u64::from_le_bytes(prefix);
        if header_length > limits::HEADER_BYTES {
            return Err(HubError::TooLarge {
                path: path.into(),
                what: "the size of the header in bytes".into(),
                found: header_length,
                limit: limits::HEADER_BYTES,
            });
        }
        let start = PREFIX + header_length;
        if start > length {
            return Err(wrong_length(length, start));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(reading)?;
        // Checks that the tensors lie one behind the other, each as long as its shape and type say.
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|source| HubError::Header {
                path: path.into(),
                source,
            })?;
        let expected = start.saturating_add(metadata.data_len() as u64);
        if length != expected {
            return Err(wrong_length(length, expected));
        }
        Ok(Self {
            path: path.into(),
            file,
            start,
            tensors: metadata
                .tensors()
                .into_iter()
                .map(|(name, info)| (name, info.clone()))
                .collect(),
        })
    }

    /// Names, types and shapes, by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// The file as the only one of a model.
    pub(crate) fn into_source(self) -> Source {
        let tensors = self.stored(0).collect();
        Source::new(&self.path, vec![self.path.clone()], tensors)
    }

    /// Where the tensors lie, the file being one of several.
    pub(crate) fn stored(&self, file: usize) -> impl Iterator<Item = (String, StoredTensor)> {
        self.tensors.iter().map(move |(name, info)| {
            let tensor = StoredTensor {
                shape: info.shape.clone(),
                encoding: Encoding::of(info.dtype),
                type_name: info.dtype.to_string(),
                file,
                start: self.start + info.data_offsets.0 as u64,
                rows: RowOrder::Plain,
            };
            (name.clone(), tensor)
        })
    }

    /// A whole tensor.
    pub(crate) fn read(&mut self, name: &str, info: &TensorInfo) -> Result<TensorData, HubError> {
        let unknown = || HubError::ElementType {
            path: self.path.clone(),
            tensor: name.into(),
            found: info.dtype.to_string(),
            expected: element::KNOWN,
        };
        if !element::is_known(info.dtype) {
            return Err(unknown());
        }
        let (begin, end) = info.data_offsets;
        let mut bytes = vec![0; end - begin];
        let start = self.start + begin as u64;
        let read = self
            .file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|source| HubError::reading(&self.path, source))?;
        element::decode(info.dtype, &bytes, &info.shape).ok_or_else(unknown)
    }
}
