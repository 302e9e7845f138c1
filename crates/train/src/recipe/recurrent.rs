//! What a recipe for a recurrent network has, and no other.

use super::read::in_range;
use super::{Architecture, Recipe, RecipeError};

/// Refuses numbers out of range, and keys of recurrent networks in a recipe for something else.
pub(super) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    let (model, train) = (&recipe.model, &recipe.train);
    let pairs = model.architecture == Architecture::RnnSeq2Seq;
    let given = |field, given: bool, fits: bool, expected| {
        let found = if given { "given" } else { "not given" };
        in_range(field, found, fits || !given, expected)
    };
    let only = "nothing: only rnn-seq2seq has it";
    given("model.cell", model.cell.is_some(), pairs, only)?;
    given("model.attention", model.attention.is_some(), pairs, only)?;
    given("model.two_way", model.two_way.is_some(), pairs, only)?;
    let is_lm = matches!(model.architecture, Architecture::Lstm | Architecture::Gru);
    let only = "nothing: only lstm and gru have it";
    given("train.bptt", train.bptt.is_some(), is_lm, only)?;
    let bptt = train.bptt.unwrap_or(1);
    in_range("train.bptt", bptt, bptt > 0, "at least 1")?;
    let sampling = train.scheduled_sampling;
    let valid = (0.0..=1.0).contains(&sampling);
    in_range("train.scheduled_sampling", sampling, valid, "from 0 to 1")?;
    let fits = sampling == 0.0 || model.architecture.reads_pairs();
    let only = "0: only models of pairs have it";
    in_range("train.scheduled_sampling", sampling, fits, only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(architecture: &str, embedded: &str, given: &str) -> Result<Recipe, String> {
        let text = format!(
            "[model]\narchitecture = '{architecture}'\nd_model = 16\nn_layers = 1\nmax_positions = 8\n\
             [data]\nembedded = '{embedded}'\n[train]\nbatch_size = 2\n"
        );
        let set = [given.to_owned()];
        let read = Recipe::parse(&text, Path::new("r.toml"), &set, &[]);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn keys_belong_to_their_architectures() {
        for (architecture, embedded, given) in [
            ("rnn-seq2seq", "number-words", "model.cell=lstm"),
            ("rnn-seq2seq", "number-words", "model.attention=none"),
            ("rnn-seq2seq", "number-words", "model.two_way=false"),
            (
                "rnn-seq2seq",
                "number-words",
                "train.scheduled_sampling=1.0",
            ),
            ("lstm", "cicero", "train.bptt=4"),
        ] {
            let read = read(architecture, embedded, given);
            assert!(read.is_ok(), "{given}: {read:?}");
        }
        for (architecture, embedded, given, expected) in [
            ("lstm", "cicero", "model.cell=lstm", "only rnn-seq2seq"),
            (
                "gru",
                "cicero",
                "model.attention=additive",
                "only rnn-seq2seq",
            ),
            ("gru", "cicero", "model.two_way=true", "only rnn-seq2seq"),
            ("gru", "cicero", "train.bptt=0", "at least 1"),
            (
                "gru",
                "cicero",
                "train.scheduled_sampling=0.5",
                "models of pairs",
            ),
            (
                "rnn-seq2seq",
                "number-words",
                "train.bptt=4",
                "only lstm and gru",
            ),
            (
                "rnn-seq2seq",
                "number-words",
                "train.scheduled_sampling=1.5",
                "from 0 to 1",
            ),
            (
                "rnn-seq2seq",
                "number-words",
                "model.n_heads=2",
                "recurrent",
            ),
            (
                "rnn-seq2seq",
                "number-words",
                "model.cell=rnn",
                "unknown variant",
            ),
        ] {
            let message = read(architecture, embedded, given).expect_err(given);
            assert!(message.contains(expected), "{given}: {message}");
        }
    }
}
