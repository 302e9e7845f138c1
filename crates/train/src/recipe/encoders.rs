//! What a recipe for a model that reads has, and no other.

use super::read::in_range;
use super::{Architecture, Recipe, RecipeError};

/// Refuses numbers out of range, and keys of images in a recipe for something else.
pub(super) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    let (model, train) = (&recipe.model, &recipe.train);
    let is_vit = model.architecture == Architecture::Vit;
    let found = model.patch.unwrap_or(0);
    let (fits, expected) = match (is_vit, model.patch) {
        (true, None) => (false, "the side of a patch, in pixels"),
        (true, Some(patch)) => (patch > 0, "at least 1"),
        (false, given) => (given.is_none(), "none: only vit has it"),
    };
    in_range("model.patch", found, fits, expected)?;
    let [channels, height, width] = model.image.unwrap_or([1, 8, 8]);
    let sides = [height, width];
    let largest = hearth_data::ImageSize::MAX_SIDE;
    let fits = [1, 3].contains(&channels) && sides.iter().all(|side| (1..=largest).contains(side));
    let found = format!("{:?}", model.image);
    let expected = "channels (1 or 3), rows and columns of an image";
    in_range("model.image", &found, fits, expected)?;
    let patch = model.patch.unwrap_or(1);
    let divides = sides.iter().all(|side| side.is_multiple_of(patch.max(1)));
    let expected = "sides that a whole number of patches fill";
    in_range("model.image", &found, divides, expected)?;
    let only = "none: only vit has it";
    in_range("model.image", &found, is_vit || model.image.is_none(), only)?;
    let needs = is_vit && recipe.data.embedded.is_none();
    let expected = "[channels, rows, columns] that images are brought to";
    in_range(
        "model.image",
        found,
        !needs || model.image.is_some(),
        expected,
    )?;
    let length = model.max_positions;
    let expected = "none: an image has a position a patch";
    in_range(
        "model.max_positions",
        length,
        !is_vit || length == 0,
        expected,
    )?;
    let names_classes = model.architecture == Architecture::BertClassifier;
    let reads_texts = names_classes || model.architecture == Architecture::Bert;
    let found = model.convolution.unwrap_or(0);
    let fits = reads_texts || model.convolution.is_none();
    let only = "none: only bert and bert-classifier have it";
    in_range("model.convolution", found, fits, only)?;
    let found = format!("{:?}", model.pooling);
    let fits = names_classes || model.pooling.is_none();
    let only = "none: only bert-classifier has it";
    in_range("model.pooling", found, fits, only)?;
    let reads = reads_texts || is_vit;
    let by_tokens = train.batch_tokens.is_some();
    let expected = "batch_size for a model that reads";
    in_range(
        "train.batch_tokens",
        by_tokens,
        !(reads && by_tokens),
        expected,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(architecture: &str, embedded: &str, given: &[&str]) -> Result<Recipe, String> {
        let text = format!(
            "[model]\narchitecture = '{architecture}'\nd_model = 16\nn_heads = 2\nn_layers = 1\n\
             [data]\nembedded = '{embedded}'\n[train]\nbatch_size = 2\n"
        );
        let set: Vec<String> = given.iter().map(|&set| set.to_owned()).collect();
        let read = Recipe::parse(&text, Path::new("r.toml"), &set, &[]);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn keys_belong_to_their_architectures() {
        let length = "model.max_positions=8";
        for (architecture, embedded, given) in [
            ("bert", "cicero", length),
            ("bert-classifier", "languages", length),
            ("vit", "digits", "model.patch=2"),
        ] {
            let read = read(architecture, embedded, &[given]);
            assert!(read.is_ok(), "{architecture}: {read:?}");
        }
        for (architecture, embedded, given, expected) in [
            (
                "bert",
                "languages",
                &[length][..],
                "cicero for a model of text",
            ),
            ("bert-classifier", "cicero", &[length], "languages for"),
            ("bert", "cicero", &[], "max_positions is 0"),
            (
                "bert",
                "cicero",
                &[length, "model.patch=2"],
                "only vit has it",
            ),
            (
                "bert",
                "cicero",
                &[length, "tokenizer.kind=characters"],
                "encoder",
            ),
            (
                "bert",
                "cicero",
                &[length, "model.pooling=mean"],
                "only bert-classifier has it",
            ),
            (
                "bert-classifier",
                "languages",
                &[length, "model.convolution=2"],
                "convolution: a kernel of 2 has no middle",
            ),
            (
                "vit",
                "digits",
                &["model.patch=2", "model.convolution=3"],
                "only bert and bert-classifier have it",
            ),
            ("vit", "digits", &[], "the side of a patch"),
            ("vit", "digits", &["model.patch=0"], "at least 1"),
            (
                "vit",
                "digits",
                &["model.patch=3"],
                "whole number of patches",
            ),
            (
                "vit",
                "digits",
                &["model.patch=2", "model.image=[2,8,8]"],
                "channels (1 or 3)",
            ),
            (
                "vit",
                "digits",
                &["model.patch=2", "model.image=[1,8,0]"],
                "channels (1 or 3)",
            ),
            (
                "bert",
                "cicero",
                &[length, "model.image=[1,8,8]"],
                "only vit has it",
            ),
            (
                "vit",
                "digits",
                &["model.patch=2", length],
                "a position a patch",
            ),
        ] {
            let message = read(architecture, embedded, given).expect_err(architecture);
            assert!(message.contains(expected), "{architecture}: {message}");
        }
    }
}
