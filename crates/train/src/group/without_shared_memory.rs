//! Stands for shared memory where there is none: not on Linux, or not with addresses of 64 bits.

use std::io::{self, Cursor};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Memory of several processes: here there is none.
#[derive(Debug)]
pub enum SharedMemory {}

impl SharedMemory {
    /// None.
    pub fn new() -> Option<Self> {
        None
    }

    /// Would open what an ancestor of this process has made.
    ///
    /// # Errors
    /// Always.
    pub fn open(_path: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Where it would be found.
    pub fn path(&self) -> PathBuf {
        match *self {}
    }

    pub(super) fn lengthen(&mut self, _length: usize) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn at(&mut self, _place: Range<usize>) -> io::Result<Cursor<Vec<u8>>> {
        match *self {}
    }
}
