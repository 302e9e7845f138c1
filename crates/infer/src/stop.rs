//! Strings that end a text, wherever the borders of its tokens lie.

use crate::stream::{Pieces, first_stop};
use hearth_data::{TokenId, Tokenizer};
use std::sync::Arc;

/// Strings that end a text, and the tokenizer by which tokens are read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StopStrings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tokenizer: Tokenizer,
    strings: Vec<String>,
}

impl StopStrings {
    /// Empty strings are passed over. None if there is no other.
    pub fn new(tokenizer: &Tokenizer, strings: &[String]) -> Option<Self> {
        let strings: Vec<String> = strings.iter().filter(|s| !s.is_empty()).cloned().collect();
        (!strings.is_empty()).then(|| {
            let tokenizer = tokenizer.clone();
            Self(Arc::new(Inner { tokenizer, strings }))
        })
    }

    /// The strings.
    pub fn strings(&self) -> &[String] {
        &self.0.strings
    }

    /// A text up to the first of the strings.
    pub fn cut<'a>(&self, text: &'a str) -> &'a str {
        let end = first_stop(text, self.strings()).unwrap_or(text.len());
        &text[..end]
    }

    /// Before the first token of a text.
    pub(crate) fn watch(&self, prompt: &[TokenId]) -> StopWatch {
        StopWatch {
            stop: self.clone(),
            pieces: Pieces::new(prompt),
            tail: String::new(),
        }
    }
}

/// Reads one text as it grows.
#[derive(Debug, Clone)]
pub(crate) struct StopWatch {
    stop: StopStrings,
    pieces: Pieces,
    /// The end of the text, in which a string may have begun.
    tail: String,
}

impl StopWatch {
    /// Whether the token makes one of the strings whole.
    pub(crate) fn push(&mut self, id: TokenId) -> bool {
        let Inner { tokenizer, strings } = &*self.stop.0;
        // What cannot be read is no string to stop at; whoever asks for the text is told.
        let piece = self.pieces.push(tokenizer, id).unwrap_or_default();
        self.tail.push_str(&piece);
        if first_stop(&self.tail, strings).is_some() {
            return true;
        }
        let longest = strings.iter().map(String::len).max().unwrap_or(0);
        let start = self.tail.len().saturating_sub(longest);
        let start = (start..=self.tail.len()).find(|&at| self.tail.is_char_boundary(at));
        self.tail = self.tail.split_off(start.unwrap_or(0));
        false
    }
}
