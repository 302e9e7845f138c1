//! Writing a safetensors file, a tensor at a time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::HubError;

/// A tensor to be written; its bytes are asked for when it is its turn.
pub(crate) struct Entry<'a> {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Box<dyn FnOnce() -> Vec<u8> + 'a>,
}

/// Writes a file as Hugging Face's library does: widest numbers first, then by name, the header padded to 8 bytes.
pub(crate) fn write(path: &Path, mut entries: Vec<Entry<'_>>) -> Result<(), HubError> {
    entries.sort_by(|left, right| {
        right
            .dtype
            .cmp(&left.dtype)
            .then_with(|| left.name.cmp(&right.name))
    });
    let written = header(&entries).and_then(|header| {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for entry in entries {
            file.write_all(&(entry.bytes)())?;
        }
        file.flush()
    });
    written.map_err(|source| HubError::writing(path, source))
}

fn header(entries: &[Entry<'_>]) -> io::Result<Vec<u8>> {
    let mut end = 0;
    let infos = entries.iter().map(|entry| {
        let begin = end;
        end += entry.shape.iter().product::<usize>() * entry.dtype.bitsize() / 8;
        let info = TensorInfo {
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            data_offsets: (begin, end),
        };
        (entry.name.clone(), info)
    });
    let format = HashMap::from([("format".to_string(), "pt".to_string())]);
    let metadata = Metadata::new(Some(format), infos.collect()).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}
