//! A group whose processes an MPI launcher has started, on one machine or on many.
//!
//! Message Passing Interface Forum 2021, MPI 4.0, §6.9.6 <https://www.mpi-forum.org/docs/mpi-4.0/mpi40-report.pdf>: all
//! processes get identical results of a sum, whatever its order; that is the law of a [`Group`].

use super::{Group, GroupError, Numbers};
use hearth_batch::Share;
use mpi::Threading;
use mpi::collective::{CommunicatorCollectives, SystemOperation};
use mpi::datatype::Equivalence;
use mpi::environment::Universe;
use mpi::topology::{Communicator, SimpleCommunicator};

/// Numbers are summed so many at a time, so that a copy of them stays small.
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

    fn sum(&self, numbers: &mut Numbers<'_>, counts: &mut [f64]) -> Result<(), GroupError> {
        // MPI itself would end the program where lengths differ.
        let [n_numbers, n_counts] = [numbers.len(), counts.len()].map(|n| n as i64);
        let mut most = [n_numbers, -n_numbers, n_counts, -n_counts];
        self.reduce(&mut most, SystemOperation::max());
        if most[0] != -most[1] || most[2] != -most[3] {
            return Err(GroupError::Apart {
                index: self.share().index(),
                what: "number of weights",
            });
        }
        let mut sums = vec![0f32; numbers.len().min(PART)];
        for begin in (0..numbers.len()).step_by(PART) {
            let part = begin..(begin + PART).min(numbers.len());
            let sums = &mut sums[..part.len()];
            let copied = numbers.write(part.clone(), &mut bytemuck::cast_slice_mut(sums));
            copied.expect("room for all of them");
            self.reduce(sums, SystemOperation::sum());
            let taken = numbers.replace(part, &mut bytemuck::cast_slice(sums));
            taken.expect("all of them");
        }
        self.reduce(counts, SystemOperation::sum());
        Ok(())
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
