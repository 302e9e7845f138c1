//! Work on numbers in memory, by all threads.

use pulp::{Arch, NullaryFnOnce};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// So many numbers are one thread's piece of work: a few tens of microseconds of it.
pub(super) const PIECE: usize = 1 << 15;

/// How many rows make a piece of work.
pub(super) fn rows_a_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// Does the pieces, on all threads where there are several of both, by the widest vectors of the processor.
pub(super) fn work<P: NullaryFnOnce<Output = ()> + Send>(pieces: Vec<P>) {
    let arch = Arch::new();
    // A single thread is not asked: the way there and back would take longer than a piece.
    if pieces.len() < 2 || rayon::current_num_threads() == 1 {
        pieces.into_iter().for_each(|piece| arch.dispatch(piece));
    } else {
        pieces
            .into_par_iter()
            .for_each(|piece| arch.dispatch(piece));
    }
}
