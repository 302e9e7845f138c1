//! Where words begin and end among a text's ids: what is changed at random is changed word by word.

use std::ops::Range;

use super::{Route, TokenId, Tokenizer};
use crate::DataError;

/// A text as ids, and which of them make up a word. Ids that belong to no word are special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextIds {
    /// All ids of the text, special tokens included.
    pub ids: Vec<TokenId>,
    /// The places of each word's ids, in order; empty ones are left out.
    pub words: Vec<Range<u32>>,
}

/// A text without words: nothing of it is changed.
impl From<Vec<TokenId>> for TextIds {
    fn from(ids: Vec<TokenId>) -> Self {
        let words = Vec::new();
        Self { ids, words }
    }
}

impl Tokenizer {
    /// The ids of many texts, as [`encode_all`](Self::encode_all) gives them, with their words: what the tokenizer cuts a text
    /// into before it looks for tokens. That of characters has one word a character.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode).
    pub fn encode_words(&self, texts: &[&str]) -> Result<Vec<TextIds>, DataError> {
        if let Route::Characters(_) = self.route {
            let one_each = |ids: Vec<TokenId>| {
                let words = (0..ids.len() as u32).map(|at| at..at + 1).collect();
                TextIds { ids, words }
            };
            return Ok(self.encode_all(texts)?.into_iter().map(one_each).collect());
        }
        let encodings = self.work("encode these texts", |inner| {
            inner.encode_batch(texts.to_vec(), true)
        })?;
        let text = |encoding: &tokenizers::Encoding| TextIds {
            ids: encoding.get_ids().to_vec(),
            words: words(encoding),
        };
        Ok(encodings.iter().map(text).collect())
    }
}

/// Neighbouring ids of one word.
fn words(encoding: &tokenizers::Encoding) -> Vec<Range<u32>> {
    let special = encoding.get_special_tokens_mask();
    let numbers = encoding.get_word_ids();
    let number = |at: usize| numbers[at].filter(|_| special[at] == 0);
    let mut words: Vec<Range<u32>> = Vec::new();
    let mut before = None;
    for at in 0..numbers.len() {
        let found = number(at);
        match words.last_mut() {
            Some(word) if found.is_some() && found == before => word.end += 1,
            _ if found.is_some() => words.push(at as u32..at as u32 + 1),
            _ => {}
        }
        before = found;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TEXTS, tokenizers};
    use super::*;
    use crate::{BpeOptions, SpecialScheme};

    #[test]
    fn words_are_what_the_tokenizer_cuts_a_text_into() {
        let options = BpeOptions {
            vocab: 265,
            min_frequency: 2,
            special: SpecialScheme::Encoder,
        };
        let tokenizer = Tokenizer::train_bpe(["low lower lowest"].into_iter(), &options).unwrap();
        let text = &tokenizer.encode_words(&["low, lower!", ""]).unwrap()[0];
        let word = |range: &Range<u32>| {
            let ids = &text.ids[range.start as usize..range.end as usize];
            tokenizer.decode(ids).unwrap()
        };
        let words: Vec<String> = text.words.iter().map(word).collect();
        assert_eq!(words, ["low", ",", " lower", "!"]);
        assert_eq!((text.ids[0], text.words[0].start), (1, 1));
    }

    #[test]
    fn the_ids_are_those_without_words_and_each_is_in_one_word_or_special() {
        for tokenizer in tokenizers() {
            let ids = tokenizer.encode_all(&TEXTS).unwrap();
            let texts = tokenizer.encode_words(&TEXTS).unwrap();
            for (text, ids) in texts.iter().zip(ids) {
                assert_eq!(text.ids, ids);
                assert!(text.words.iter().all(|word| word.start < word.end));
                assert!(text.words.is_sorted_by(|one, next| one.end <= next.start));
                let n_in_words: usize = text.words.iter().map(|word| word.len()).sum();
                let plain: usize = ids.iter().filter(|&&id| id > 3).count();
                assert!(
                    n_in_words >= plain.min(ids.len().saturating_sub(2)),
                    "{text:?}"
                );
            }
        }
    }
}
