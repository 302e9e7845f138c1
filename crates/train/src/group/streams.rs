//! A group whose processes talk through streams, as the pipes of a parent and its children are.

use super::{Group, GroupError};
use hearth_batch::Share;
use std::cell::RefCell;
use std::io::{self, Read, Write};

/// The first process adds up what the others tell it, and tells them the sums.
pub struct Streams {
    share: Share,
    /// Of the first process all others in their order, of any other the first.
    peers: Vec<RefCell<Peer>>,
}

type Reading = Box<dyn Read + Send>;
type Writing = Box<dyn Write + Send>;

/// Numbers are sent so many at a time.
const PART: usize = 1 << 14;

struct Peer {
    index: usize,
    from: Reading,
    to: Writing,
}

impl Streams {
    /// The first process.
    ///
    /// - `others`: what is read from and written to each of the others
    pub fn first(others: Vec<(Reading, Writing)>) -> Self {
        let share = Share::new(0, others.len() + 1);
        let peers = (1..)
            .zip(others)
            .map(|(index, (from, to))| RefCell::new(Peer { index, from, to }));
        Self {
            share,
            peers: peers.collect(),
        }
    }

    /// One of the others.
    ///
    /// - `from`, `to`: what is read from and written to the first
    pub fn other(share: Share, from: Reading, to: Writing) -> Self {
        let first = Peer { index: 0, from, to };
        Self {
            share,
            peers: vec![RefCell::new(first)],
        }
    }
}

impl Group for Streams {
    fn share(&self) -> Share {
        self.share
    }

    fn sum(&self, numbers: &mut [f32], counts: &mut [f64]) -> Result<(), GroupError> {
        let is_first = self.share.index() == 0;
        let peers = || self.peers.iter().map(RefCell::borrow_mut);
        if !is_first {
            peers().try_for_each(|mut peer| peer.tell(numbers, counts))?;
            return peers().try_for_each(|mut peer| peer.hear(numbers, counts, false));
        }
        peers().try_for_each(|mut peer| peer.hear(numbers, counts, true))?;
        peers().try_for_each(|mut peer| peer.tell(numbers, counts))
    }
}

impl Peer {
    fn gone(index: usize) -> impl Fn(io::Error) -> GroupError {
        move |source| GroupError::Gone { index, source }
    }

    fn tell(&mut self, numbers: &[f32], counts: &[f64]) -> Result<(), GroupError> {
        let to = &mut self.to;
        let mut write = || {
            for n in [numbers.len(), counts.len()] {
                to.write_all(&(n as u64).to_le_bytes())?;
            }
            let mut bytes = vec![[0; 4]; numbers.len().min(PART)];
            for part in numbers.chunks(PART) {
                let bytes = &mut bytes[..part.len()];
                for (bytes, number) in bytes.iter_mut().zip(part) {
                    *bytes = number.to_le_bytes();
                }
                to.write_all(bytes.as_flattened())?;
            }
            for count in counts {
                to.write_all(&count.to_le_bytes())?;
            }
            to.flush()
        };
        write().map_err(Self::gone(self.index))
    }

    /// - `adding`: to the numbers that are there, instead of in their place
    fn hear(
        &mut self,
        numbers: &mut [f32],
        counts: &mut [f64],
        adding: bool,
    ) -> Result<(), GroupError> {
        let index = self.index;
        let gone = Self::gone(index);
        for n in [numbers.len(), counts.len()] {
            if u64::from_le_bytes(self.read().map_err(&gone)?) != n as u64 {
                let what = "number of weights";
                return Err(GroupError::Apart { index, what });
            }
        }
        let mut bytes = vec![0; size_of::<f32>() * numbers.len().min(PART)];
        for part in numbers.chunks_mut(PART) {
            let bytes = &mut bytes[..size_of_val(part)];
            self.from.read_exact(bytes).map_err(&gone)?;
            let (heard, _) = bytes.as_chunks();
            for (number, &heard) in part.iter_mut().zip(heard) {
                let heard = f32::from_le_bytes(heard);
                *number = if adding { *number + heard } else { heard };
            }
        }
        for count in counts {
            let heard = f64::from_le_bytes(self.read().map_err(&gone)?);
            *count = if adding { *count + heard } else { heard };
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<[u8; 8]> {
        let mut bytes = [0; 8];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
