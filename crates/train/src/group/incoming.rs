//! Waiting for another process without falling asleep.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What is read from another process, none of it before it is asked for: what a buffer has read ahead would be waited for in vain, if
/// not for ever.
pub trait Incoming: Read + AsFd + Send {}

impl<T: Read + AsFd + Send> Incoming for T {}

/// Who comes later than this is at something else.
const AWAKE: Duration = Duration::from_millis(20);

/// Waits until there is something to read, or the other process is gone, or some time is over: whether it was worth it. A process
/// that sleeps wakes up late, above all on a virtual machine, whose host gives the processor away meanwhile.
pub(super) fn stay_awake(from: &dyn Incoming) -> bool {
    let began = Instant::now();
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    loop {
        let mut streams = [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)];
        // What goes wrong here does so again where it is read.
        if poll(&mut streams, Some(&at_once)) != Ok(0) {
            return true;
        }
        if began.elapsed() >= AWAKE {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};

    #[test]
    fn it_is_for_what_comes_and_for_the_end_but_not_for_ever() {
        let (from, mut to) = pipe().expect("a pipe");
        assert!(!stay_awake(&from));
        to.write_all(b"here").expect("room");
        assert!(stay_awake(&from));
        let mut found = [0; 4];
        (&from).read_exact(&mut found).expect("all of it");
        assert!(!stay_awake(&from));
        drop(to);
        assert!(stay_awake(&from));
    }
}
