//! A language of tones, for learning to recognise speech without a recording.

use std::f64::consts::PI;

use super::Recording;

/// The words, and the frequency of each in hertz: C major.
const WORDS: [(&str, f64); 7] = [
    ("do", 523.25),
    ("re", 587.33),
    ("mi", 659.26),
    ("fa", 698.46),
    ("so", 783.99),
    ("la", 880.00),
    ("ti", 987.77),
];

const RATE: u32 = 16_000;

/// The most words of an utterance.
const MOST_WORDS: u64 = 4;

/// Seconds of a tone at least and at most, and of the silence behind it.
const TONE: [f64; 2] = [0.12, 0.18];
const SILENCE: f64 = 0.05;

/// Utterances of one to four words, each word a tone: what is heard, and what is said.
///
/// Tones differ a little in length, loudness and pitch, and stand in a little noise. All of it is a function of the seed
/// and the number of the utterance.
pub fn tones(n: usize, seed: u64) -> impl Iterator<Item = (Recording, String)> {
    (0..n as u64).map(move |number| utterance(&mut Numbers::new(seed, number)))
}

fn utterance(numbers: &mut Numbers) -> (Recording, String) {
    let n_words = 1 + numbers.next() % MOST_WORDS;
    let (mut samples, mut text) = (Vec::new(), String::new());
    let noise = |numbers: &mut Numbers| 0.002 * (2.0 * numbers.uniform() - 1.0);
    let seconds = |seconds: f64| (seconds * f64::from(RATE)) as usize;
    for i in 0..n_words {
        let (word, hertz) = WORDS[(numbers.next() % WORDS.len() as u64) as usize];
        if i > 0 {
            text.push(' ');
        }
        text.push_str(word);
        let length = TONE[0] + (TONE[1] - TONE[0]) * numbers.uniform();
        let loudness = 0.2 + 0.3 * numbers.uniform();
        let hertz = hertz * (0.99 + 0.02 * numbers.uniform());
        let n = seconds(length);
        for at in 0..n {
            // Rises and falls, so that it does not click.
            let rise = (PI * at as f64 / n as f64).sin().sqrt();
            let tone = (2.0 * PI * hertz * at as f64 / f64::from(RATE)).sin();
            samples.push((loudness * rise * tone + noise(numbers)) as f32);
        }
        samples.extend((0..seconds(SILENCE)).map(|_| noise(numbers) as f32));
    }
    let recording = Recording {
        sample_rate: RATE,
        samples,
    };
    (recording, text)
}

/// SplitMix64 <https://prng.di.unimi.it/splitmix64.c>: small, and the same for ever.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64, stream: u64) -> Self {
        let mut first = Self(seed);
        let begin = first.next();
        Self(begin ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn one_seed_gives_one_set_of_utterances() {
        let all = |n, seed| tones(n, seed).collect::<Vec<_>>();
        assert_eq!(all(3, 1), all(5, 1)[..3]);
        assert_ne!(all(3, 1), all(3, 2));
    }

    #[test]
    fn every_word_and_every_length_occurs() {
        let texts: Vec<String> = tones(60, 1).map(|(_, text)| text).collect();
        let words: HashSet<&str> = texts.iter().flat_map(|text| text.split(' ')).collect();
        assert_eq!(words.len(), WORDS.len());
        let lengths: HashSet<usize> = texts.iter().map(|text| text.split(' ').count()).collect();
        assert_eq!(lengths, HashSet::from([1, 2, 3, 4]));
    }

    #[test]
    fn a_tone_has_the_frequency_of_its_word() {
        let one_word = tones(60, 1).filter(|(_, text)| !text.contains(' '));
        for (recording, text) in one_word {
            let (_, hertz) = WORDS.iter().find(|(word, _)| *word == text).unwrap();
            // Over the middle, upward crossings of zero.
            let middle = &recording.samples[800..1600];
            let crossings = middle.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0);
            let found = crossings.count() as f64 / 0.05;
            assert!((found - hertz).abs() < 40.0, "{text}: {found}, {hertz}");
        }
    }
}
