//! Work on numbers in memory, by all threads.

use pulp::{Arch, NullaryFnOnce};
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::error::Error;

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

/// What a program's first thread has on Linux; a thread of a pool has a quarter of it.
const STACK: usize = 8 << 20;

/// Runs a program's work on one of the threads among which backends in Rust, and the kernels here, divide theirs, to be called
/// before anything else. Any other thread hands each operation over to one of them, wakes it, and is woken when it is done,
/// which takes longer than a small operation.
///
/// Inside of it one thread computes: what other threads compute meanwhile, such as those of a data loader, needs threads of the
/// pool, too, and where there is but one, a program that waits for them waits forever.
///
/// # Examples
/// ```
/// let sum = hearth_kernels::among_workers(|| 1 + 1);
/// assert_eq!(sum, 2);
/// ```
pub fn among_workers<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    match ThreadPoolBuilder::new().stack_size(STACK).build_global() {
        // The system has no threads to give: what needs some will say so.
        Err(error) if error.source().is_some() => run(),
        // A pool that was there before does as well.
        Ok(()) | Err(_) => rayon::scope(|_| run()),
    }
}
