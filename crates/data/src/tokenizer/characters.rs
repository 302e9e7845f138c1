//! One token a character, as in nanoGPT's Shakespeare: no merges to learn, and every id means something to a reader.

use std::collections::{BTreeSet, HashMap};

use tokenizers::{
    Model, ModelWrapper, PreTokenizerWrapper, SplitDelimiterBehavior,
    decoders::fuse::Fuse,
    models::wordlevel::WordLevel,
    pre_tokenizers::split::{Split, SplitPattern},
};

use super::{TokenId, Tokenizer};
use crate::DataError;

/// Any character, newlines too. Not `(?s).`: the regular expressions of Hugging Face's Python library spell that flag
/// otherwise, and the file must mean the same there.
pub(super) const ANY_CHARACTER: &str = r"[\s\S]";

/// The library wants a name for what it does not know. No token has it, so an unknown character is an error.
const UNKNOWN: &str = "<unk>";

impl Tokenizer {
    /// A tokenizer whose tokens are the distinct characters of a text, ids in code point order, none of them special.
    ///
    /// It encodes only texts made of these characters; any other is a [`DataError::UnknownCharacter`].
    ///
    /// # Errors
    ///
    /// The text is empty.
    pub fn train_characters(text: &str) -> Result<Self, DataError> {
        let characters: BTreeSet<char> = text.chars().collect();
        if characters.is_empty() {
            return Err(DataError::NoCharacters);
        }
        let vocab = characters
            .iter()
            .zip(0..)
            .map(|(character, id)| (character.to_string(), id))
            .collect();
        let error = |source| DataError::Tokenize {
            action: "be trained",
            source,
        };
        let model = WordLevel::builder()
            .vocab(vocab)
            .unk_token(UNKNOWN.into())
            .build()
            .map_err(error)?;
        let pattern = SplitPattern::Regex(ANY_CHARACTER.into());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(error)?;
        let mut inner = tokenizers::Tokenizer::new(model);
        inner
            .with_pre_tokenizer(Some(split))
            .with_decoder(Some(Fuse::new()));
        Ok(Self::new(inner))
    }
}

/// The ids of all characters if this is a tokenizer as [`Tokenizer::train_characters`] makes them, in which a text's
/// ids are those of its characters and nothing else.
pub(super) fn ids(inner: &tokenizers::Tokenizer) -> Option<HashMap<char, TokenId>> {
    let ModelWrapper::WordLevel(model) = inner.get_model() else {
        return None;
    };
    let Some(PreTokenizerWrapper::Split(split)) = inner.get_pre_tokenizer() else {
        return None;
    };
    let isolates_characters = split.pattern == SplitPattern::Regex(ANY_CHARACTER.into())
        && split.behavior == SplitDelimiterBehavior::Isolated
        && !split.invert;
    let is_plain = inner.get_normalizer().is_none()
        && inner.get_post_processor().is_none()
        && inner.get_added_vocabulary().is_empty()
        && model.token_to_id(&model.unk_token).is_none();
    (isolates_characters && is_plain).then(|| {
        let single = |token: &str| {
            let mut characters = token.chars();
            characters.next().filter(|_| characters.next().is_none())
        };
        model
            .get_vocab()
            .iter()
            .filter_map(|(token, &id)| Some((single(token)?, id)))
            .collect()
    })
}

/// The ids of a text, character by character.
pub(super) fn encode(ids: &HashMap<char, TokenId>, text: &str) -> Result<Vec<TokenId>, DataError> {
    text.chars()
        .enumerate()
        .map(|(position, character)| {
            ids.get(&character)
                .copied()
                .ok_or(DataError::UnknownCharacter {
                    character,
                    position,
                    n_characters: ids.len(),
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TextCorpus, shared, tokenizer::Route};

    #[test]
    fn ids_follow_the_order_of_code_points() {
        let tokenizer = Tokenizer::train_characters("hello\n é").unwrap();
        let tokens: Vec<_> = (0..7).map(|id| tokenizer.token(id).unwrap()).collect();
        assert_eq!(tokens, ["\n", " ", "e", "h", "l", "o", "é"]);
        assert_eq!(tokenizer.vocab(), 7);
        assert_eq!(tokenizer.encode("hole\n").unwrap(), [3, 5, 4, 2, 0]);
    }

    #[test]
    fn an_unknown_character_is_named_with_its_place() {
        let tokenizer = Tokenizer::train_characters("abcé").unwrap();
        for error in [
            tokenizer.encode("éa\u{7}b"),
            tokenizer.encode_plain("éa\u{7}b"),
            tokenizer
                .encode_all(&["a", "éa\u{7}b"])
                .map(|ids| ids.concat()),
        ] {
            assert_eq!(
                error.unwrap_err().to_string(),
                "character '\\u{7}' (U+0007), after 2 characters of the text, is not among the 4 that this \
                 tokenizer was trained on"
            );
        }
    }

    #[test]
    fn an_empty_text_trains_nothing() {
        assert!(matches!(
            Tokenizer::train_characters(""),
            Err(DataError::NoCharacters)
        ));
    }

    #[test]
    fn a_tokenizer_of_another_shape_is_not_looked_up() {
        let json = Tokenizer::train_characters("ab")
            .unwrap()
            .to_json()
            .unwrap();
        let ours = Tokenizer::from_json(&json).unwrap();
        assert!(matches!(ours.route, Route::Characters(_)));
        for (old, new) in [
            (
                r#""normalizer": null"#,
                r#""normalizer": {"type": "Lowercase"}"#,
            ),
            (r#""unk_token": "<unk>""#, r#""unk_token": "a""#),
            (r#""behavior": "Isolated""#, r#""behavior": "Removed""#),
        ] {
            assert!(json.contains(old), "{old} is not in {json}");
            let other = Tokenizer::from_json(&json.replace(old, new)).unwrap();
            assert!(matches!(other.route, Route::Whole), "{new}");
        }
    }

    #[test]
    fn tinyshakespeare_has_the_65_characters_of_nanogpt() {
        let Some(path) = shared::data("tinyshakespeare/input.txt.gz") else {
            return;
        };
        let corpus = TextCorpus::read(&[path]).unwrap();
        let tokenizer = Tokenizer::train_characters(corpus.text()).unwrap();
        assert_eq!(tokenizer.vocab(), 65);
        let ids = tokenizer.encode_plain(corpus.text()).unwrap();
        // nanoGPT's data/shakespeare_char/prepare.py: `stoi` of "First Citizen".
        assert_eq!(
            ids[..13],
            [18, 47, 56, 57, 58, 1, 15, 47, 58, 47, 64, 43, 52]
        );
        assert_eq!(tokenizer.decode(&ids).unwrap(), corpus.text());
        let start = &corpus.text()[..50_000];
        let library = tokenizer.inner.encode_fast(start, false).unwrap();
        assert_eq!(ids[..50_000], *library.get_ids());
    }
}
