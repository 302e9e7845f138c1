//! Plain text, what a language model learns from.

use std::path::PathBuf;

use crate::{DataError, read_text};

/// A running text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextCorpus {
    text: String,
}

impl TextCorpus {
    /// Reads text files and joins them in the order given.
    ///
    /// A file that does not end its last line gets a newline before the next file, so that no word is made of two.
    ///
    /// # Errors
    ///
    /// A file cannot be read as text ([`read_text`]), or there is nothing but whitespace in all of them.
    pub fn read(paths: &[PathBuf]) -> Result<Self, DataError> {
        let mut text = String::new();
        for path in paths {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            let next = read_text(path)?;
            // The usual single file is moved, not copied.
            if text.is_empty() {
                text = next;
            } else {
                text.push_str(&next);
            }
        }
        if text.trim().is_empty() {
            return Err(DataError::EmptyCorpus {
                paths: paths.to_vec(),
            });
        }
        Ok(Self { text })
    }

    /// A corpus that is already in memory, even an empty one.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Splits off the last `fraction` of the characters: `(train, validation)`.
    ///
    /// As nanoGPT does, `int(n * (1 - fraction))` characters (not bytes) go to training, so that losses compare.
    ///
    /// # Panics
    ///
    /// If `fraction` is outside `[0, 1]`.
    pub fn split_tail(&self, fraction: f64) -> (&str, &str) {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "the validation fraction is {fraction}, expected 0 to 1"
        );
        let n_characters = self.text.chars().count();
        let n_train = (n_characters as f64 * (1.0 - fraction)) as usize;
        let border = self
            .text
            .char_indices()
            .nth(n_train)
            .map_or(self.text.len(), |(offset, _)| offset);
        self.text.split_at(border)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::shared;

    proptest! {
        #[test]
        fn a_split_loses_nothing_and_counts_characters(text in any::<String>(), fraction in 0.0..=1.0) {
            let corpus = TextCorpus::from_text(text.clone());
            let (train, validation) = corpus.split_tail(fraction);
            prop_assert_eq!(train.to_owned() + validation, text.clone());
            let n_train = (text.chars().count() as f64 * (1.0 - fraction)) as usize;
            prop_assert_eq!(train.chars().count(), n_train);
        }
    }

    #[test]
    fn a_split_counts_characters_not_bytes() {
        let corpus = TextCorpus::from_text("éééééééééa");
        assert_eq!(corpus.split_tail(0.1), ("ééééééééé", "a"));
        assert_eq!(corpus.split_tail(0.0), ("éééééééééa", ""));
        assert_eq!(corpus.split_tail(1.0), ("", "éééééééééa"));
    }

    #[test]
    fn tinyshakespeare_splits_as_nanogpt_splits_it() {
        let Some(path) = shared::data("tinyshakespeare/input.txt.gz") else {
            return;
        };
        let corpus = TextCorpus::read(&[path]).unwrap();
        let (train, validation) = corpus.split_tail(0.1);
        assert_eq!((train.len(), validation.len()), (1_003_854, 111_540));
    }

    #[test]
    #[should_panic(expected = "fraction is NaN, expected 0 to 1")]
    fn a_fraction_that_is_none_panics() {
        TextCorpus::from_text("abc").split_tail(f64::NAN);
    }

    #[test]
    fn files_are_joined_in_the_order_given_and_no_word_is_made_of_two() {
        let folder = TempDir::new().unwrap();
        let [first, second] = ["b.txt", "a.txt"].map(|name| folder.path().join(name));
        fs::write(&first, "one").unwrap();
        fs::write(&second, "two\n").unwrap();
        let text = |paths: &[PathBuf]| TextCorpus::read(paths).unwrap().text().to_owned();
        assert_eq!(text(&[first.clone(), second.clone()]), "one\ntwo\n");
        assert_eq!(text(&[second, first.clone()]), "two\none");
        assert_eq!(text(&[first]), "one");
    }

    #[test]
    fn a_corpus_of_whitespace_is_an_error_that_names_its_files() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("blank.txt");
        fs::write(&path, " \r\n\t\n").unwrap();
        let error = TextCorpus::read(&[path]).unwrap_err();
        assert!(error.to_string().contains("blank.txt"));
        assert!(!error.is_io());
        assert!(matches!(
            TextCorpus::read(&[]),
            Err(DataError::EmptyCorpus { .. })
        ));
    }
}
