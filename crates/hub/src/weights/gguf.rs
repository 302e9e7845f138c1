//! GGUF, the file format of llama.cpp: settings and tensors in one file, tensors perhaps quantised.
//!
//! Versions 2 and 3, little-endian: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. [`header`] reads what any
//! such file says, [`llama`] puts the settings and names of one architecture into the words of Hugging Face's dialect of
//! that name. Its vocabulary is not read.

mod header;
mod llama;
mod reader;

use std::path::Path;

use super::source::Source;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use header::Header;

/// Opens a file as a config and the weights for it.
pub(crate) fn open_gguf(path: &Path) -> Result<(ConfigFile, Source), HubError> {
    let header = Header::read(path)?;
    let config = llama::config(path, &header)?;
    let tensors = llama::tensors(path, header)?;
    Ok((
        ConfigFile::translated(path, config),
        Source::new(path, vec![path.into()], tensors),
    ))
}
