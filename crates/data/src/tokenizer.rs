//! Text to token ids and back.
//!
//! The work is done by Hugging Face's `tokenizers`, so that a `tokenizer.json` goes both ways between hearth and the
//! rest of the field. What this adds: three trainers ([`characters`], [`bpe`], [`whole_words`]), speed on long texts where that changes
//! no id ([`Route`]), and the suspicion that a file from a user deserves ([`untrusted`]).

mod bpe;
mod characters;
mod cuts;
mod file;
mod merges;
mod untrusted;
mod vocabulary;
mod whole_words;
mod words;

use std::collections::HashMap;

use crate::DataError;
use untrusted::guarded;

pub use bpe::{BpeOptions, SpecialScheme};
pub use merges::Merges;
pub use words::TextIds;

/// A token's number in its vocabulary.
pub type TokenId = u32;

/// A tokenizer: text to token ids and back, saved as Hugging Face's `tokenizer.json`.
///
/// A special token that is written out in a text, such as `<|endoftext|>` in a prompt or `[MASK]`, is encoded as that
/// token, as in Hugging Face's library. Padding and truncation that a file asks for are dropped: a batch is padded
/// where batches are made, and no text is ever cut silently.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    route: Route,
    vocab: usize,
}

/// How a text goes through a tokenizer. All routes give the same ids; they differ in time and memory, which the
/// library spends freely (it keeps some hundred bytes of bookkeeping a piece of text).
#[derive(Debug, Clone)]
enum Route {
    /// Every character is a token, so a look-up a character is all there is to do.
    Characters(HashMap<char, TokenId>),
    /// Long texts may be cut at lone newlines.
    Cut,
    /// The library gets the text whole.
    Whole,
}

