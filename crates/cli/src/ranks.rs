//! `mpirun -n N hearth-X train …`: processes that a launcher started, here or on many machines, train one model together.
//!
//! What they are to each other is what replicas are, but for who started them: the launcher ends all of them where one is
//! lost, and none can start another.

use crate::error::CliError;
use crate::launcher::{Rank, rank};
use crate::replicas::count_out_among_ranks;
use hearth_train::{Group, Mpi};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

/// What is wrong with all ranks is told by the first: it ends the others in that time.
const GRACE: Duration = Duration::from_secs(1);

/// This process and the others that it trains with.
pub(crate) struct Ranks {
    group: Mpi,
}

impl Ranks {
    /// Meets the others, if several processes were started together. May start this program anew: nothing must have been
    /// computed yet.
    pub(crate) fn join() -> Result<Option<Self>, CliError> {
        let Some(rank) = several()? else {
            return Ok(None);
        };
        let n = rank.share.count();
        if !Mpi::IS_THERE {
            return Err(CliError::WithoutMpi { n });
        }
        count_out_among_ranks(rank)?;
        let group = Mpi::join().map_err(hearth_train::TrainError::from)?;
        let found = group.share().count();
        if found != n {
            return Err(CliError::Usage(format!(
                "the launcher started {n} ranks and MPI finds {found}: use the launcher of the MPI that this program was \
                 built with, under Slurm for example srun --mpi=pmix"
            )));
        }
        Ok(Some(Self { group }))
    }

    pub(crate) fn group(&self) -> &dyn Group {
        &self.group
    }

    /// Whether this process chooses, writes and speaks for all.
    pub(crate) fn is_first(&self) -> bool {
        self.group.share().index() == 0
    }
}

/// Which rank this process is, if it is not the only one.
pub(crate) fn several() -> Result<Option<Rank>, CliError> {
    Ok(rank()?.filter(|rank| rank.share.count() > 1))
}

/// Whether another process speaks for this one.
pub(crate) fn is_silent() -> bool {
    matches!(several(), Ok(Some(rank)) if rank.share.index() > 0)
}

/// Ends a process, and with it the others where it is one of several.
///
/// - `tell`: says what went wrong
pub(crate) fn end(
    ranks: Option<Ranks>,
    result: Result<(), CliError>,
    tell: impl Fn(&CliError),
) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let is_stopped = matches!(error, CliError::Stopped { .. });
    if is_silent() {
        if is_stopped {
            // All of them were; the last words are the first one's, and leaving MPI waits for them.
            return ExitCode::from(error.code());
        }
        sleep(GRACE);
    }
    tell(&error);
    match ranks {
        Some(ranks) if !is_stopped => ranks.group.abort(error.code()),
        _ => ExitCode::from(error.code()),
    }
}
