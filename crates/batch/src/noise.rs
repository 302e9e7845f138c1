//! What is changed at random in a thing that is trained on, anew each time it is seen.
//!
//! A model that never sees the same thing twice has nothing to learn by heart. As everything random, a change is a function: of
//! the seed, of the batch, and of the row within all of the data.

use crate::seed::{Stream, derive_seed};
use hearth_data::{Frames, Merges, TextIds, TokenId};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// The draws of a row of the data; `draw` is the seed of its batch.
fn of_row(draw: u64, row: usize) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derive_seed(draw, Stream::Noise, row as u64))
}

/// How a text is changed.
#[derive(Debug, Clone, Default)]
pub struct TextNoise {
    /// How often a word of what is read is left out. Iyyer et al. 2015, §3.2 <https://aclanthology.org/P15-1162>.
    pub word_dropout: f64,
    /// How often a merge of a word's letters is left out, and the merges.
    pub bpe_dropout: Option<(f64, Merges)>,
    /// A text that would become longer than this keeps its spelling.
    pub max_tokens: usize,
}

impl TextNoise {
    /// A text that is read: some words left out, but not all of them, the others spelled anew.
    pub fn read(&self, text: &TextIds, draw: u64, row: usize) -> Vec<TokenId> {
        let mut random = of_row(draw, row);
        let n_words = text.words.len();
        let mut keeps = vec![true; n_words];
        if self.word_dropout > 0.0 {
            keeps.fill_with(|| !random.random_bool(self.word_dropout));
        }
        if !keeps.contains(&true) {
            keeps.fill(true);
        }
        self.spell(text, &keeps, &mut random)
    }

    /// A text that is written: all of its words, spelled anew.
    pub fn write(&self, text: &TextIds, draw: u64, row: usize) -> Vec<TokenId> {
        // Not as the source of the same row is.
        let mut random = of_row(!draw, row);
        self.spell(text, &vec![true; text.words.len()], &mut random)
    }

    fn spell(&self, text: &TextIds, keeps: &[bool], random: &mut ChaCha8Rng) -> Vec<TokenId> {
        let put_together = |spell: &mut dyn FnMut(&[TokenId]) -> Vec<TokenId>| {
            let (mut ids, mut end) = (Vec::with_capacity(text.ids.len()), 0);
            for (word, keep) in text.words.iter().zip(keeps) {
                // Special tokens stand between words.
                ids.extend_from_slice(&text.ids[end..word.start as usize]);
                end = word.end as usize;
                if *keep {
                    ids.extend(spell(&text.ids[word.start as usize..end]));
                }
            }
            ids.extend_from_slice(&text.ids[end..]);
            ids
        };
        if let Some((rate, merges)) = &self.bpe_dropout {
            let ids = put_together(&mut |word| merges.spell(word, || random.random_bool(*rate)));
            if ids.len() <= self.max_tokens {
                return ids;
            }
        }
        put_together(&mut |word| word.to_vec())
    }
}

/// Moves an image by up to so many pixels, each way and by itself; what comes in from outside repeats the edge.
///
/// - `image`: `[n_channels, height, width]`
/// - `max_shift`: pixels
pub(crate) fn shifted(
    image: &[f32],
    [_, height, width]: [usize; 3],
    max_shift: usize,
    (draw, row): (u64, usize),
) -> Vec<f32> {
    let mut random = of_row(draw, row);
    let mut shift = || random.random_range(0..=2 * max_shift);
    let (down, right) = (shift(), shift());
    let from =
        |to: usize, shift: usize, size: usize| (to + max_shift).saturating_sub(shift).min(size - 1);
    let mut moved = Vec::with_capacity(image.len());
    for channel in image.chunks_exact(height * width) {
        for y in 0..height {
            let line = from(y, down, height) * width;
            moved.extend((0..width).map(|x| channel[line + from(x, right, width)]));
        }
    }
    moved
}

/// SpecAugment: some stretches of time and some bands of a spectrogram are blotted out.
///
/// Park et al. 2019, §2 <https://arxiv.org/abs/1904.08779>, with widths as shares of the recording, as in their later work
/// <https://arxiv.org/abs/1912.05533>, and without the warping of time, which they found of little use. What is blotted out
/// becomes 0, the mean of features that are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SpectrogramMasks {
    /// Stretches of time.
    pub n_time: usize,
    /// The widest of them, as a share of the recording.
    pub time: f64,
    /// Stretches of bands.
    pub n_mels: usize,
    /// The widest of them, as a share of the bands.
    pub mels: f64,
}

