//! `bench`: how fast this device is.

pub(crate) mod decode;
pub(crate) mod forward;
mod peak;
pub(crate) mod train;

use hearth_batch::{Stream, derive_seed};
use hearth_data::TokenId;
use std::time::Duration;

/// Rows of tokens that mean nothing, no two alike. None of them is token 0, which pads.
fn random_rows(seed: u64, [n, length]: [usize; 2], vocab: usize) -> Vec<Vec<TokenId>> {
    let others = vocab.saturating_sub(1).max(1) as u64;
    let token = |i| 1 + (derive_seed(seed, Stream::Data, i) % others) as TokenId;
    let row = |row| (row * length..(row + 1) * length).map(|i| token(i as u64));
    (0..n).map(|i| row(i).collect()).collect()
}

/// The median: one busy moment of the machine does not move it.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
