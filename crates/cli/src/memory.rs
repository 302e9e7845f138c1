//! The memory of this process, in units of 10⁶ bytes; none where the system does not tell.

/// What it has now.
pub(crate) fn resident_megabytes() -> Option<f64> {
    megabytes("VmRSS:")
}

/// The most that it has had.
pub(crate) fn peak_megabytes() -> Option<f64> {
    megabytes("VmHWM:")
}

fn megabytes(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_more_than_a_big_vector_and_less_than_a_machine() {
        let big = vec![1u8; 30_000_000];
        let now = resident_megabytes().expect("Linux tells");
        assert_eq!(big.iter().map(|&x| u64::from(x)).sum::<u64>(), 30_000_000);
        let peak = peak_megabytes().expect("Linux tells");
        assert!(30.0 < now && now <= peak && peak < 1e6, "{now}, {peak}");
    }
}
