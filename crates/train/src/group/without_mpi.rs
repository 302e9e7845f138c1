//! Stands for the group over MPI where the crate is built without the feature `mpi`.

use super::{Group, GroupError, Numbers};
use hearth_batch::Share;

/// The processes that an MPI launcher has started: without the feature `mpi` there is no such group.
pub enum Mpi {}

impl Mpi {
    /// Whether processes of this program can be ranks.
    pub const IS_THERE: bool = false;

    /// Would meet the others.
    ///
    /// # Errors
    /// Always: the program was built without MPI.
    pub fn join() -> Result<Self, GroupError> {
        Err(GroupError::WithoutMpi)
    }

    /// Ends all processes, of which the launcher gives the exit code.
    pub fn abort(&self, _code: u8) -> ! {
        match *self {}
    }
}

impl Group for Mpi {
    fn share(&self) -> Share {
        match *self {}
    }

    fn sum(&self, _counts: &mut [f64]) -> Result<(), GroupError> {
        match *self {}
    }

    fn scatter(&self, _numbers: &mut Numbers<'_>, _counts: &mut [f64]) -> Result<(), GroupError> {
        match *self {}
    }

    fn gather(&self, _numbers: &mut Numbers<'_>) -> Result<(), GroupError> {
        match *self {}
    }
}
