//! A group whose processes talk through streams, as the pipes of a parent and its children are.

use super::board::{Board, Exchange};
use super::incoming::{Incoming, stay_awake};
use super::{Group, GroupError, Numbers, SharedMemory};
use hearth_batch::Share;
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::thread::available_parallelism;

/// The first process adds up what the others tell it, and tells them the sums; lists go through it, too, where there is no memory in
/// common.
pub struct Streams {
    share: Share,
    /// Of the first process all others in their order, of any other the first.
    peers: Vec<RefCell<Peer>>,
    /// Where there is one, long lists do not go through the streams.
    board: Option<RefCell<Board>>,
    /// Whether there is a processor for each, so that none is in another's way while it waits.
    stays_awake: bool,
}

type Reading = Box<dyn Incoming>;
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
            .map(|(index, (from, to))| Peer { index, from, to });
        Self::between(share, peers)
    }

    /// One of the others.
    ///
    /// - `from`, `to`: what is read from and written to the first
    pub fn other(share: Share, from: Reading, to: Writing) -> Self {
        Self::between(share, [Peer { index: 0, from, to }])
    }

    fn between(share: Share, peers: impl IntoIterator<Item = Peer>) -> Self {
        let n_processors = available_parallelism().map_or(1, usize::from);
        Self {
            share,
            peers: peers.into_iter().map(RefCell::new).collect(),
            board: None,
            stays_awake: share.count() <= n_processors,
        }
    }

    /// With memory through which lists are exchanged, which is faster. Either all processes have it or none, and the first
    /// one has made it. Sums of more than two are rounded otherwise than through streams, and the same in all processes.
    #[must_use]
    pub fn through(self, memory: SharedMemory) -> Self {
        let board = Some(RefCell::new(Board::new(memory, self.share)));
        Self { board, ..self }
    }

    /// Waits for all others, and adds up what they count.
    ///
    /// - `length`: of the list that is to be
    fn meet(&self, length: usize, counts: &mut [f64]) -> Result<(), GroupError> {
        if self.is_first() {
            self.each(|peer| self.hear(peer, length, counts, true))?;
            return self.each(|peer| peer.tell(length, counts));
        }
        self.each(|peer| peer.tell(length, counts))?;
        self.each(|peer| self.hear(peer, length, counts, false))
    }

    fn hear(
        &self,
        peer: &mut Peer,
        length: usize,
        counts: &mut [f64],
        adding: bool,
    ) -> Result<(), GroupError> {
        if self.stays_awake {
            stay_awake(&*peer.from);
        }
        peer.hear(length, counts, adding)
    }

    fn is_first(&self) -> bool {
        self.share.index() == 0
    }

    fn each(
        &self,
        mut what: impl FnMut(&mut Peer) -> Result<(), GroupError>,
    ) -> Result<(), GroupError> {
        let mut peers = self.peers.iter().map(RefCell::borrow_mut);
        peers.try_for_each(|mut peer| what(&mut peer))
    }

    /// Both steps of an exchange through a board.
    fn exchange(
        &self,
        board: &mut Board,
        exchange: Exchange,
        numbers: &mut Numbers<'_>,
        counts: &mut [f64],
    ) -> Result<(), GroupError> {
        let length = numbers.len();
        if board.begin(exchange, length).map_err(GroupError::Board)? {
            self.meet(length, &mut [])?;
        }
        board.write(exchange, numbers).map_err(GroupError::Board)?;
        self.meet(length, counts)?;
        board.read(exchange, numbers).map_err(GroupError::Board)
    }
}

impl Group for Streams {
    fn share(&self) -> Share {
        self.share
    }

    fn sum(&self, counts: &mut [f64]) -> Result<(), GroupError> {
        self.meet(0, counts)?;
        if let Some(board) = &self.board {
            board.borrow_mut().met();
        }
        Ok(())
    }

    fn scatter(&self, numbers: &mut Numbers<'_>, counts: &mut [f64]) -> Result<(), GroupError> {
        if let Some(board) = &self.board {
            return self.exchange(&mut board.borrow_mut(), Exchange::Scatter, numbers, counts);
        }
        let all = 0..numbers.len();
        self.meet(all.end, counts)?;
        if self.is_first() {
            self.each(|peer| peer.read(|from| numbers.add(all.clone(), from)))?;
            return self.each(|peer| {
                let part = numbers.part(peer.index);
                peer.write(|to| numbers.write(part, to))
            });
        }
        let own = numbers.part(self.share.index());
        self.each(|first| first.write(|to| numbers.write(all.clone(), to)))?;
        self.each(|first| first.read(|from| numbers.replace(own.clone(), from)))
    }

    fn gather(&self, numbers: &mut Numbers<'_>) -> Result<(), GroupError> {
        if let Some(board) = &self.board {
            return self.exchange(&mut board.borrow_mut(), Exchange::Gather, numbers, &mut []);
        }
        let all = 0..numbers.len();
        self.meet(all.end, &mut [])?;
        if self.is_first() {
            self.each(|peer| {
                let part = numbers.part(peer.index);
                peer.read(|from| numbers.replace(part, from))
            })?;
            return self.each(|peer| peer.write(|to| numbers.write(all.clone(), to)));
        }
        let own = numbers.part(self.share.index());
        self.each(|first| first.write(|to| numbers.write(own.clone(), to)))?;
        self.each(|first| first.read(|from| numbers.replace(all.clone(), from)))
    }
}

impl Peer {
    fn gone(index: usize) -> impl Fn(io::Error) -> GroupError {
        move |source| GroupError::Gone { index, source }
    }

    fn write(
        &mut self,
        what: impl FnOnce(&mut Writing) -> io::Result<()>,
    ) -> Result<(), GroupError> {
        what(&mut self.to)
            .and_then(|()| self.to.flush())
            .map_err(Self::gone(self.index))
    }

    fn read(
        &mut self,
        what: impl FnOnce(&mut Reading) -> io::Result<()>,
    ) -> Result<(), GroupError> {
        what(&mut self.from).map_err(Self::gone(self.index))
    }

    fn tell(&mut self, length: usize, counts: &[f64]) -> Result<(), GroupError> {
        let head = [length, counts.len()].map(|n| n as u64);
        let head: &[u8] = bytemuck::cast_slice(&head);
        // At once, so that who has seen the one need not wait for the other.
        let message = [head, bytemuck::cast_slice(counts)].concat();
        self.write(|to| to.write_all(&message))
    }

    /// - `adding`: to the counts that are there, instead of in their place
    fn hear(&mut self, length: usize, counts: &mut [f64], adding: bool) -> Result<(), GroupError> {
        let mut head = [0u64; 2];
        self.read(|from| from.read_exact(bytemuck::cast_slice_mut(&mut head)))?;
        if head != [length, counts.len()].map(|n| n as u64) {
            let (index, what) = (self.index, "number of weights");
            return Err(GroupError::Apart { index, what });
        }
        let mut heard = vec![0.0; counts.len()];
        self.read(|from| from.read_exact(bytemuck::cast_slice_mut(&mut heard)))?;
        for (count, heard) in counts.iter_mut().zip(heard) {
            *count = if adding { *count + heard } else { heard };
        }
        Ok(())
    }
}
