//! A group whose processes an MPI launcher has started, on one machine or on many.
//!
//! Message Passing Interface Forum 2021, MPI 4.0, §6.9.6 <https://www.mpi-forum.org/docs/mpi-4.0/mpi40-report.pdf>: all
//! processes get identical results of a sum, whatever its order; that is the law of a [`Group`].

use super::{Group, GroupError, Numbers};
use hearth_batch::Share;
use mpi::Threading;
use mpi::collective::{CommunicatorCollectives, SystemOperation};
use mpi::environment::Universe;
use mpi::topology::{Communicator, SimpleCommunicator};
use std::ops::Range;

/// At most so many numbers are exchanged at a time, so that a copy of them stays small.
const MOST: usize = 1 << 20;

/// The processes that an MPI launcher has started, seen from one of them. Once a process.
///
/// Where one of them is lost, or exchanges something else than the others, the launcher ends all.
pub struct Mpi {
    world: SimpleCommunicator,
    /// Leaves MPI when it is dropped, which waits for all others.
    _universe: Universe,
}

impl Mpi {
    /// Whether processes of this program can be ranks.
    pub const IS_THERE: bool = true;

    /// Meets the others.
    ///
    /// # Errors
    /// If this process has met them before.
    pub fn join() -> Result<Self, GroupError> {
        let met = mpi::initialize_with_threading(Threading::Funneled);
        let (universe, _) = met.ok_or(GroupError::MetBefore)?;
        Ok(Self {
            world: universe.world(),
            _universe: universe,
        })
    }

    /// Ends all processes, of which the launcher gives the exit code.
    pub fn abort(&self, code: u8) -> ! {
        self.world.abort(i32::from(code))
    }
}

impl Group for Mpi {
    fn share(&self) -> Share {
        let number = |n: i32| usize::try_from(n).expect("MPI counts from 0");
        Share::new(number(self.world.rank()), number(self.world.size()))
    }

    fn sum(&self, counts: &mut [f64]) -> Result<(), GroupError> {
        let mut sums = vec![0.0; counts.len()];
        let by = SystemOperation::sum();
        self.world.all_reduce_into(&*counts, &mut sums, by);
        counts.copy_from_slice(&sums);
        Ok(())
    }

    fn scatter(&self, numbers: &mut Numbers<'_>, counts: &mut [f64]) -> Result<(), GroupError> {
        self.sum(counts)?;
        let index = self.share().index();
        let mut blocks = Blocks::of(numbers, self.share());
        for parts in blocks.parts {
            let each = blocks.all.chunks_exact_mut(blocks.own.len());
            for (part, block) in parts.iter().zip(each) {
                let written = numbers.write(part.clone(), &mut bytemuck::cast_slice_mut(block));
                written.expect("room for a part");
            }
            let by = SystemOperation::sum();
            let (all, own) = (&*blocks.all, &mut *blocks.own);
            self.world.reduce_scatter_block_into(all, own, by);
            let sums = &mut bytemuck::cast_slice(own);
            numbers.replace(parts[index].clone(), sums).expect("a part");
        }
        Ok(())
    }

    fn gather(&self, numbers: &mut Numbers<'_>) -> Result<(), GroupError> {
        let index = self.share().index();
        let mut blocks = Blocks::of(numbers, self.share());
        for parts in blocks.parts {
            let room = &mut bytemuck::cast_slice_mut(&mut blocks.own);
            let written = numbers.write(parts[index].clone(), room);
            written.expect("room for a part");
            self.world.all_gather_into(&*blocks.own, &mut *blocks.all);
            let each = blocks.all.chunks_exact(blocks.own.len());
            for (part, block) in parts.into_iter().zip(each) {
                let taken = numbers.replace(part, &mut bytemuck::cast_slice(block));
                taken.expect("a part");
            }
        }
        Ok(())
    }
}

/// How lists are exchanged: in blocks of one length, one of each owner at a time, which not all of them fill.
struct Blocks {
    /// Room for one of each.
    all: Vec<f32>,
    own: Vec<f32>,
    /// What goes into them, of each owner, again and again until all has gone.
    parts: Vec<Vec<Range<usize>>>,
}

impl Blocks {
    fn of(numbers: &Numbers<'_>, share: Share) -> Self {
        let whole: Vec<_> = (0..share.count()).map(|of| numbers.part(of)).collect();
        let longest = whole.iter().map(Range::len).max().unwrap_or(0);
        let length = longest.min(MOST / share.count()).max(1);
        let from = |begin: usize| {
            let of = |part: &Range<usize>| {
                let at = |offset: usize| (part.start + offset).min(part.end);
                at(begin)..at(begin + length)
            };
            whole.iter().map(of).collect()
        };
        Self {
            all: vec![0.0; share.count() * length],
            own: vec![0.0; length],
            parts: (0..longest).step_by(length).map(from).collect(),
        }
    }
}

impl Drop for Mpi {
    /// Of a process that panics no other must wait.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort(101);
        }
    }
}
