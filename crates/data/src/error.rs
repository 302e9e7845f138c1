//! What can be wrong with a file or a text that came from a user.

use std::{
    io,
    path::{Path, PathBuf},
    str::Utf8Error,
};

/// Everything that can go wrong between a file and token ids: where, what was found, what was expected.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file is missing, or the system does not let it be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file begins as gzip does but cannot be unpacked to its end.
    #[error("the gzip data of {} is damaged or cut short", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the unpacker said.
        source: io::Error,
    },
    /// The file begins as a tar archive does but cannot be read to its end.
    #[error("the tar archive {} is damaged or cut short", path.display())]
    Tar {
        /// The file.
        path: PathBuf,
        /// What the unpacker said.
        source: io::Error,
    },
    /// The file, unpacked, is larger than hearth agrees to hold in memory.
    #[error("{} holds more than {limit} bytes (unpacked), the most that is read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The file is not UTF-8.
    #[error(
        "{}, line {line}, byte offset {offset}: found byte 0x{found:02X}, expected UTF-8 text",
        path.display()
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first bad byte, counted from 1.
        line: usize,
        /// The offset of the first bad byte in the unpacked file, counted from 0.
        offset: usize,
        /// The first bad byte.
        found: u8,
        /// What the decoder said.
        source: Utf8Error,
    },
    /// The files hold nothing but whitespace, or there are none.
    #[error("no text in {}, expected at least one word", list(paths))]
    EmptyCorpus {
        /// The files, in the order given.
        paths: Vec<PathBuf>,
    },
    /// Not one pair of sentences has words on both sides.
    #[error(
        "no sentence pairs in {}: {n_skipped} lines with an empty side, expected at least one without",
        list(paths)
    )]
    NoPairs {
        /// The files, in the order given.
        paths: Vec<PathBuf>,
        /// How many lines lack a side.
        n_skipped: usize,
    },
    /// Sentence pairs come in one file or in two.
    #[error(
        "sentence pairs come in one file (`source TAB target` lines) or two (line i with line i), found {}: {}",
        paths.len(),
        list(paths)
    )]
    PairFiles {
        /// The files, in the order given.
        paths: Vec<PathBuf>,
    },
    /// A line of a file of sentence pairs has one column.
    #[error(
        "{}, line {line}: found {found:?}, expected `source TAB target`",
        path.display()
    )]
    NoTab {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// How the line begins.
        found: String,
    },
    /// Two files of sentences that should belong together line by line.
    #[error(
        "{} has {n_source_lines} lines, but {} has {n_target_lines}: expected a translation for every line",
        source_path.display(),
        target_path.display()
    )]
    LineCounts {
        /// The file of source sentences.
        source_path: PathBuf,
        /// How many lines it has.
        n_source_lines: usize,
        /// The file of target sentences.
        target_path: PathBuf,
        /// How many lines it has.
        n_target_lines: usize,
    },
    /// A recording that cannot be heard.
    #[error("{}: {problem}", path.display())]
    Wav {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// A line of transcripts has one column.
    #[error("{}, line {line}: found {found:?}, expected `path TAB text`", path.display())]
    NoTranscript {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// How the line begins.
        found: String,
    },
    /// Neither transcripts nor folders of recordings.
    #[error(
        "no recordings in {}, expected lines of `path TAB text`, a folder with such a transcripts.tsv, or folders of WAV \
         files, each called as what is said",
        path.display()
    )]
    NoRecordings {
        /// The file or folder.
        path: PathBuf,
    },
    /// An image that cannot be seen, or a file of images or their labels that is damaged.
    #[error("{}: {problem}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// Neither files of MNIST's format nor folders of images.
    #[error(
        "no images in {}, expected two files, IDX images and IDX labels, or one folder of folders of PNG, JPEG or PNM files, \
         each called as its label",
        list(paths)
    )]
    NoImages {
        /// The files, in the order given.
        paths: Vec<PathBuf>,
    },
    /// A field of a `PixelConfig` that makes no image.
    #[error("{field} is {found}, expected {expected}")]
    PixelConfig {
        /// Its name, as in a `preprocessor_config.json`.
        field: &'static str,
        /// What is there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A row of texts that does not fit its file.
    #[error("{}, line {line}: found {found:?}, expected {expected}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line that the row begins on, counted from 1.
        line: usize,
        /// How the row begins.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A label that the classes do not have.
    #[error(
        "{}, line {line}: found the label {label:?}, expected one of {}",
        path.display(),
        some(known)
    )]
    UnknownLabel {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is there.
        label: String,
        /// The labels there are.
        known: Vec<String>,
    },
    /// Not one text with a label.
    #[error(
        "no text with a label in {}: {n_skipped} row{} with an empty text or label, expected at least one without",
        list(paths),
        if *n_skipped == 1 { "" } else { "s" }
    )]
    NoRows {
        /// The files, in the order given.
        paths: Vec<PathBuf>,
        /// How many rows lack a side.
        n_skipped: usize,
    },
    /// Nothing to tell apart.
    #[error(
        "every label is {label:?} in {}, expected at least two labels",
        list(paths)
    )]
    OneLabel {
        /// The files, in the order given.
        paths: Vec<PathBuf>,
        /// The only label.
        label: String,
    },
    /// A `tokenizer.json` that cannot be used; the source says why.
    #[error("cannot use the tokenizer {}", path.display())]
    TokenizerFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        source: Box<DataError>,
    },
    /// Not JSON, or not in the format of Hugging Face's `tokenizer.json`.
    #[error("not a tokenizer in Hugging Face's tokenizer.json format")]
    TokenizerFormat {
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
    /// A part of a `tokenizer.json` that parses but cannot work.
    #[error("the tokenizer's {part} has {found}, expected {expected}")]
    TokenizerPart {
        /// The name of the part, as in the file.
        part: String,
        /// What is there.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The tokenizer's own library refuses the work.
    #[error("the tokenizer cannot {action}")]
    Tokenize {
        /// What was asked of it.
        action: &'static str,
        /// What it said.
        source: tokenizers::Error,
    },
    /// The tokenizer's own library broke down: its file is damaged in a way that no check foresaw.
    #[error("the tokenizer broke down while it should {action}, its file is damaged: {message}")]
    TokenizerBroke {
        /// What was asked of it.
        action: &'static str,
        /// What it said.
        message: String,
    },
    /// A token has one place in a list of tokens.
    #[error("found the token {token:?} twice, expected each token once")]
    RepeatedToken {
        /// The token.
        token: String,
    },
    /// A character tokenizer needs a text to learn its characters from.
    #[error("found an empty text, expected at least one character to make tokens of")]
    NoCharacters,
    /// A byte-level vocabulary holds every byte, whatever else it holds.
    #[error(
        "a vocabulary of {vocab} is too small: the 256 bytes and the special tokens alone need {minimum}"
    )]
    VocabTooSmall {
        /// The size wanted.
        vocab: usize,
        /// The least possible size.
        minimum: usize,
    },
    /// A character that the tokenizer's training text did not contain.
    #[error(
        "character {character:?} (U+{:04X}), after {position} characters of the text, is not among the \
         {n_characters} that this tokenizer was trained on",
        u32::from(*character)
    )]
    UnknownCharacter {
        /// The character.
        character: char,
        /// How many characters stand before it.
        position: usize,
        /// How many characters the tokenizer knows.
        n_characters: usize,
    },
}

