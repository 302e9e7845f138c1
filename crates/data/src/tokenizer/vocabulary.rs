//! A tokenizer of a closed list of tokens: characters, or words between spaces.

use std::collections::HashMap;

use tokenizers::{
    AddedToken, SplitDelimiterBehavior,
    decoders::fuse::Fuse,
    models::wordlevel::WordLevel,
    pre_tokenizers::split::{Split, SplitPattern},
    pre_tokenizers::whitespace::WhitespaceSplit,
    processors::template::TemplateProcessing,
};

use super::{TokenId, Tokenizer, characters::ANY_CHARACTER};
use crate::DataError;

/// What stands for a token that is not in the list, if it is in the list.
const UNKNOWN: &str = "<unk>";

impl Tokenizer {
    /// A tokenizer of the given tokens, whose places are their ids.
    ///
    /// Tokens in angle brackets, such as `</s>`, are special, and `<unk>` stands for every other. Where all others are single
    /// characters, a text is read character by character, else word by word between spaces.
    ///
    /// - `end`: what is put behind every text
    ///
    /// # Errors
    ///
    /// A token is there twice, or the library refuses one.
    pub fn of_vocabulary(tokens: &[String], end: Option<TokenId>) -> Result<Self, DataError> {
        let error = |source| DataError::Tokenize {
            action: "be made of these tokens",
            source,
        };
        let numbered = || tokens.iter().zip(0..);
        let vocab: HashMap<String, TokenId> =
            numbered().map(|(token, id)| (token.clone(), id)).collect();
        if let Some((token, _)) = numbered().find(|(token, id)| vocab[*token] != *id) {
            let token = token.clone();
            return Err(DataError::RepeatedToken { token });
        }
        let is_special = |token: &&String| token.starts_with('<') && token.ends_with('>');
        let by_characters = tokens
            .iter()
            .filter(|token| !is_special(token))
            .all(|token| token.chars().count() == 1);
        let model = WordLevel::builder()
            .vocab(vocab.into_iter().collect())
            .unk_token(UNKNOWN.into())
            .build()
            .map_err(error)?;
        let mut inner = tokenizers::Tokenizer::new(model);
        if by_characters {
            let pattern = SplitPattern::Regex(ANY_CHARACTER.into());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
            inner
                .with_pre_tokenizer(Some(split.map_err(error)?))
                .with_decoder(Some(Fuse::new()));
        } else {
            inner.with_pre_tokenizer(Some(WhitespaceSplit));
        }
        let special = tokens.iter().filter(is_special);
        let special: Vec<AddedToken> = special
            .map(|token| AddedToken::from(token.clone(), true))
            .collect();
        inner.add_special_tokens(special).map_err(error)?;
        if let Some(end) = end
            && let Some(token) = tokens.get(end as usize)
        {
            let template = TemplateProcessing::builder()
                .try_single(format!("$A {token}"))
                .map_err(|problem| error(problem.into()))?
                .special_tokens(vec![(token.clone(), end)])
                .build()
                .map_err(|problem| error(problem.into()))?;
            inner.with_post_processor(Some(template));
        }
        Ok(Self::new(inner))
    }

    /// The tokens in the order of their ids; none for an id without a token.
    pub fn tokens(&self) -> Vec<Option<String>> {
        let ids = 0..self.vocab() as TokenId;
        ids.map(|id| self.token(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tokens: &[&str]) -> Vec<String> {
        tokens.iter().map(|&token| token.into()).collect()
    }

    #[test]
    fn characters_are_read_one_by_one_with_an_end() {
        let tokens = list(&["<pad>", "<unk>", "</s>", "a", "b", "é"]);
        let tokenizer = Tokenizer::of_vocabulary(&tokens, Some(2)).unwrap();
        assert_eq!(tokenizer.encode("abé").unwrap(), [3, 4, 5, 2]);
        assert_eq!(tokenizer.encode("a-b").unwrap(), [3, 1, 4, 2]);
        assert_eq!(tokenizer.decode(&[4, 3, 2, 0]).unwrap(), "ba");
        let again = Tokenizer::from_json(&tokenizer.to_json().unwrap()).unwrap();
        assert_eq!(again.encode("abé").unwrap(), [3, 4, 5, 2]);
        assert_eq!(again.tokens(), tokenizer.tokens());
    }

    #[test]
    fn words_stand_between_spaces() {
        let tokens = list(&["<pad>", "<unk>", "<s>", "</s>", "AA0", "B"]);
        let tokenizer = Tokenizer::of_vocabulary(&tokens, None).unwrap();
        assert_eq!(tokenizer.encode("B AA0  B").unwrap(), [5, 4, 5]);
        assert_eq!(tokenizer.encode("B ?").unwrap(), [5, 1]);
        assert_eq!(tokenizer.decode(&[2, 5, 4, 3]).unwrap(), "B AA0");
    }

    #[test]
    fn a_token_that_is_there_twice_is_named() {
        let error = Tokenizer::of_vocabulary(&list(&["a", "b", "a"]), None);
        let Err(DataError::RepeatedToken { token }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(token, "a");
    }
}
