//! A group whose processes an MPI launcher has started, on one machine or on many.
//!
//! Message Passing Interface Forum 2021, MPI 4.0, §6.9.6 <https://www.mpi-forum.org/docs/mpi-4.0/mpi40-report.pdf>: all
//! processes get identical results of a sum, whatever its order; that is the law of a [`Group`].

use super::{Group, GroupError, Numbers};
use hearth_batch::Share;
use mpi::Threading;
use mpi::collective::{CommunicatorCollectives, Root, SystemOperation};
use mpi::datatype::Equivalence;
use mpi::environment::Universe;
use mpi::topology::{Communicator, SimpleCommunicator};
use std::ops::Range;

/// Numbers are exchanged so many at a time, so that a copy of them stays small.
const PART: usize = 1 << 20;

/// The processes that an MPI launcher has started, seen from one of them. Once a process.
///
/// Where one of them is lost, the launcher ends the others.
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

    /// Adds up counts, behind which comes a list of some length. MPI itself would end the program where lengths differ.
    fn sum_beside(&self, length: usize, counts: &mut [f64]) -> Result<(), GroupError> {
        let [n_numbers, n_counts] = [length, counts.len()].map(|n| n as i64);
        let mut most = [n_numbers, -n_numbers, n_counts, -n_counts];
        self.reduce(&mut most, SystemOperation::max());
        if most[0] != -most[1] || most[2] != -most[3] {
            return Err(GroupError::Apart {
                index: self.share().index(),
                what: "number of weights",
            });
        }
        self.reduce(counts, SystemOperation::sum());
        Ok(())
    }

    /// Both sides of one type: MPI believes each what it says of itself.
    fn reduce<T: Equivalence + Default + Copy>(&self, numbers: &mut [T], by: SystemOperation) {
        let mut results = vec![T::default(); numbers.len().min(PART)];
        for part in numbers.chunks_mut(PART) {
            let results: &mut [T] = &mut results[..part.len()];
            self.world.all_reduce_into(&*part, results, by);
            part.copy_from_slice(results);
        }
    }
}

impl Group for Mpi {
    fn share(&self) -> Share {
        let number = |n: i32| usize::try_from(n).expect("MPI counts from 0");
        Share::new(number(self.world.rank()), number(self.world.size()))
    }

    fn sum(&self, counts: &mut [f64]) -> Result<(), GroupError> {
        self.sum_beside(0, counts)
    }

    fn scatter(&self, numbers: &mut Numbers<'_>, counts: &mut [f64]) -> Result<(), GroupError> {
        self.sum_beside(numbers.len(), counts)?;
        let mut own = vec![0f32; numbers.len().min(PART)];
        let mut sums = own.clone();
        for (owner, part) in parts(numbers, self.share().count()) {
            let own = &mut own[..part.len()];
            let sums = &mut sums[..part.len()];
            let copied = numbers.write(part.clone(), &mut bytemuck::cast_slice_mut(own));
            copied.expect("room for all of them");
            let root = self.world.process_at_rank(owner as i32);
            if owner != self.share().index() {
                root.reduce_into(&*own, SystemOperation::sum());
                continue;
            }
            root.reduce_into_root(&*own, sums, SystemOperation::sum());
            let taken = numbers.replace(part, &mut bytemuck::cast_slice(sums));
            taken.expect("all of them");
        }
        Ok(())
    }

    fn gather(&self, numbers: &mut Numbers<'_>) -> Result<(), GroupError> {
        self.sum_beside(numbers.len(), &mut [])?;
        let mut copy = vec![0f32; numbers.len().min(PART)];
        for (owner, part) in parts(numbers, self.share().count()) {
            let copy = &mut copy[..part.len()];
            if owner == self.share().index() {
                let copied = numbers.write(part.clone(), &mut bytemuck::cast_slice_mut(copy));
                copied.expect("room for all of them");
            }
            let root = self.world.process_at_rank(owner as i32);
            root.broadcast_into(&mut *copy);
            if owner != self.share().index() {
                let taken = numbers.replace(part, &mut bytemuck::cast_slice(copy));
                taken.expect("all of them");
            }
        }
        Ok(())
    }
}

/// The parts of all owners, so many numbers at a time.
fn parts(numbers: &Numbers<'_>, n_owners: usize) -> Vec<(usize, Range<usize>)> {
    let of = |owner| {
        let Range { start, end } = numbers.part(owner);
        let begins = (start..end).step_by(PART);
        begins.map(move |begin| (owner, begin..(begin + PART).min(end)))
    };
    (0..n_owners).flat_map(of).collect()
}

impl Drop for Mpi {
    /// Of a process that panics no other must wait.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.abort(101);
        }
    }
}
