//! What a recipe for speech has, and no other.

use super::read::in_range;
use super::{Architecture, Recipe, RecipeError};

/// Refuses numbers out of range, and keys of speech in a recipe for something else.
pub(super) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    let (model, data) = (&recipe.model, &recipe.data);
    if model.architecture != Architecture::SpeechToText {
        let only = "none: only speech-to-text has it";
        let given = |field, value: Option<usize>| {
            in_range(field, value.unwrap_or(0), value.is_none(), only)
        };
        given("model.n_mels", model.n_mels)?;
        given("model.max_source_positions", model.max_source_positions)?;
        let weight = recipe.train.ctc_weight;
        return in_range("train.ctc_weight", weight, weight == 0.0, only);
    }
    let mels = (1..=512).contains(&model.n_mels());
    in_range("model.n_mels", model.n_mels(), mels, "from 1 to 512")?;
    let rate = (1_000..=192_000).contains(&data.sample_rate);
    let expected = "from 1,000 to 192,000";
    in_range("data.sample_rate", data.sample_rate, rate, expected)?;
    let enough = (10..=1_000_000).contains(&data.n_utterances);
    let expected = "from 10 to 1,000,000";
    in_range("data.n_utterances", data.n_utterances, enough, expected)?;
    for (field, paths) in [
        ("data.paths", &data.paths),
        ("data.validation_paths", &data.validation_paths),
    ] {
        let expected = "one file of `path TAB text` lines, or one folder, of recordings";
        in_range(field, format!("{paths:?}"), paths.len() <= 1, expected)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const RECIPE: &str = "
        [model]
        architecture = 'speech-to-text'
        d_model = 16
        n_heads = 2
        n_layers = 1
        max_positions = 8
        [data]
        embedded = 'tones'
        [train]
        batch_size = 2
        ctc_weight = 0.3
    ";

    #[test]
    fn keys_of_speech_have_their_ranges() {
        let read = |given: &[&str]| {
            let overrides: Vec<String> = given.iter().map(|&set| set.to_owned()).collect();
            let read = Recipe::parse(RECIPE, Path::new("r.toml"), &overrides, &[]);
            read.map_err(|error| error.to_string())
        };
        let recipe = read(&[]).expect("a recipe");
        assert_eq!(
            (recipe.model.n_mels(), recipe.data.sample_rate),
            (80, 16_000)
        );
        for (given, field, expected) in [
            ("model.n_mels=0", "n_mels", "at least 1"),
            ("model.n_mels=513", "model.n_mels", "513"),
            ("model.max_source_positions=0", "max_positions", "0"),
            ("data.sample_rate=1", "data.sample_rate", "from 1,000"),
            ("data.n_utterances=1", "data.n_utterances", "from 10"),
            (
                "data.embedded=cicero",
                "data.embedded",
                "tones for a speech-to-text",
            ),
            ("train.ctc_weight=1.0", "train.ctc_weight", "below 1"),
            ("tokenizer.kind=characters", "tokenizer.kind", "an encoder"),
        ] {
            let message = read(&[given]).expect_err(given);
            for part in [field, expected] {
                assert!(message.contains(part), "{given}: {message}");
            }
        }
    }
}
