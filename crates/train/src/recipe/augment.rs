//! What a recipe changes at random in what a model is trained on, anew each time it is seen.

use super::read::in_range;
use super::{Architecture, Recipe, RecipeError};
use hearth_batch::SpectrogramMasks;
use serde::{Deserialize, Serialize};

/// Changes of texts, images and recordings. None by default; validation never has any.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentRecipe {
    /// For texts that are read: how often a word is left out. Iyyer et al. 2015, §3.2 <https://aclanthology.org/P15-1162>.
    pub word_dropout: f64,
    /// For texts: how often a merge of the tokenizer is left out. Provilkov et al. 2020 <https://arxiv.org/abs/1910.13267>.
    pub bpe_dropout: f64,
    /// For images: how far they are moved at most, in pixels, up or down and left or right.
    pub shift: usize,
    /// For recordings: speeds at which they are heard as well, each at all of them. Ko et al. 2015
    /// <https://www.isca-archive.org/interspeech_2015/ko15_interspeech.html>.
    pub speeds: Vec<f64>,
    /// For recordings: how many stretches of time are blotted out. Park et al. 2019 <https://arxiv.org/abs/1904.08779>.
    pub time_masks: usize,
    /// The widest of them, as a share of the recording.
    pub time_mask: f64,
    /// For recordings: how many stretches of bands are blotted out.
    pub mel_masks: usize,
    /// The widest of them, as a share of all bands.
    pub mel_mask: f64,
}

impl AugmentRecipe {
    /// Whether nothing is changed.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The blots of recordings.
    pub(crate) fn masks(&self) -> SpectrogramMasks {
        SpectrogramMasks {
            n_time: self.time_masks,
            time: self.time_mask,
            n_mels: self.mel_masks,
            mels: self.mel_mask,
        }
    }
}

/// Refuses numbers out of range, and changes of what an architecture does not read.
pub(super) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    use Architecture::{BertClassifier, RnnSeq2Seq, SpeechToText, Transformer, Vit};
    let (augment, architecture) = (&recipe.augment, recipe.model.architecture);
    let below_one = "at least 0 and below 1";
    let rates = [
        ("augment.word_dropout", augment.word_dropout),
        ("augment.bpe_dropout", augment.bpe_dropout),
        ("augment.time_mask", augment.time_mask),
        ("augment.mel_mask", augment.mel_mask),
    ];
    for (field, rate) in rates {
        in_range(field, rate, (0.0..1.0).contains(&rate), below_one)?;
    }
    let reads_text = matches!(architecture, BertClassifier | Transformer | RnnSeq2Seq);
    let expected = "0: only bert-classifier, transformer and rnn-seq2seq have it";
    for (field, rate) in &rates[..2] {
        in_range(field, rate, reads_text || *rate == 0.0, expected)?;
    }
    let shift = augment.shift;
    let expected = "0: only vit has it";
    let is_vit = architecture == Vit;
    in_range("augment.shift", shift, is_vit || shift == 0, expected)?;
    let [_, height, width] = recipe.model.image.unwrap_or([1, 8, 8]);
    let expected = "less than the image's sides";
    let is_inside = !is_vit || shift < height.min(width);
    in_range("augment.shift", shift, is_inside, expected)?;
    let hears = architecture == SpeechToText;
    let only = "nothing: only speech-to-text has it";
    let n_speeds = augment.speeds.len();
    in_range("augment.speeds", n_speeds, hears || n_speeds == 0, only)?;
    for &speed in &augment.speeds {
        let fits = (0.5..=2.0).contains(&speed);
        in_range("augment.speeds", speed, fits, "from 0.5 to 2")?;
    }
    for (field, count) in [
        ("augment.time_masks", augment.time_masks),
        ("augment.mel_masks", augment.mel_masks),
    ] {
        in_range(field, count, hears || count == 0, only)?;
        in_range(field, count, count <= 100, "at most 100")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(architecture: &str, given: &[&str]) -> Result<Recipe, String> {
        let (embedded, more) = match architecture {
            "vit" => ("digits", "patch = 2"),
            "bert-classifier" => ("languages", "max_positions = 8"),
            "speech-to-text" => ("tones", "max_positions = 8"),
            _ => ("number-words", "max_positions = 8"),
        };
        let text = format!(
            "[model]\narchitecture = '{architecture}'\nd_model = 16\nn_heads = 2\nn_layers = 1\n{more}\n\
             [data]\nembedded = '{embedded}'\n[train]\nbatch_size = 2\n"
        );
        let set: Vec<String> = given.iter().map(|&set| set.to_owned()).collect();
        let read = Recipe::parse(&text, Path::new("r.toml"), &set, &[]);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn changes_belong_to_what_is_read() {
        for (architecture, given) in [
            ("bert-classifier", "augment.word_dropout=0.1"),
            ("transformer", "augment.bpe_dropout=0.1"),
            ("vit", "augment.shift=2"),
            ("speech-to-text", "augment.speeds=[0.9, 1.1]"),
            ("speech-to-text", "augment.mel_masks=2"),
        ] {
            let recipe = read(architecture, &[given]).expect(given);
            assert!(recipe.to_toml().contains("[augment]"), "{given}");
        }
        let plain = read("vit", &[]).expect("a recipe");
        assert!(!plain.to_toml().contains("augment"));
        for (architecture, given, expected) in [
            ("vit", "augment.word_dropout=0.1", "only bert-classifier"),
            ("transformer", "augment.shift=1", "only vit"),
            ("vit", "augment.shift=8", "less than"),
            ("vit", "augment.speeds=[0.9]", "only speech-to-text"),
            ("vit", "augment.time_masks=1", "only speech-to-text"),
            ("speech-to-text", "augment.speeds=[0.1]", "from 0.5"),
            ("speech-to-text", "augment.time_mask=1.0", "below 1"),
            ("speech-to-text", "augment.mel_masks=101", "at most 100"),
            ("transformer", "augment.bpe_dropout=-0.1", "at least 0"),
            ("transformer", "augment.bpe_dropuot=0.1", "bpe_dropout"),
        ] {
            let message = read(architecture, &[given]).expect_err(given);
            assert!(message.contains(expected), "{given}: {message}");
        }
    }
}
