//! The Free Spoken Digit Dataset: single digits, and strings of them that are joined from recordings of one speaker.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{wav, wav::Recordings};

const WORDS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

/// The recordings of a digit and a speaker are numbered: 0 to 4 are the official test; of the others the first five are validated on.
const SPLITS: [(&str, std::ops::Range<u32>, usize); 3] = [
    ("test", 0..5, 60),
    ("validation", 5..10, 30),
    ("train", 10..50, 400),
];

/// The speaker who is left out of one of the training sets.
const LEFT_OUT: &str = "theo";

/// The pause between joined digits, in seconds.
const PAUSE: std::ops::Range<f64> = 0.05..0.20;

pub(super) fn cut(from: &Path, to: &Path) -> anyhow::Result<String> {
    let recordings = Recordings::read(&from.join("fsdd/fsdd-5-speakers.tar.gz"))?;
    let rate = recordings.rate;
    // For each speaker, the digits and numbers that there are.
    let mut speakers: BTreeMap<&str, Vec<(usize, u32, &str)>> = BTreeMap::new();
    for name in recordings.all.keys() {
        let mut parts = name.split('_');
        let mut part = || {
            parts
                .next()
                .with_context(|| format!("{name}.wav, expected DIGIT_SPEAKER_NUMBER"))
        };
        let (digit, speaker, number) = (part()?, part()?, part()?);
        wav::write(&to.join(format!("{name}.wav")), rate, &recordings.all[name])?;
        speakers
            .entry(speaker)
            .or_default()
            .push((digit.parse()?, number.parse()?, name));
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut n_joined = 0;
    for (split, numbers, n_strings) in SPLITS {
        let (mut single, mut joined, mut others) = (String::new(), String::new(), String::new());
        let mut left_out = String::new();
        for (&speaker, all) in &speakers {
            let own: Vec<_> = all
                .iter()
                .filter(|(_, number, _)| numbers.contains(number))
                .collect();
            let mut lines: Vec<String> = own
                .iter()
                .map(|(digit, _, name)| format!("{name}.wav\t{}\n", WORDS[*digit]))
                .collect();
            single.extend(lines.iter().map(String::as_str));
            for number in 0..n_strings {
                let n_digits = random.random_range(3..=5);
                let chosen: Vec<_> = (0..n_digits)
                    .map(|_| own[random.random_range(0..own.len())])
                    .collect();
                let mut samples: Vec<i16> = Vec::new();
                for (_, _, name) in &chosen {
                    if !samples.is_empty() {
                        let pause = random.random_range(PAUSE) * f64::from(rate);
                        samples.extend(std::iter::repeat_n(0, pause as usize));
                    }
                    samples.extend(&recordings.all[*name]);
                }
                let file = format!("{split}-{speaker}-{number}.wav");
                wav::write(&to.join(&file), rate, &samples)?;
                let words: Vec<&str> = chosen.iter().map(|(digit, ..)| WORDS[*digit]).collect();
                let line = format!("{file}\t{}\n", words.join(" "));
                joined += &line;
                lines.push(line);
                n_joined += 1;
            }
            let list = if speaker == LEFT_OUT {
                &mut left_out
            } else {
                &mut others
            };
            list.extend(lines.iter().map(String::as_str));
        }
        let write = |name: String, text: &str| super::write(&to.join(name), text);
        write(format!("{split}-single.tsv"), &single)?;
        write(format!("{split}-joined.tsv"), &joined)?;
        write(format!("{split}.tsv"), &(single + &joined))?;
        write(format!("{split}-without-{LEFT_OUT}.tsv"), &others)?;
        write(format!("{split}-of-{LEFT_OUT}.tsv"), &left_out)?;
    }
    Ok(format!(
        "{} recordings, {n_joined} joined strings",
        recordings.all.len()
    ))
}