impl SpectrogramMasks {
    /// The recording with its blots.
    pub fn blot(&self, frames: &Frames, draw: u64, row: usize) -> Frames {
        let mut random = of_row(draw, row);
        let mut stretch = |size: usize, share: f64| {
            let widest = (size as f64 * share) as usize;
            let width = random.random_range(0..=widest.min(size));
            let start = random.random_range(0..=size - width);
            start..start + width
        };
        let (n_frames, n_mels) = (frames.n_frames(), frames.n_mels);
        let mut values = frames.values.clone();
        for _ in 0..self.n_time {
            let hidden = stretch(n_frames, self.time);
            values[hidden.start * n_mels..hidden.end * n_mels].fill(0.0);
        }
        for _ in 0..self.n_mels {
            let hidden = stretch(n_mels, self.mels);
            let frames = values.chunks_exact_mut(n_mels.max(1));
            frames.for_each(|frame| frame[hidden.clone()].fill(0.0));
        }
        Frames { n_mels, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_data::{BpeOptions, SpecialScheme, Tokenizer};

    const DRAWS: std::ops::Range<u64> = 0..200;

    fn text() -> (Tokenizer, TextIds) {
        let options = BpeOptions {
            vocab: 300,
            min_frequency: 2,
            special: SpecialScheme::Encoder,
        };
        let text = "the lower the newer, the newest of the lowest";
        let tokenizer = Tokenizer::train_bpe([text].into_iter(), &options).expect("a tokenizer");
        let ids = tokenizer.encode_words(&[text]).expect("a text").remove(0);
        (tokenizer, ids)
    }

    #[test]
    fn words_are_left_out_as_often_as_asked_and_special_tokens_never() {
        let (_, text) = text();
        let noise = TextNoise {
            word_dropout: 0.3,
            ..TextNoise::default()
        };
        let n_kept: usize = DRAWS
            .map(|draw| {
                let ids = noise.read(&text, draw, 7);
                assert_eq!((ids.first(), ids.last()), (Some(&1), Some(&2)));
                ids.len() - 2
            })
            .sum();
        // The standard deviation of the share is 0.01.
        let share = n_kept as f64 / (DRAWS.end as f64 * (text.ids.len() - 2) as f64);
        assert!((share - 0.7).abs() < 0.04, "{share}");
        assert_eq!(noise.read(&text, 3, 7), noise.read(&text, 3, 7));
        assert_ne!(noise.read(&text, 3, 7), noise.read(&text, 3, 8));
        assert_eq!(noise.write(&text, 3, 7), text.ids);
    }

    #[test]
    fn a_text_never_becomes_empty() {
        let (_, mut text) = text();
        text.ids.truncate(2);
        text.words.truncate(1);
        let noise = TextNoise {
            word_dropout: 0.99,
            ..TextNoise::default()
        };
        assert!(
            DRAWS
                .into_iter()
                .all(|draw| noise.read(&text, draw, 0) == text.ids)
        );
    }

    #[test]
    fn words_are_spelled_anew_and_say_the_same() {
        let (tokenizer, text) = text();
        let plain = tokenizer.decode(&text.ids).expect("a text");
        let mut noise = TextNoise {
            bpe_dropout: tokenizer.merges().map(|merges| (0.2, merges)),
            max_tokens: 100,
            ..TextNoise::default()
        };
        let spellings: std::collections::HashSet<_> = DRAWS
            .flat_map(|draw| [noise.read(&text, draw, 0), noise.write(&text, draw, 0)])
            .collect();
        assert!(spellings.len() > 100);
        for ids in spellings {
            assert_eq!(tokenizer.decode(&ids).expect("a text"), plain);
        }
        noise.max_tokens = text.ids.len();
        let longest = DRAWS.map(|draw| noise.read(&text, draw, 0).len()).max();
        assert_eq!(longest, Some(text.ids.len()));
    }

    #[test]
    fn an_image_moves_by_all_shifts_and_no_other() {
        // Each pixel is its place.
        let image: Vec<f32> = (0..2 * 4 * 5).map(|i| i as f32).collect();
        let found: std::collections::HashSet<Vec<i32>> = DRAWS
            .map(|draw| shifted(&image, [2, 4, 5], 1, (draw, 3)))
            .map(|moved| moved.iter().map(|&x| x as i32).collect())
            .collect();
        let mut expected = std::collections::HashSet::new();
        for (down, right) in (0..9).map(|i| (i / 3 - 1, i % 3 - 1)) {
            let pixel = |i: i32| {
                let (channel, y, x) = (i / 20, i / 5 % 4 - down, i % 5 - right);
                channel * 20 + y.clamp(0, 3) * 5 + x.clamp(0, 4)
            };
            expected.insert((0..40).map(pixel).collect::<Vec<_>>());
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn a_spectrogram_gets_blots_that_are_not_too_wide() {
        let frames = Frames {
            n_mels: 10,
            values: vec![1.0; 40 * 10],
        };
        let masks = SpectrogramMasks {
            n_time: 1,
            time: 0.25,
            n_mels: 1,
            mels: 0.2,
        };
        let hidden_at = |values: &[f32], of: &dyn Fn(usize) -> Vec<usize>, n: usize| {
            (0..n)
                .filter(|&i| of(i).iter().all(|&at| values[at] == 0.0))
                .count()
        };
        let (mut widest_time, mut widest_mels) = (0, 0);
        for draw in DRAWS {
            let values = masks.blot(&frames, draw, 0).values;
            let row = |i: usize| (10 * i..10 * i + 10).collect();
            let column = |i: usize| (0..40).map(|frame| 10 * frame + i).collect();
            let (time, mels) = (
                hidden_at(&values, &row, 40),
                hidden_at(&values, &column, 10),
            );
            let n_hidden = values.iter().filter(|&&value| value == 0.0).count();
            assert_eq!(n_hidden, time * 10 + mels * 40 - time * mels);
            widest_time = widest_time.max(time);
            widest_mels = widest_mels.max(mels);
        }
        assert_eq!((widest_time, widest_mels), (10, 2));
        let none = SpectrogramMasks::default();
        assert_eq!(none.blot(&frames, 1, 1), frames);
    }
}
