//! Numbers and texts of a file, never beyond its end.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::super::read::open;
use crate::error::HubError;

pub(super) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    position: u64,
    length: u64,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, HubError> {
        let (file, length) = open(path)?;
        Ok(Self {
            path: path.into(),
            file: BufReader::new(file),
            position: 0,
            length,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], HubError> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.file
            .read_exact(&mut bytes)
            .map_err(|source| HubError::reading(&self.path, source))?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, HubError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, HubError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A count that stands for as many things in the file.
    pub(super) fn count(&mut self, what: &str, limit: u64) -> Result<u64, HubError> {
        let count = self.u64()?;
        self.at_most(what, count, limit)?;
        Ok(count)
    }

    pub(super) fn at_most(&self, what: &str, found: u64, limit: u64) -> Result<(), HubError> {
        if found <= limit {
            return Ok(());
        }
        Err(HubError::TooLarge {
            path: self.path.clone(),
            what: what.into(),
            found,
            limit,
        })
    }

    /// A text with its length before it, of at most so many bytes.
    pub(super) fn text(&mut self, what: &str, limit: u64) -> Result<String, HubError> {
        let length = self.count(what, limit)?;
        self.characters(what, length)
    }

    /// A text of any length; none if it is longer than `kept` bytes, and then it is skipped.
    pub(super) fn short_text(&mut self, what: &str, kept: u64) -> Result<Option<String>, HubError> {
        let length = self.u64()?;
        if length <= kept {
            return self.characters(what, length).map(Some);
        }
        self.skip(length)?;
        Ok(None)
    }

    fn characters(&mut self, what: &str, length: u64) -> Result<String, HubError> {
        self.advance(length)?;
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact(&mut bytes)
            .map_err(|source| HubError::reading(&self.path, source))?;
        String::from_utf8(bytes)
            .map_err(|_| self.refuse(what, "other bytes".into(), "UTF-8".into()))
    }

    pub(super) fn skip(&mut self, length: u64) -> Result<(), HubError> {
        self.advance(length)?;
        // What lies inside the file fits.
        self.file
            .seek_relative(length as i64)
            .map_err(|source| HubError::reading(&self.path, source))
    }

    /// Counts what is about to be read, if it is there.
    fn advance(&mut self, length: u64) -> Result<(), HubError> {
        let end = self.position.saturating_add(length);
        if end > self.length {
            return Err(HubError::Length {
                path: self.path.clone(),
                found: self.length,
                expected: end,
            });
        }
        self.position = end;
        Ok(())
    }

    pub(super) fn refuse(&self, field: &str, found: String, expected: String) -> HubError {
        HubError::Unsupported {
            path: self.path.clone(),
            field: field.into(),
            found,
            expected,
        }
    }
}
