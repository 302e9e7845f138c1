//! A safetensors file that nobody vouches for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::tensor::{Metadata, TensorInfo};

use super::element;
use crate::error::HubError;
use crate::limits;
use crate::names::Region;

/// The length of the number at a file's beginning, which is the length of its header.
const PREFIX: u64 = 8;

/// How many bytes are converted at a time.
const CHUNK: usize = 64 << 10;

/// Opens a regular file, and says how long it is. A pipe would have no length, and might never end.
pub(crate) fn open(path: &Path) -> Result<(File, u64), HubError> {
    let reading = |source| HubError::reading(path, source);
    if !fs::metadata(path).map_err(reading)?.is_file() {
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
    chunk: Vec<u8>,
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
            chunk: Vec::new(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names, types and shapes, by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// How many numbers the file holds.
    pub(crate) fn n_numbers(&self) -> u64 {
        let count = |info: &TensorInfo| info.shape.iter().product::<usize>() as u64;
        self.tensors.values().map(count).sum()
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

    /// A part of a tensor of weights, row by row.
    pub(crate) fn read_region(
        &mut self,
        info: &TensorInfo,
        region: &Region,
    ) -> Result<Vec<f32>, HubError> {
        let Region {
            rows,
            columns,
            n_columns,
        } = region.clone();
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        let result = if columns.len() == n_columns {
            self.read_run(
                info,
                rows.start * n_columns,
                rows.len() * n_columns,
                &mut values,
            )
        } else {
            rows.into_iter().try_for_each(|row| {
                self.read_run(
                    info,
                    row * n_columns + columns.start,
                    columns.len(),
                    &mut values,
                )
            })
        };
        result.map_err(|source| HubError::reading(&self.path, source))?;
        Ok(values)
    }

    /// `n` numbers behind the first `skip` of a tensor.
    fn read_run(
        &mut self,
        info: &TensorInfo,
        skip: usize,
        n: usize,
        values: &mut Vec<f32>,
    ) -> io::Result<()> {
        let width = info.dtype.bitsize() / 8;
        let start = self.start + (info.data_offsets.0 + skip * width) as u64;
        self.file.seek(SeekFrom::Start(start))?;
        let mut left = n * width;
        while left > 0 {
            let length = left.min(CHUNK);
            self.chunk.resize(length, 0);
            self.file.read_exact(&mut self.chunk)?;
            element::to_f32(info.dtype, &self.chunk, values);
            left -= length;
        }
        Ok(())
    }
}
