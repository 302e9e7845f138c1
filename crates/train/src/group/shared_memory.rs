//! Memory that processes of one machine have in common.

use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

/// Memory of several processes, each of which has opened it: what one writes there any other reads, once they have met.
#[derive(Debug)]
pub struct SharedMemory {
    file: File,
    region: Option<MmapRegion>,
}

impl SharedMemory {
    /// Memory that child processes inherit, empty at first; none where there is no way to open it by its path.
    pub fn new() -> Option<Self> {
        let file = File::from(memfd_create("hearth", MemfdFlags::empty()).ok()?);
        let region = None;
        let memory = Self { file, region };
        memory.path().exists().then_some(memory)
    }

    /// Opens what an ancestor of this process has made.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::options().read(true).write(true).open(path)?,
            region: None,
        })
    }

    /// Where it is found, by this process and its children.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// Makes it so long at least, in bytes. For the process that made it, before any other goes so far.
    ///
    /// # Errors
    /// If there is not as much memory.
    pub(super) fn lengthen(&mut self, length: usize) -> io::Result<()> {
        let more = (length as u64).saturating_sub(self.file.metadata()?.len());
        // Written here, so that what is not there is an error now and no signal later.
        io::copy(&mut io::repeat(0).take(more), &mut self.file)?;
        Ok(())
    }

    /// A place in it, in bytes, to be written or read from its begin on.
    ///
    /// # Errors
    /// If it is not as long.
    pub(super) fn at(&mut self, place: Range<usize>) -> io::Result<Place<'_>> {
        if self
            .region
            .as_ref()
            .is_none_or(|region| region.size() < place.end)
        {
            let length = self.file.metadata()?.len() as usize;
            if length < place.end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let file = FileOffset::new(self.file.try_clone()?, 0);
            let region = MmapRegion::from_file(file, length).map_err(io::Error::other)?;
            self.region = Some(region);
        }
        let region = self.region.as_ref().expect("it is there by now");
        let place = region.get_slice(place.start, place.len());
        Ok(Place(place.map_err(io::Error::other)?))
    }
}

/// What is left of a place.
pub(super) struct Place<'a>(VolatileSlice<'a>);

impl Place<'_> {
    fn go_on(&mut self, n_bytes: usize) -> io::Result<usize> {
        self.0 = self.0.offset(n_bytes).map_err(io::Error::other)?;
        Ok(n_bytes)
    }
}

impl Read for Place<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n_read = self.0.copy_to(bytes);
        self.go_on(n_read)
    }
}

impl Write for Place<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.copy_from(bytes);
        self.go_on(bytes.len().min(self.0.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_one_has_written_any_other_reads() {
        let mut memory = SharedMemory::new().expect("memory");
        memory.lengthen(5000).expect("there is as much");
        let mut other = SharedMemory::open(&memory.path()).expect("the same");
        let mut place = memory.at(4090..4104).expect("it is as long");
        place.write_all(b"from the first").expect("room");
        assert!(place.write_all(b"more").is_err());
        // Longer in between, and no shorter.
        for length in [9000, 1] {
            memory.lengthen(length).expect("there is as much");
        }
        let mut found = String::new();
        let mut place = other.at(4090..4104).expect("it is as long");
        place.read_to_string(&mut found).expect("text");
        assert_eq!(found, "from the first");
        assert!(other.at(8000..9000).is_ok());
        assert!(other.at(8000..9001).is_err());
    }

    #[test]
    fn a_child_finds_it_by_its_path() {
        let mut memory = SharedMemory::new().expect("memory");
        memory.lengthen(4).expect("there is as much");
        let mut place = memory.at(0..4).expect("it is as long");
        place.write_all(b"text").expect("room");
        let cat = Command::new("cat").arg(memory.path()).output();
        assert_eq!(cat.expect("cat runs").stdout, b"text");
    }
}