impl DataError {
    /// Whether the system, not the content of a file, is to blame: a missing file, a permission, a full disk.
    ///
    /// The command line exits with 5 if so, with 4 (bad data) otherwise.
    pub fn is_io(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Write { .. } => true,
            Self::TokenizerFile { source, .. } => source.is_io(),
            _ => false,
        }
    }
}

/// The first names of a message.
pub(crate) fn some(names: &[String]) -> String {
    const MOST: usize = 12;
    let rest = names.len().saturating_sub(MOST);
    let shown = names[..names.len() - rest].join(", ");
    match rest {
        0 => shown,
        _ => format!("{shown} and {rest} more"),
    }
}

/// The files of a message.
fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no file at all".into();
    }
    let names: Vec<_> = paths
        .iter()
        .map(|path: &PathBuf| Path::display(path).to_string())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_io_and_a_bad_one_is_not() {
        let missing = DataError::Read {
            path: "a.txt".into(),
            source: io::ErrorKind::NotFound.into(),
        };
        assert!(missing.is_io());
        let bad = DataError::Gzip {
            path: "a.gz".into(),
            source: io::ErrorKind::UnexpectedEof.into(),
        };
        assert!(!bad.is_io());
    }

    #[test]
    fn an_unknown_character_is_shown_escaped_with_its_code_point() {
        let error = DataError::UnknownCharacter {
            character: '\u{200b}',
            position: 3,
            n_characters: 65,
        };
        assert_eq!(
            error.to_string(),
            "character '\\u{200b}' (U+200B), after 3 characters of the text, is not among the 65 that this \
             tokenizer was trained on"
        );
    }

    #[test]
    fn a_corpus_error_names_every_file() {
        let error = DataError::EmptyCorpus {
            paths: vec!["a.txt".into(), "b.txt".into()],
        };
        assert_eq!(
            error.to_string(),
            "no text in a.txt, b.txt, expected at least one word"
        );
    }
}
