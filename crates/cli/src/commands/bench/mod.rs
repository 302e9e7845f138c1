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

/// The most memory that this process has had, in units of 10⁶ bytes; none where the system does not tell.
fn peak_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_more_than_a_big_vector_and_less_than_a_machine() {
        let big = vec![1u8; 30_000_000];
        let peak = peak_megabytes().expect("Linux tells");
        assert!(peak > 30.0 && peak < 1e6, "{peak}");
        assert_eq!(big.iter().map(|&x| u64::from(x)).sum::<u64>(), 30_000_000);
    }
}
