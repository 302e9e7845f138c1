//! A file that all processes of a group read and write, in memory if it can be: long lists are added up through it.
//!
//! Each process adds up a part of the list for all, so that nobody waits while another works: a reduction that is scattered,
//! then gathered. Thakur, Rabenseifner and Gropp 2005, §4.4 <https://doi.org/10.1177/1094342005051521>.

use super::numbers::Numbers;
use hearth_batch::Share;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;

/// One process's way to the file. It has a column of numbers for each process, as long as the list.
///
/// Between the three steps of a sum, all processes have to wait for each other.
#[derive(Debug)]
pub(super) struct Board {
    file: File,
    share: Share,
    /// Of the last list.
    length: usize,
}

impl Board {
    /// - `file`: with a place of its own to read and write at, which no other process moves
    pub(super) fn new(file: File, share: Share) -> Self {
        Self {
            file,
            share,
            length: 0,
        }
    }

    /// Begins a list. Where it is of another length than the one before, others may still read where it will lie: then all
    /// processes have to wait for each other before the first step.
    pub(super) fn lays_out_anew(&mut self, length: usize) -> bool {
        std::mem::replace(&mut self.length, length) != length
    }

    /// The first step: writes down what others will add up.
    pub(super) fn put(&mut self, numbers: &mut Numbers<'_>) -> io::Result<()> {
        self.others().try_for_each(|of| self.write(of, numbers))
    }

    /// The second step: adds up its own part, and writes it down.
    pub(super) fn add(&mut self, numbers: &mut Numbers<'_>) -> io::Result<()> {
        let index = self.share.index();
        for column in self.others() {
            self.read(column, index, numbers, |sum, number| *sum += number)?;
        }
        self.write(index, numbers)
    }

    /// The third step: reads what others have added up.
    pub(super) fn get(&mut self, numbers: &mut Numbers<'_>) -> io::Result<()> {
        self.others()
            .try_for_each(|of| self.read(of, of, numbers, |own, sum| *own = sum))
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.share.index();
        (0..self.share.count()).filter(move |of| *of != own)
    }

    /// Writes one's own numbers of the part that a process adds up.
    fn write(&mut self, of: usize, numbers: &mut Numbers<'_>) -> io::Result<()> {
        let part = self.find(self.share.index(), of, numbers.len())?;
        numbers.write(part, &mut self.file)
    }

    /// Reads a column's numbers of the part that a process adds up.
    fn read(
        &mut self,
        column: usize,
        of: usize,
        numbers: &mut Numbers<'_>,
        change: impl Fn(&mut f32, f32),
    ) -> io::Result<()> {
        let part = self.find(column, of, numbers.len())?;
        numbers.read(part, &mut self.file, change)
    }

    /// Goes to where the part that a process adds up begins in a column.
    ///
    /// - `n`: of how many numbers
    /// - returns which numbers those are
    fn find(&mut self, column: usize, of: usize, n: usize) -> io::Result<Range<usize>> {
        let [begin, end] = [of, of + 1].map(|of| n * of / self.share.count());
        let place = (column * n + begin) * size_of::<f32>();
        self.file.seek(SeekFrom::Start(place as u64))?;
        Ok(begin..end)
    }
}
