//! Memory through which all processes of a group exchange long lists.
//!
//! Each process adds up its own part of the list, so that nobody waits while another works: Thakur, Rabenseifner and Gropp 2005,
//! §4.4 <https://doi.org/10.1177/1094342005051521>, where each reads what it needs of all others.

use super::numbers::Numbers;
use super::shared_memory::SharedMemory;
use hearth_batch::Share;
use std::io;
use std::ops::Range;

/// One process's way to the memory, in which each process has a column of numbers, as long as the list.
#[derive(Debug)]
pub(super) struct Board {
    memory: SharedMemory,
    share: Share,
    /// Of the last list.
    length: usize,
    /// Whose second step others may still be at.
    last: Option<Exchange>,
}

/// What processes do with a list, in two steps between which all have to wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// Each writes the parts of others, and adds to its own part what others have written for it.
    Scatter,
    /// Each writes its own part, and reads those of others.
    Gather,
}

impl Board {
    pub(super) fn new(memory: SharedMemory, share: Share) -> Self {
        Self {
            memory,
            share,
            length: 0,
            last: None,
        }
    }

    /// Begins an exchange. Where others may still read what is going to be written, or the list is of another length than the one
    /// before, so that it lies elsewhere and there may be no room yet, all processes have to wait for each other before the first
    /// step.
    pub(super) fn begin(&mut self, exchange: Exchange, length: usize) -> io::Result<bool> {
        let before = std::mem::replace(&mut self.length, length);
        if before != length && self.share.index() == 0 {
            self.memory
                .lengthen(self.share.count() * size_of::<f32>() * length)?;
        }
        Ok(before != length || self.last == Some(exchange))
    }

    /// The first step.
    pub(super) fn write(
        &mut self,
        exchange: Exchange,
        numbers: &mut Numbers<'_>,
    ) -> io::Result<()> {
        let own = self.share.index();
        (0..self.share.count())
            .filter(|&of| (of == own) == (exchange == Exchange::Gather))
            .try_for_each(|of| {
                let (part, place) = self.find(own, numbers.part(of));
                numbers.write(part, &mut self.memory.at(place)?)
            })
    }

    /// The second step.
    pub(super) fn read(&mut self, exchange: Exchange, numbers: &mut Numbers<'_>) -> io::Result<()> {
        self.last = Some(exchange);
        let own = self.share.index();
        (0..self.share.count())
            .filter(|&other| other != own)
            .try_for_each(|other| match exchange {
                Exchange::Scatter => {
                    let (part, place) = self.find(other, numbers.part(own));
                    numbers.add(part, &mut self.memory.at(place)?)
                }
                Exchange::Gather => {
                    let (part, place) = self.find(other, numbers.part(other));
                    numbers.replace(part, &mut self.memory.at(place)?)
                }
            })
    }

    /// All processes have waited for each other behind the second step.
    pub(super) fn met(&mut self) {
        self.last = None;
    }

    /// A part, and where it lies in a column, in bytes.
    fn find(&self, column: usize, part: Range<usize>) -> (Range<usize>, Range<usize>) {
        let place = |at| (column * self.length + at) * size_of::<f32>();
        let places = place(part.start)..place(part.end);
        (part, places)
    }
}
