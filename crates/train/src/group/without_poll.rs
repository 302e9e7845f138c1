//! Stands for waiting without sleep where streams cannot be asked: not on Unix.

use std::io::Read;

/// What is read from another process.
pub trait Incoming: Read + Send {}

impl<T: Read + Send> Incoming for T {}

/// Does not wait: reading does.
pub(super) fn stay_awake(_from: &dyn Incoming) -> bool {
    false
}
