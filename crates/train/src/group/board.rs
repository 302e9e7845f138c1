//! Memory through which all processes of a group add up long lists.
//!
//! Each process adds up a part of the list for all, so that nobody waits while another works: a reduction that is scattered,
//! then gathered. Thakur, Rabenseifner and Gropp 2005, §4.4 <https://doi.org/10.1177/1094342005051521>.

use super::numbers::Numbers;
use super::shared_memory::SharedMemory;
use hearth_batch::Share;
use std::io;
use std::ops::Range;

/// One process's way to the memory, in which each process has a column of numbers, as long as the list.
///
/// Between the three steps of a sum, all processes have to wait for each other.
#[derive(Debug)]
pub(super) struct Board {
    memory: SharedMemory,
    share: Share,
    /// Of the last list.
    length: usize,
}

impl Board {
    pub(super) fn new(memory: SharedMemory, share: Share) -> Self {
        Self {
            memory,
            share,
            length: 0,
        }
    }

    /// Begins a list. Where it is of another length than the one before, others may still read where it will lie, and there
    /// may be no room yet: then all processes have to wait for each other before the first step.
    pub(super) fn lays_out_anew(&mut self, length: usize) -> io::Result<bool> {
        let before = std::mem::replace(&mut self.length, length);
        if before != length && self.share.index() == 0 {
            self.memory
                .lengthen(self.share.count() * size_of::<f32>() * length)?;
        }
        Ok(before != length)
    }

    /// The first step: writes down what others will add up.
    pub(super) fn put(&mut self, numbers: &mut Numbers<'_>) -> io::Result<()> {
        self.others().try_for_each(|of| self.write(of, numbers))
    }

    /// The second step: adds up its own part, and writes it down.
    pub(super) fn add(&mut self, numbers: &mut Numbers<'_>) -> io::Result<()> {
        let index = self.share.index();
        for column in self.others() {
            let (part, place) = self.find(column, index);
            numbers.add(part, &mut self.memory.at(place)?)?;
            numbers.settle();
        }
        self.write(index, numbers)
    }

    /// The third step: reads what others have added up.
    pub(super) fn get(&mut self, numbers: &mut Numbers<'_>) -> io::Result<()> {
        self.others().try_for_each(|of| {
            let (part, place) = self.find(of, of);
            numbers.replace(part, &mut self.memory.at(place)?)
        })
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.share.index();
        (0..self.share.count()).filter(move |of| *of != own)
    }

    /// Writes one's own numbers of the part that a process adds up.
    fn write(&mut self, of: usize, numbers: &mut Numbers<'_>) -> io::Result<()> {
        let (part, place) = self.find(self.share.index(), of);
        numbers.write(part, &mut self.memory.at(place)?)
    }

    /// The part of the list that a process adds up, and where it lies in a column, in bytes.
    fn find(&self, column: usize, of: usize) -> (Range<usize>, Range<usize>) {
        let [begin, end] = [of, of + 1].map(|of| self.length * of / self.share.count());
        let [from, to] = [begin, end].map(|at| (column * self.length + at) * size_of::<f32>());
        (begin..end, from..to)
    }
}
