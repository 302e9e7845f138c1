//! Another number of samples a second for the same sound.

use std::f64::consts::PI;

/// How many zeros of the sinc are on either side of its middle.
const N_ZEROS: f64 = 16.0;

/// The part of the band that is kept: the filter falls off over the rest.
const ROLLOFF: f64 = 0.95;

/// Band-limited interpolation: each new sample is the old ones weighted by a sinc under a Hann window.
///
/// Smith and Gossett 1984 <https://ccrma.stanford.edu/~jos/resample/>. The weights depend only on where the new sample
/// stands between two old ones, and there are few such places: as many as the new rate has in the period of both.
///
/// - `from`, `to`: samples a second
///
/// # Panics
/// If a rate is 0.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    assert!(from > 0 && to > 0, "from {from} to {to} samples a second");
    let common = greatest_common_divisor(from, to);
    let (from, to) = ((from / common) as usize, (to / common) as usize);
    if from == to {
        return samples.to_vec();
    }
    // In periods of the old rate: what is faster than half of either rate is left out.
    let cutoff = ROLLOFF * (to as f64 / from as f64).min(1.0);
    let reach = (N_ZEROS / cutoff).ceil() as usize;
    let n_new = (samples.len() * to).div_ceil(from);
    let weights: Vec<Vec<f32>> = (0..to.min(n_new))
        .map(|phase| {
            let fraction = (phase * from % to) as f64 / to as f64;
            (0..2 * reach)
                .map(|i| weight(fraction - (i as f64 - (reach - 1) as f64), cutoff))
                .collect()
        })
        .collect();
    (0..n_new)
        .map(|i| {
            let before = i / to * from + i % to * from / to;
            let terms = weights[i % to].iter().enumerate().filter_map(|(k, w)| {
                let at = (before + k).checked_sub(reach - 1)?;
                Some(f64::from(*w) * f64::from(*samples.get(at)?))
            });
            terms.sum::<f64>() as f32
        })
        .collect()
}

/// The windowed sinc at a distance in old samples.
fn weight(distance: f64, cutoff: f64) -> f32 {
    let x = distance * cutoff;
    if x.abs() >= N_ZEROS {
        return 0.0;
    }
    let window = (PI * x / (2.0 * N_ZEROS)).cos().powi(2);
    let sinc = if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    };
    (cutoff * window * sinc) as f32
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, rate: u32, n: usize) -> Vec<f32> {
        let step = 2.0 * PI * hertz / f64::from(rate);
        (0..n).map(|i| (step * i as f64).sin() as f32).collect()
    }

    /// Away from the ends, where the sound breaks off.
    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        let inner = a.len() / 4..a.len() * 3 / 4;
        let pairs = a[inner.clone()].iter().zip(&b[inner]);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_sine_is_the_same_sine_at_another_rate() {
        for (from, to) in [
            (44_100, 16_000),
            (8_000, 16_000),
            (48_000, 16_000),
            (16_000, 22_050),
        ] {
            let found = resample(&sine(440.0, from, from as usize / 2), from, to);
            let difference = largest_difference(&found, &sine(440.0, to, to as usize / 2));
            assert!(difference < 2e-3, "{from} to {to}: {difference}");
        }
    }

    #[test]
    fn what_is_too_fast_for_the_new_rate_is_gone() {
        let found = resample(&sine(12_000.0, 44_100, 22_050), 44_100, 16_000);
        let silence = vec![0.0; found.len()];
        let left = largest_difference(&found, &silence);
        assert!(left < 2e-3, "{left}");
    }

    #[test]
    fn the_same_rate_changes_nothing_and_lengths_follow_the_rates() {
        let sound = sine(100.0, 8_000, 100);
        assert_eq!(resample(&sound, 8_000, 8_000), sound);
        assert_eq!(resample(&sound, 8_000, 16_000).len(), 200);
        assert_eq!(resample(&sound, 8_000, 4_000).len(), 50);
        assert_eq!(resample(&[], 8_000, 4_000).len(), 0);
        // Rates without a common divisor.
        assert_eq!(resample(&sound, 7_919, 7_907).len(), 100);
    }
}
