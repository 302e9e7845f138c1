//! Text as its tokens come: what is whole is shown, what may still change waits.

use hearth_data::{DataError, TokenId, Tokenizer};

/// Turns a growing sequence of tokens into pieces of text that, put together, are the decoded whole.
///
/// A character may take several tokens, so a piece that ends in the replacement character is held back until it is
/// whole; and a token may read differently behind its neighbours, so each piece is the difference between two decoded
/// windows that start at the same, already settled token.
pub(crate) struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<TokenId>,
    /// Where the window starts.
    settled: usize,
    /// What has been shown ends here.
    shown: usize,
}

impl<'a> TextStream<'a> {
    /// A stream behind a prompt, which is not shown again.
    pub(crate) fn new(tokenizer: &'a Tokenizer, prompt: &[TokenId]) -> Self {
        Self {
            tokenizer,
            ids: prompt.to_vec(),
            settled: prompt.len().saturating_sub(8),
            shown: prompt.len(),
        }
    }

    /// The text that the token makes certain, perhaps none.
    pub(crate) fn push(&mut self, id: TokenId) -> Result<String, DataError> {
        self.ids.push(id);
        let (before, after) = self.windows()?;
        if after.ends_with('\u{FFFD}') || after.len() <= before.len() {
            return Ok(String::new());
        }
        let piece = after.get(before.len()..).unwrap_or_default().to_owned();
        self.settled = self.shown;
        self.shown = self.ids.len();
        Ok(piece)
    }

    /// What was held back, as it stands.
    pub(crate) fn finish(self) -> Result<String, DataError> {
        let (before, after) = self.windows()?;
        Ok(after.get(before.len()..).unwrap_or_default().to_owned())
    }

    fn windows(&self) -> Result<(String, String), DataError> {
        let before = self.tokenizer.decode(&self.ids[self.settled..self.shown])?;
        let after = self.tokenizer.decode(&self.ids[self.settled..])?;
        Ok((before, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_data::{BpeOptions, SpecialScheme};

    #[test]
    fn pieces_are_whole_characters_and_add_up_to_the_text() {
        let text = "naïve café 🔥🔥 done, naïve 東京";
        let options = BpeOptions {
            vocab: 260,
            min_frequency: 2,
            special: SpecialScheme::Text,
        };
        let tokenizer = Tokenizer::train_bpe(std::iter::once(text), &options).expect("a tokenizer");
        let ids = tokenizer.encode_plain(text).expect("ids");
        let mut stream = TextStream::new(&tokenizer, &[]);
        let mut shown = String::new();
        for id in ids {
            let piece = stream.push(id).expect("a piece");
            assert!(!piece.contains('\u{FFFD}'), "{piece:?}");
            shown.push_str(&piece);
        }
        shown.push_str(&stream.finish().expect("the rest"));
        assert_eq!(shown, text);
    }
}
