//! One token a word: for texts that are read and never written, where there are too few of them to learn words from pieces.

use tokenizers::{
    AddedToken,
    models::{
        TrainerWrapper,
        wordlevel::{WordLevel, WordLevelTrainer},
    },
    normalizers::utils::Lowercase,
    pre_tokenizers::whitespace::Whitespace,
};

use super::{SpecialScheme, Tokenizer, cuts};
use crate::DataError;

/// What stands for every word that is not in the vocabulary.
const UNKNOWN: &str = "[UNK]";

impl Tokenizer {
    /// A tokenizer whose tokens are the most frequent words of some texts, in lower case; a run of letters and digits is a word,
    /// and so is a run of other signs. Words that it does not know are `[UNK]`, so a text cannot be restored from its
    /// ids. `[PAD]` is 0, `[CLS]` 1, `[SEP]` 2, `[MASK]` 3 and `[UNK]` 4, and [`encode`](Self::encode) puts a text between `[CLS]`
    /// and `[SEP]`. The same texts always give the same tokenizer.
    ///
    /// - `vocab`: the number of tokens wanted, special ones included
    ///
    /// # Errors
    ///
    /// The vocabulary wanted has no room for a word.
    pub fn train_words<'a>(
        texts: impl Iterator<Item = &'a str> + Send,
        vocab: usize,
    ) -> Result<Self, DataError> {
        let scheme = SpecialScheme::Encoder;
        let mut special = scheme.tokens();
        special.push(AddedToken::from(UNKNOWN, true));
        let minimum = special.len() + 1;
        if vocab < minimum {
            return Err(DataError::VocabTooSmall { vocab, minimum });
        }
        let error = |source| DataError::Tokenize {
            action: "be trained",
            source,
        };
        let model = WordLevel::builder().unk_token(UNKNOWN.into()).build();
        let mut inner = tokenizers::Tokenizer::new(model.map_err(error)?);
        inner
            .with_normalizer(Some(Lowercase))
            .map_err(error)?
            .with_pre_tokenizer(Some(Whitespace {}))
            .with_post_processor(scheme.around().map_err(error)?);
        let trainer = WordLevelTrainer::builder()
            .vocab_size(vocab)
            .min_frequency(1)
            .special_tokens(special)
            .show_progress(false)
            .build()
            .map_err(|wrong| error(wrong.into()))?;
        let pieces = texts.flat_map(|text| cuts::cut(text, cuts::PIECE_BYTES));
        inner
            .train(&mut TrainerWrapper::WordLevelTrainer(trainer), pieces)
            .map_err(error)?;
        Ok(Self::new(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 2] = ["What's the Capital of Peru?", "the capital, the river"];

    fn train(vocab: usize) -> Tokenizer {
        Tokenizer::train_words(TEXTS.into_iter(), vocab).unwrap()
    }

    fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
        let ids = tokenizer.encode(text).unwrap();
        ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect()
    }

    #[test]
    fn a_word_is_a_token_however_it_is_written() {
        let tokenizer = train(100);
        let expected = ["[CLS]", "the", "capital", "?", "[UNK]", "[SEP]"];
        assert_eq!(tokens(&tokenizer, "The CAPITAL? Brazil"), expected);
        let special = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"];
        let ids = special.map(|token| tokenizer.id(token));
        assert_eq!(ids, [0, 1, 2, 3, 4].map(Some));
        assert_eq!(tokens(&tokenizer, ""), ["[CLS]", "[SEP]"]);
    }

    #[test]
    fn the_most_frequent_words_are_kept() {
        let tokenizer = train(7);
        assert_eq!(tokenizer.vocab(), 7);
        let expected = ["[CLS]", "the", "capital", "[UNK]", "[SEP]"];
        assert_eq!(tokens(&tokenizer, "the capital river"), expected);
        assert!(matches!(
            Tokenizer::train_words(TEXTS.into_iter(), 5),
            Err(DataError::VocabTooSmall { minimum: 6, .. })
        ));
    }

    #[test]
    fn what_is_saved_encodes_alike_and_training_twice_gives_the_same() {
        let tokenizer = train(100);
        let json = tokenizer.to_json().unwrap();
        assert_eq!(json, train(100).to_json().unwrap());
        let again = Tokenizer::from_json(&json).unwrap();
        for text in TEXTS {
            assert_eq!(again.encode(text).unwrap(), tokenizer.encode(text).unwrap());
        }
    }
}
