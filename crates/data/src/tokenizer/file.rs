//! A tokenizer as a file: `tokenizer.json`, in and out.

use std::{fs, path::Path};

use super::{Tokenizer, untrusted};
use crate::{DataError, read::read_text_up_to};

/// The largest `tokenizer.json` that is read, 512 MiB; the largest in the wild have some 40 MB.
const MAX_TOKENIZER_BYTES: u64 = 512 << 20;

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// The file cannot be read as text ([`read_text`](crate::read_text)), or is no usable tokenizer.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let json = read_text_up_to(path, MAX_TOKENIZER_BYTES)?;
        Self::from_json(&json).map_err(|error| DataError::TokenizerFile {
            path: path.into(),
            source: Box::new(error),
        })
    }

    /// A tokenizer from the text of a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// The text is no usable tokenizer.
    pub fn from_json(json: &str) -> Result<Self, DataError> {
        let mut inner = untrusted::guarded("be loaded", || untrusted::parse(json))?;
        inner
            .with_padding(None)
            .with_truncation(None)
            .map_err(|source| DataError::Tokenize {
                action: "be loaded",
                source,
            })?;
        Ok(Self::new(inner))
    }

    /// The text of this tokenizer's `tokenizer.json`.
    ///
    /// It is the current format, which Hugging Face's library reads from version 0.20 (2024) on.
    ///
    /// # Errors
    ///
    /// The library cannot write one of its own tokenizers, which no known tokenizer causes.
    pub fn to_json(&self) -> Result<String, DataError> {
        self.work("be saved", |inner| inner.to_string(true))
    }

    /// Writes this tokenizer's `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        fs::write(path, self.to_json()?).map_err(|source| DataError::Write {
            path: path.into(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::tokenizer::tests::{TEXTS, tokenizers};

    #[test]
    fn a_saved_tokenizer_gives_the_same_ids() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tokenizer.json");
        for tokenizer in tokenizers() {
            tokenizer.write(&path).unwrap();
            let read = Tokenizer::read(&path).unwrap();
            assert_eq!(read.vocab(), tokenizer.vocab());
            assert_eq!(read.to_json().unwrap(), tokenizer.to_json().unwrap());
            for text in TEXTS {
                assert_eq!(read.encode(text).unwrap(), tokenizer.encode(text).unwrap());
            }
        }
    }

    #[test]
    fn padding_and_truncation_of_a_file_are_dropped() {
        let json = tokenizers()[1].to_json().unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
        value["truncation"] = serde_json::json!({
            "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0
        });
        value["padding"] = serde_json::json!({
            "strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"
        });
        let tokenizer = Tokenizer::from_json(&value.to_string()).unwrap();
        let text = "Hello, world!";
        assert_eq!(
            tokenizer.encode(text).unwrap(),
            tokenizers()[1].encode(text).unwrap()
        );
        assert_eq!(tokenizer.to_json().unwrap(), json);
    }

    #[test]
    fn a_missing_file_is_io_and_a_malformed_one_is_not() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tokenizer.json");
        assert!(Tokenizer::read(&path).unwrap_err().is_io());
        fs::write(&path, "{\"version\": \"1.0\",\n oops").unwrap();
        let error = Tokenizer::read(&path).unwrap_err();
        assert!(!error.is_io());
        assert!(error.to_string().contains("tokenizer.json"));
        let format = std::error::Error::source(&error).unwrap();
        let parser = std::error::Error::source(format).unwrap();
        assert!(parser.to_string().contains("line 2 column 2"), "{parser}");
    }

    #[test]
    fn a_tokenizer_in_a_folder_that_is_missing_cannot_be_written() {
        let [tokenizer, ..] = tokenizers();
        let error = tokenizer.write(Path::new("/nowhere/tokenizer.json"));
        assert!(error.unwrap_err().is_io());
    }
}
