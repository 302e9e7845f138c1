//! `--replicas`: copies of this program that train one model together, each on a share of every batch.
//!
//! The first one starts the others with its own arguments and talks to them through their standard input and output, so
//! that none can outlive it: where a pipe ends, a replica does. Gradients and weights go through memory that all of them have. Backends on processors put several threads to one product
//! and gain little by it; replicas with a thread each gain nearly all there is.

use crate::error::CliError;
use crate::launcher::{Rank, rank, reserved_threads};
use hearth_batch::Share;
use hearth_train::{Alone, Group, SharedMemory, Streams};
use std::env;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::{available_parallelism, sleep};
use std::time::Duration;

/// Tells a replica which one it is: `1/4`, counted from 0.
const REPLICA: &str = "HEARTH_REPLICA";

/// Tells a replica where the memory is that all of them share, if there is some.
const MEMORY: &str = "HEARTH_REPLICA_MEMORY";

/// Among how many replicas the threads of backends have been counted out, where they have been.
const COUNTED_OUT: &str = "HEARTH_REPLICAS";

/// The thread pools of the backends, by the variable that sizes each when it is first used.
const POOLS: [&str; 4] = [
    "RAYON_NUM_THREADS",
    "MATMUL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
];

/// How long a replica may take to end when there is nothing more to do.
const GRACE: Duration = Duration::from_secs(2);

/// Which replica this process is, if it was started as one.
pub(crate) fn share() -> Option<Share> {
    let text = env::var(REPLICA).ok()?;
    let (index, count) = text.split_once('/')?;
    let (index, count) = (index.parse().ok()?, count.parse().ok()?);
    (index < count).then(|| Share::new(index, count))
}

/// How many replicas there are, if that has been decided already.
pub(crate) fn decided() -> Option<usize> {
    share().map(Share::count).or_else(|| number(COUNTED_OUT))
}

/// Which of this machine's replicas or ranks this process is, if it is one of several.
pub(crate) fn place_here() -> Result<Option<usize>, CliError> {
    let place = |rank: Rank| rank.local.unwrap_or(rank.share).index();
    Ok(match share() {
        Some(share) => Some(share.index()),
        None => rank()?.map(place),
    })
}

/// The processors that a program may use: all, unless the size of the first of the backends' pools says otherwise.
pub fn n_processors() -> usize {
    let all = available_parallelism().map_or(1, usize::from);
    number(POOLS[0]).map_or(all, |limit| limit.min(all))
}

/// A number above 0 in the environment.
fn number(variable: &str) -> Option<usize> {
    let number = env::var(variable).ok()?.parse().ok()?;
    (number > 0).then_some(number)
}

/// The replicas of a run.
pub(crate) struct Team<'a> {
    group: Option<Box<dyn Group + 'a>>,
    children: Vec<Child>,
}

impl<'a> Team<'a> {
    /// Starts as many replicas, this process included, or is one of them. May start this program anew: nothing must have
    /// been computed yet.
    ///
    /// - `ranks`: those that a launcher has started, in place of replicas
    pub(crate) fn join(n: usize, ranks: Option<&'a dyn Group>) -> Result<Self, CliError> {
        let of = |group: Box<dyn Group + 'a>, children| Self {
            group: Some(group),
            children,
        };
        if let Some(ranks) = ranks {
            return Ok(of(Box::new(ranks), Vec::new()));
        }
        if let Some(share) = share() {
            let (from, to) = (Box::new(std::io::stdin()), Box::new(std::io::stdout()));
            let mut streams = Streams::other(share, from, to);
            if let Some(memory) = env::var_os(MEMORY) {
                streams = streams
                    .through(SharedMemory::open(memory.as_ref()).map_err(CliError::Replica)?);
            }
            return Ok(of(Box::new(streams), Vec::new()));
        }
        if n <= 1 {
            return Ok(of(Box::new(Alone), Vec::new()));
        }
        count_out_threads(n);
        let mut team = Self {
            group: None,
            children: Vec::new(),
        };
        let mut others: Vec<(Box<_>, Box<_>)> = Vec::new();
        let memory = SharedMemory::new();
        for index in 1..n {
            let program = env::current_exe().map_err(CliError::Replica)?;
            let mut child = Command::new(program)
                .args(env::args_os().skip(1))
                .env(REPLICA, format!("{index}/{n}"))
                .envs(memory.iter().map(|memory| (MEMORY, memory.path())))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // What is wrong with one is wrong with the first, which tells it.
                .stderr(Stdio::null())
                .spawn()
                .map_err(CliError::Replica)?;
            let pipes = child.stdout.take().zip(child.stdin.take());
            team.children.push(child);
            let (from, to) = pipes.expect("both are piped");
            others.push((Box::new(from) as _, Box::new(to) as _));
        }
        let mut streams = Streams::first(others);
        if let Some(memory) = memory {
            streams = streams.through(memory);
        }
        team.group = Some(Box::new(streams));
        Ok(team)
    }

    pub(crate) fn group(&self) -> &dyn Group {
        self.group.as_deref().unwrap_or(&Alone)
    }

    /// Whether this process tells of the run.
    pub(crate) fn is_first(&self) -> bool {
        self.group().share().index() == 0
    }
}

