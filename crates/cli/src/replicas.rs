//! `--replicas`: copies of this program that train one model together, each on a share of every batch.
//!
//! The first one starts the others with its own arguments and talks to them through their standard input and output, so
//! that none can outlive it: where a pipe ends, a replica does. Backends on processors put several threads to one product
//! and gain little by it; replicas with a thread each gain nearly all there is.

use crate::error::CliError;
use hearth_batch::Share;
use hearth_train::{Alone, Group, Streams};
use std::env;
use std::process::{Child, Command, Stdio};
use std::thread::{available_parallelism, sleep};
use std::time::Duration;

/// Tells a replica which one it is: `1/4`, counted from 0.
const REPLICA: &str = "HEARTH_REPLICA";

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
pub(crate) struct Team {
    group: Option<Box<dyn Group>>,
    children: Vec<Child>,
}

impl Team {
    /// Starts as many replicas, this process included, or is one of them. May start this program anew: nothing must have
    /// been computed yet.
    pub(crate) fn join(n: usize) -> Result<Self, CliError> {
        let of = |group: Box<dyn Group>, children| Self {
            group: Some(group),
            children,
        };
        if let Some(share) = share() {
            let (from, to) = (Box::new(std::io::stdin()), Box::new(std::io::stdout()));
            return Ok(of(Box::new(Streams::other(share, from, to)), Vec::new()));
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
        for index in 1..n {
            let program = env::current_exe().map_err(CliError::Replica)?;
            let mut child = Command::new(program)
                .args(env::args_os().skip(1))
                .env(REPLICA, format!("{index}/{n}"))
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
        team.group = Some(Box::new(Streams::first(others)));
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

impl Drop for Team {
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

/// Leaves each replica its part of the threads that all of them may have. Pools are sized by the environment that a process
/// starts with, so that only a new start changes them.
#[cfg(unix)]
fn count_out_threads(n: usize) {
    use std::os::unix::process::CommandExt;

    if number(COUNTED_OUT).is_some() {
        return;
    }
    let all = available_parallelism().map_or(1, usize::from);
    let part = |pool| (number(pool).unwrap_or(all) / n).max(1).to_string();
    let mut arguments = env::args_os();
    if let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) {
        // Comes back only if it failed: then replicas share all threads, which is slower and no less right.
        let _ = Command::new(program)
            .arg0(name)
            .args(arguments)
            .env(COUNTED_OUT, n.to_string())
            .envs(POOLS.map(|pool| (pool, part(pool))))
            .exec();
    }
}

/// Elsewhere a process cannot become another.
#[cfg(not(unix))]
fn count_out_threads(_n: usize) {}