impl Tokenizer {
    /// The ids of a text, with the special tokens that this tokenizer puts around it.
    ///
    /// # Errors
    ///
    /// A character tokenizer meets a character it does not know, or the tokenizer cannot encode this text.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, DataError> {
        match &self.route {
            Route::Characters(ids) => characters::encode(ids, text),
            Route::Cut | Route::Whole => self.encode_whole(text, true),
        }
    }

    /// The ids of a text and nothing around it, for texts of any length.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode).
    pub fn encode_plain(&self, text: &str) -> Result<Vec<TokenId>, DataError> {
        match &self.route {
            Route::Characters(ids) => characters::encode(ids, text),
            Route::Whole => self.encode_whole(text, false),
            Route::Cut => {
                // So many pieces at once occupy every core, and their bookkeeping still fits in memory.
                const N_PIECES: usize = 64;
                let mut ids = Vec::new();
                for pieces in cuts::cut(text, cuts::PIECE_BYTES).chunks(N_PIECES) {
                    ids.extend(self.encode_batch(pieces, false)?.concat());
                }
                Ok(ids)
            }
        }
    }

    /// The ids of many texts, each with its special tokens, computed on all cores.
    ///
    /// # Errors
    ///
    /// As for [`encode`](Self::encode).
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Vec<TokenId>>, DataError> {
        match &self.route {
            Route::Characters(ids) => texts
                .iter()
                .map(|text| characters::encode(ids, text))
                .collect(),
            Route::Cut | Route::Whole => self.encode_batch(texts, true),
        }
    }

    /// The text of some ids, special tokens left out.
    ///
    /// An id that has no token is left out as well: models often have a few more rows than their tokenizer has
    /// tokens. Bytes that are no UTF-8 (a character cut in half) become U+FFFD.
    ///
    /// # Errors
    ///
    /// The tokenizer cannot decode these tokens.
    pub fn decode(&self, ids: &[TokenId]) -> Result<String, DataError> {
        self.work("decode these tokens", |inner| inner.decode(ids, true))
    }

    /// The text of some ids with special tokens written out; otherwise as [`decode`](Self::decode).
    ///
    /// # Errors
    ///
    /// The tokenizer cannot decode these tokens.
    pub fn decode_with_special(&self, ids: &[TokenId]) -> Result<String, DataError> {
        self.work("decode these tokens", |inner| inner.decode(ids, false))
    }

    /// The number of rows that a model's embedding needs: the highest id, special tokens included, plus one.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// The id of a token, written as in the `tokenizer.json`.
    pub fn id(&self, token: &str) -> Option<TokenId> {
        self.inner.token_to_id(token)
    }

    /// The token of an id, written as in the `tokenizer.json` (byte-level BPE shows a space as `Ġ`).
    pub fn token(&self, id: TokenId) -> Option<String> {
        self.inner.id_to_token(id)
    }

    fn new(inner: tokenizers::Tokenizer) -> Self {
        let vocab = inner.get_vocab(true);
        let route = match characters::ids(&inner) {
            Some(ids) => Route::Characters(ids),
            None if cuts::are_safe(&inner) => Route::Cut,
            None => Route::Whole,
        };
        Self {
            route,
            vocab: vocab.values().max().map_or(0, |&id| id as usize + 1),
            inner,
        }
    }

    fn encode_whole(&self, text: &str, with_special: bool) -> Result<Vec<TokenId>, DataError> {
        let encoding = self.work("encode this text", |inner| {
            inner.encode_fast(text, with_special)
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    fn encode_batch(
        &self,
        texts: &[&str],
        with_special: bool,
    ) -> Result<Vec<Vec<TokenId>>, DataError> {
        let encodings = self.work("encode these texts", |inner| {
            inner.encode_batch_fast(texts.to_vec(), with_special)
        })?;
        Ok(encodings
            .iter()
            .map(|encoding| encoding.get_ids().to_vec())
            .collect())
    }

    fn work<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&tokenizers::Tokenizer) -> tokenizers::Result<T>,
    ) -> Result<T, DataError> {
        guarded(action, || {
            work(&self.inner).map_err(|source| DataError::Tokenize { action, source })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) const TEXTS: [&str; 9] = [
        "",
        "\n",
        "Hello, world!\n",
        "  two  spaces\t\ttabs\r\nCRLF\r\n\r\nend  ",
        "naïve façade, œuvre",
        "日本語とかな",
        "emoji 👩‍👩‍👧‍👦 and 🏳️‍🌈\u{200b}",
        "e\u{301} combining, \u{feff} mark, \u{0} zero",
        "it's they'll we've 12345 ½",
    ];

    pub(super) fn tokenizers() -> [Tokenizer; 3] {
        let bpe = |special| {
            let options = BpeOptions {
                vocab: 300,
                min_frequency: 2,
                special,
            };
            Tokenizer::train_bpe(TEXTS.into_iter(), &options).unwrap()
        };
        [
            Tokenizer::train_characters(&TEXTS.concat()).unwrap(),
            bpe(SpecialScheme::Text),
            bpe(SpecialScheme::Pair),
        ]
    }

    #[test]
    fn decoding_undoes_encoding() {
        for tokenizer in tokenizers() {
            for text in TEXTS {
                for ids in [tokenizer.encode(text), tokenizer.encode_plain(text)] {
                    assert_eq!(tokenizer.decode(&ids.unwrap()).unwrap(), text);
                }
            }
        }
    }

    #[test]
    fn byte_level_bpe_encodes_any_text() {
        let [_, text_tokenizer, pair_tokenizer] = tokenizers();
        proptest!(|(text in any::<String>())| {
            for tokenizer in [&text_tokenizer, &pair_tokenizer] {
                prop_assert_eq!(&tokenizer.decode(&tokenizer.encode(&text)?)?, &text);
            }
        });
    }

    #[test]
    fn every_route_gives_the_ids_of_the_library() {
        for tokenizer in tokenizers() {
            for text in TEXTS {
                let library = tokenizer.inner.encode(text, true).unwrap();
                assert_eq!(tokenizer.encode(text).unwrap(), library.get_ids());
                let library = tokenizer.inner.encode(text, false).unwrap();
                assert_eq!(tokenizer.encode_plain(text).unwrap(), library.get_ids());
            }
        }
    }

    #[test]
    fn a_batch_gives_the_ids_of_each_text() {
        for tokenizer in tokenizers() {
            let ids = TEXTS.map(|text| tokenizer.encode(text).unwrap());
            assert_eq!(tokenizer.encode_all(&TEXTS).unwrap(), ids);
        }
    }

    #[test]
    fn tokens_and_ids_are_each_others_inverse_below_vocab() {
        for tokenizer in tokenizers() {
            for id in 0..tokenizer.vocab() as TokenId {
                let token = tokenizer.token(id).unwrap();
                assert_eq!(tokenizer.id(&token), Some(id));
            }
            assert_eq!(tokenizer.token(tokenizer.vocab() as TokenId), None);
            assert_eq!(tokenizer.id("no such token"), None);
        }
    }

    #[test]
    fn an_id_without_a_token_decodes_to_nothing() {
        for tokenizer in tokenizers() {
            let mut ids = tokenizer.encode("Hello").unwrap();
            ids.push(tokenizer.vocab() as TokenId);
            ids.push(TokenId::MAX);
            assert_eq!(tokenizer.decode(&ids).unwrap(), "Hello");
        }
    }
}
