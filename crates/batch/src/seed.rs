//! Randomness as a function: every draw has a seed of its own, derived from the run's seed and what it is for.

/// What a random number is for. Two purposes never share a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The first weights.
    Weights,
    /// Which data a step or an epoch sees.
    Data,
    /// Dropout of a step.
    Dropout,
    /// What is changed in what a step sees.
    Noise,
}

/// The seed of draw `index` of a purpose, by three rounds of SplitMix64 (Steele et al. 2014).
pub fn derive_seed(seed: u64, stream: Stream, index: u64) -> u64 {
    split_mix(split_mix(split_mix(seed) ^ stream as u64) ^ index)
}

fn split_mix(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn split_mix_gives_the_published_first_output() {
        assert_eq!(split_mix(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn seeds_of_neighbouring_draws_differ() {
        let streams = [
            Stream::Weights,
            Stream::Data,
            Stream::Dropout,
            Stream::Noise,
        ];
        let seeds: HashSet<u64> = (0..20)
            .flat_map(|seed| (0..20).map(move |index| (seed, index)))
            .flat_map(|(seed, index)| streams.map(|stream| derive_seed(seed, stream, index)))
            .collect();
        assert_eq!(seeds.len(), 20 * 20 * 4);
    }
}
