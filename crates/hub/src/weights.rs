//! The weights of a model: reading files of several formats, writing safetensors, and filling models.
//!
//! A file is read by seeking, a tensor at a time, never mapped into memory: it may shrink or change while it is read.
//! Its header is checked against its length first, and its names and shapes against the model's before any weight is
//! read. What a format is, only its own file knows ([`read`], [`shards`], [`gguf`]): each makes a [`Source`] of named tensors.

mod element;
mod encoding;
mod fill;
mod gguf;
mod parameter_file;
mod read;
mod shards;
mod source;
mod tensors;
mod write;

use std::path::Path;

use crate::error::HubError;

pub(crate) use fill::{Plan, fill, save};
pub(crate) use gguf::open_gguf;
pub use parameter_file::{ParameterFile, ParameterValues, write_parameters};
pub(crate) use read::{exists, open};
pub(crate) use source::Source;
pub use tensors::{read_tensors, write_tensors};

/// The one file that holds all weights.
pub(crate) const WHOLE: &str = "model.safetensors";

/// What names the files of several.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Opens the weights of a model directory: the one file or, where there is none, the shards of its index.
pub(crate) fn open_source(dir: &Path) -> Result<Source, HubError> {
    let (whole, index) = (dir.join(WHOLE), dir.join(INDEX));
    if !exists(&whole)? && exists(&index)? {
        return shards::open_shards(&index);
    }
    Ok(read::TensorFile::open(&whole)?.into_source())
}