impl Drop for Team<'_> {
    fn drop(&mut self) {
        // The pipes first: whoever waits for them ends.
        self.group = None;
        let step = Duration::from_millis(5);
        for child in &mut self.children {
            let mut waited = Duration::ZERO;
            while waited < GRACE && matches!(child.try_wait(), Ok(None)) {
                sleep(step);
                waited += step;
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Leaves each replica its part of the threads that all of them may have.
fn count_out_threads(n: usize) {
    let all = available_parallelism().map_or(1, usize::from);
    start_with(n, |pool| (number(pool).unwrap_or(all) / n).max(1));
}

/// Leaves each rank its part of its machine's threads: what a scheduler has reserved for it, or a part as large as that of
/// the other ranks there. A pool that the user has sized keeps its size, which for ranks is one process's.
pub(crate) fn count_out_among_ranks(rank: Rank) -> Result<(), CliError> {
    let own = available_parallelism().map_or(1, usize::from);
    let part = match (reserved_threads()?, rank.local) {
        (Some(reserved), _) => reserved.min(own),
        (None, Some(local)) => part_of(own, allowed("self"), allowed(&launcher()), local.count()),
        // Who else is here nobody tells.
        (None, None) => own,
    };
    start_with(rank.share.count(), |pool| number(pool).unwrap_or(part));
    Ok(())
}

/// The threads of one of `n` ranks of a machine. A launcher may have bound it to some processors, which then are its own or
/// some ranks'.
///
/// - `own`: processors that it can use at once
/// - `bound`: processors that it may run on, where that is known
/// - `before`: those that its launcher may run on
fn part_of(own: usize, bound: Option<usize>, before: Option<usize>, n: usize) -> usize {
    let all = match (bound, before) {
        // Else a limit of time, not of places, is what holds it.
        (Some(bound), Some(before)) if bound <= own => before.max(own),
        _ => own,
    };
    (all / n).clamp(1, own)
}

/// The processors that a process may run on, where Linux tells.
fn allowed(process: &str) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let mut lines = status.lines();
    n_listed(lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

/// How many numbers `0-3,8` lists.
fn n_listed(list: &str) -> Option<usize> {
    let of = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        Some(last.checked_sub(first)? + 1)
    };
    list.trim().split(',').map(of).sum()
}

#[cfg(unix)]
fn launcher() -> String {
    std::os::unix::process::parent_id().to_string()
}

#[cfg(not(unix))]
fn launcher() -> String {
    String::new()
}

/// Starts this program anew as one of `n`, with thread pools of some sizes, if that was not done yet. Pools are sized by the
/// environment that a process starts with, so that only a new start changes them.
#[cfg(unix)]
fn start_with(n: usize, size: impl Fn(&str) -> usize) {
    use std::os::unix::process::CommandExt;

    if number(COUNTED_OUT).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    if let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) {
        // Comes back only if it failed: then replicas share all threads, which is slower and no less right.
        let _ = Command::new(program)
            .arg0(name)
            .args(arguments)
            .env(COUNTED_OUT, n.to_string())
            .envs(POOLS.map(|pool| (pool, size(pool).to_string())))
            .exec();
    }
}

/// Elsewhere a process cannot become another.
#[cfg(not(unix))]
fn start_with(_n: usize, _size: impl Fn(&str) -> usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_a_machine_have_equal_parts_of_it_whether_they_are_bound_or_not() {
        let part = |own, bound, before, n| part_of(own, Some(bound), Some(before), n);
        // Free, bound to one processor each, two to a socket of sixteen.
        assert_eq!(part(64, 64, 64, 4), 16);
        assert_eq!(part(1, 1, 64, 64), 1);
        assert_eq!(part(16, 16, 32, 4), 8);
        // More ranks than processors; a container that has the time of two of many.
        assert_eq!(part(2, 2, 2, 4), 1);
        assert_eq!(part(2, 64, 64, 2), 1);
        assert_eq!(part_of(8, None, None, 2), 4);
    }

    #[test]
    fn a_list_of_processors_is_counted() {
        assert_eq!(n_listed("\t0-3,8,10-11\n"), Some(7));
        assert_eq!(n_listed("0"), Some(1));
        for wrong in ["", "3-1", "a-b"] {
            assert_eq!(n_listed(wrong), None);
        }
    }
}
