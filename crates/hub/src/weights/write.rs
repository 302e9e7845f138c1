//! Writing safetensors files, a tensor at a time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};

use super::{INDEX, WHOLE};
use crate::error::HubError;

/// A tensor to be written; its bytes are asked for when it is its turn.
pub(crate) struct Entry<'a> {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Box<dyn FnOnce() -> Vec<u8> + 'a>,
}

impl Entry<'_> {
    fn n_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// Writes the weights of a model directory: one file or, where that would have more than so many bytes of numbers,
/// shards and their index. A tensor is never cut, so a shard of one tensor may be larger.
pub(crate) fn write_shards(
    dir: &Path,
    entries: Vec<Entry<'_>>,
    most_bytes: u64,
) -> Result<(), HubError> {
    let n_bytes: u64 = entries.iter().map(|entry| entry.n_bytes() as u64).sum();
    let mut shards: Vec<Vec<Entry<'_>>> = vec![Vec::new()];
    let mut filled = 0;
    for entry in entries {
        let more = entry.n_bytes() as u64;
        if filled > 0 && filled + more > most_bytes {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += more;
        if let Some(shard) = shards.last_mut() {
            shard.push(entry);
        }
    }
    let n_shards = shards.len();
    if n_shards == 1 {
        return write(&dir.join(WHOLE), shards.remove(0));
    }
    let mut weight_map = Map::new();
    for (number, shard) in (1..).zip(shards) {
        let name = format!("model-{number:05}-of-{n_shards:05}.safetensors");
        weight_map.extend(
            shard
                .iter()
                .map(|entry| (entry.name.clone(), Value::from(name.clone()))),
        );
        write(&dir.join(name), shard)?;
    }
    weight_map.sort_keys();
    let index = json!({ "metadata": { "total_size": n_bytes }, "weight_map": weight_map });
    let path = dir.join(INDEX);
    std::fs::write(&path, format!("{index:#}\n")).map_err(|source| HubError::writing(&path, source))
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
        end += entry.n_bytes();
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
