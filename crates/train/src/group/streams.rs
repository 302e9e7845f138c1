//! A group whose processes talk through streams, as the pipes of a parent and its children are.

use super::board::Board;
use super::{Group, GroupError, Numbers, SharedMemory};
use hearth_batch::Share;
use std::cell::RefCell;
use std::io::{self, Read, Write};

/// The first process adds up what the others tell it, and tells them the sums.
pub struct Streams {
    share: Share,
    /// Of the first process all others in their order, of any other the first.
    peers: Vec<RefCell<Peer>>,
    /// Where there is one, long lists do not go through the streams.
    board: Option<RefCell<Board>>,
}

type Reading = Box<dyn Read + Send>;
type Writing = Box<dyn Write + Send>;

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
            board: None,
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
            board: None,
        }
    }

    /// With memory through which long lists are added up, which is faster. Either all processes have it or none, and the first
    /// one has made it. Sums of more than two are rounded otherwise than through streams, and the same in all processes.
    #[must_use]
    pub fn through(self, memory: SharedMemory) -> Self {
        let board = Some(RefCell::new(Board::new(memory, self.share)));
        Self { board, ..self }
    }

    /// Waits for all others, and adds up what they tell.
    ///
    /// - `length`: of the list that is added up
    /// - `numbers`: that list, or none where it goes another way
    fn meet(
        &self,
        length: usize,
        numbers: &mut Numbers<'_>,
        counts: &mut [f64],
    ) -> Result<(), GroupError> {
        let is_first = self.share.index() == 0;
        let peers = || self.peers.iter().map(RefCell::borrow_mut);
        if !is_first {
            peers().try_for_each(|mut peer| peer.tell(length, numbers, counts))?;
            return peers().try_for_each(|mut peer| peer.hear(length, numbers, counts, false));
        }
        peers().try_for_each(|mut peer| peer.hear(length, numbers, counts, true))?;
        peers().try_for_each(|mut peer| peer.tell(length, numbers, counts))
    }
}

impl Group for Streams {
    fn share(&self) -> Share {
        self.share
    }

    fn sum(&self, numbers: &mut Numbers<'_>, counts: &mut [f64]) -> Result<(), GroupError> {
        let length = numbers.len();
        let board = self.board.as_ref().filter(|_| length > 0);
        let Some(mut board) = board.map(RefCell::borrow_mut) else {
            return self.meet(length, numbers, counts);
        };
        let none = &mut Numbers::default();
        if board.lays_out_anew(length).map_err(GroupError::Board)? {
            self.meet(length, none, &mut [])?;
        }
        board.put(numbers).map_err(GroupError::Board)?;
        self.meet(length, none, counts)?;
        board.add(numbers).map_err(GroupError::Board)?;
        self.meet(length, none, &mut [])?;
        // Behind this nobody has to wait: the next list of this length is put where nobody reads any more.
        board.get(numbers).map_err(GroupError::Board)
    }
}

impl Peer {
    fn gone(index: usize) -> impl Fn(io::Error) -> GroupError {
        move |source| GroupError::Gone { index, source }
    }

    fn tell(
        &mut self,
        length: usize,
        numbers: &mut Numbers<'_>,
        counts: &[f64],
    ) -> Result<(), GroupError> {
        let head = [length, counts.len()].map(|n| n as u64);
        let to = &mut self.to;
        let mut write = || {
            to.write_all(bytemuck::cast_slice(&head))?;
            to.write_all(bytemuck::cast_slice(counts))?;
            numbers.write(0..numbers.len(), to)?;
            to.flush()
        };
        write().map_err(Self::gone(self.index))
    }

    /// - `adding`: to the numbers that are there, instead of in their place
    fn hear(
        &mut self,
        length: usize,
        numbers: &mut Numbers<'_>,
        counts: &mut [f64],
        adding: bool,
    ) -> Result<(), GroupError> {
        let index = self.index;
        let gone = Self::gone(index);
        let mut head = [0u64; 2];
        let from = &mut self.from;
        from.read_exact(bytemuck::cast_slice_mut(&mut head))
            .map_err(&gone)?;
        if head != [length, counts.len()].map(|n| n as u64) {
            let what = "number of weights";
            return Err(GroupError::Apart { index, what });
        }
        let mut heard = vec![0.0; counts.len()];
        from.read_exact(bytemuck::cast_slice_mut(&mut heard))
            .map_err(&gone)?;
        for (count, heard) in counts.iter_mut().zip(heard) {
            *count = if adding { *count + heard } else { heard };
        }
        let all = 0..numbers.len();
        if !adding {
            return numbers.replace(all, from).map_err(&gone);
        }
        numbers.add(all, from).map_err(&gone)?;
        numbers.settle();
        Ok(())
    }
}
