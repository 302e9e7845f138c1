//! Text as its tokens come: what is whole is shown, what may still change waits.

use hearth_data::{DataError, TokenId, Tokenizer};

/// Turns a growing sequence of tokens into pieces of text that, put together, are the decoded whole.
///
/// A character may take several tokens, so a piece that ends in the replacement character is held back until it is
/// whole; and a token may read differently behind its neighbours, so each piece is the difference between two decoded
/// windows that start at the same, already settled token.
#[derive(Debug, Clone)]
pub(crate) struct Pieces {
    ids: Vec<TokenId>,
    /// Where the window starts.
    settled: usize,
    /// What has been shown ends here.
    shown: usize,
}

impl Pieces {
    /// Behind a prompt, which is not shown again.
    pub(crate) fn new(prompt: &[TokenId]) -> Self {
        Self {
            ids: prompt.to_vec(),
            settled: prompt.len().saturating_sub(8),
            shown: prompt.len(),
        }
    }

    /// The text that the token makes certain, perhaps none.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, id: TokenId) -> Result<String, DataError> {
        self.ids.push(id);
        let (before, after) = self.windows(tokenizer)?;
        if after.ends_with('\u{FFFD}') || after.len() <= before.len() {
            return Ok(String::new());
        }
        let piece = after.get(before.len()..).unwrap_or_default().to_owned();
        self.settled = self.shown;
        self.shown = self.ids.len();
        Ok(piece)
    }

    /// What is held back, as it stands.
    fn rest(&self, tokenizer: &Tokenizer) -> Result<String, DataError> {
        let (before, after) = self.windows(tokenizer)?;
        Ok(after.get(before.len()..).unwrap_or_default().to_owned())
    }

    fn windows(&self, tokenizer: &Tokenizer) -> Result<(String, String), DataError> {
        let before = tokenizer.decode(&self.ids[self.settled..self.shown])?;
        let after = tokenizer.decode(&self.ids[self.settled..])?;
        Ok((before, after))
    }
}

/// A text that is shown as it is written, up to the first of some strings that end it.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    stop: &'a [String],
    pieces: Pieces,
    /// What may be the beginning of a string that ends the text.
    held: String,
    is_over: bool,
}

impl<'a> TextStream<'a> {
    /// A stream behind a prompt, which is not shown again.
    ///
    /// - `stop`: strings that end the text; neither they nor anything behind them is shown
    pub fn new(tokenizer: &'a Tokenizer, prompt: &[TokenId], stop: &'a [String]) -> Self {
        Self {
            tokenizer,
            stop,
            pieces: Pieces::new(prompt),
            held: String::new(),
            is_over: false,
        }
    }

    /// The text that the token makes certain, perhaps none.
    pub fn push(&mut self, id: TokenId) -> Result<String, DataError> {
        let piece = self.pieces.push(self.tokenizer, id)?;
        Ok(self.show(&piece))
    }

    /// What was held back, as it stands.
    pub fn finish(mut self) -> Result<String, DataError> {
        let rest = self.pieces.rest(self.tokenizer)?;
        let shown = self.show(&rest);
        Ok(shown + if self.is_over { "" } else { &self.held })
    }

    fn show(&mut self, piece: &str) -> String {
        if self.is_over {
            return String::new();
        }
        self.held.push_str(piece);
        let end = match first_stop(&self.held, self.stop) {
            Some(at) => {
                self.is_over = true;
                at
            }
            None => self.held.len() - n_suspect(&self.held, self.stop),
        };
        let rest = self.held.split_off(end);
        std::mem::replace(&mut self.held, rest)
    }
}

/// Where the first of the strings begins in a text.
pub(crate) fn first_stop(text: &str, stop: &[String]) -> Option<usize> {
    stop.iter()
        .filter_map(|stop| text.find(stop.as_str()))
        .min()
}

/// How many bytes at the end of a text may be the beginning of one of the strings.
fn n_suspect(text: &str, stop: &[String]) -> usize {
    let suspect = |stop: &String| {
        let longest = stop.len().saturating_sub(1).min(text.len());
        let mut lengths = (1..=longest).rev();
        lengths.find(|&n| text.as_bytes().ends_with(&stop.as_bytes()[..n]))
    };
    stop.iter().filter_map(suspect).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_data::{BpeOptions, SpecialScheme};

    fn tokenizer(text: &str) -> Tokenizer {
        let options = BpeOptions {
            vocab: 260,
            min_frequency: 2,
            special: SpecialScheme::Text,
        };
        Tokenizer::train_bpe(std::iter::once(text), &options).expect("a tokenizer")
    }

    fn shown(text: &str, stop: &[String]) -> String {
        let tokenizer = tokenizer(text);
        let mut stream = TextStream::new(&tokenizer, &[], stop);
        let mut shown = String::new();
        for id in tokenizer.encode_plain(text).expect("ids") {
            let piece = stream.push(id).expect("a piece");
            assert!(!piece.contains('\u{FFFD}'), "{piece:?}");
            shown.push_str(&piece);
        }
        shown + &stream.finish().expect("the rest")
    }

    #[test]
    fn pieces_are_whole_characters_and_add_up_to_the_text() {
        let text = "naïve café 🔥🔥 done, naïve 東京";
        assert_eq!(shown(text, &[]), text);
        assert_eq!(shown(text, &["東京!".to_owned()]), text);
    }

    #[test]
    fn nothing_of_a_stop_string_is_shown() {
        let text = "naïve café 🔥🔥 done, naïve 東京";
        for (stop, expected) in [
            ("🔥🔥", "naïve café "),
            (" done, naïve 東", "naïve café 🔥🔥"),
            ("n", ""),
        ] {
            assert_eq!(shown(text, &[stop.to_owned(), "京".to_owned()]), expected);
        }
    }
}
