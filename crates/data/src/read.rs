//! Reading text files, which are not to be trusted: the one door by which bytes come in.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use crate::DataError;

/// The most text that is read from one file, 4 GiB unpacked: a small gzip file can claim to hold any amount.
pub const MAX_TEXT_BYTES: u64 = 4 << 30;

pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a text file whole.
///
/// Gzip is recognised by its first bytes, not by its name. A byte order mark is dropped, line ends are kept as they
/// are.
///
/// # Errors
///
/// The file cannot be read, is damaged gzip, holds more than [`MAX_TEXT_BYTES`], or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, DataError> {
    read_text_up_to(path, MAX_TEXT_BYTES)
}

/// [`read_text`] with a limit of the caller's choice.
pub(crate) fn read_text_up_to(path: &Path, limit: u64) -> Result<String, DataError> {
    decode(path, read_bytes_up_to(path, limit)?)
}

/// Reads a file whole, unpacked if it is gzip.
pub(crate) fn read_bytes_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let read_error = |source| DataError::Read {
        path: path.into(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(read_error)?);
    let is_gzip = file
        .fill_buf()
        .map_err(read_error)?
        .starts_with(&GZIP_MAGIC);

    let bytes = if is_gzip {
        read_up_to(MultiGzDecoder::new(file), limit).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput => DataError::Gzip {
                path: path.into(),
                source,
            },
            _ => read_error(source),
        })?
    } else {
        read_up_to(file, limit).map_err(read_error)?
    };
    bytes.ok_or_else(|| DataError::TooLarge {
        path: path.into(),
        limit,
    })
}

/// The bytes to the end, or `None` if there are more than `limit`.
fn read_up_to(reader: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let n_read = reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((n_read as u64 <= limit).then_some(bytes))
}

/// A file's bytes as text, without a byte order mark.
pub(crate) fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, DataError> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let source = error.utf8_error();
        let offset = source.valid_up_to();
        let bytes = error.as_bytes();
        DataError::NotUtf8 {
            path: path.into(),
            line: 1 + bytes[..offset]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count(),
            offset,
            found: bytes[offset],
            source,
        }
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, path::PathBuf};

    use flate2::{Compression, write::GzEncoder};
    use tempfile::TempDir;

    use super::*;

    fn file(content: &[u8]) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("corpus.txt");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_and_plain_text_read_alike_whatever_the_name() {
        let (_folder, plain) = file("héllo\r\nwörld\n".as_bytes());
        let (_other, packed) = file(&gzip("héllo\r\nwörld\n".as_bytes()));
        assert_eq!(read_text(&plain).unwrap(), "héllo\r\nwörld\n");
        assert_eq!(read_text(&packed).unwrap(), read_text(&plain).unwrap());
    }

    #[test]
    fn gzip_files_glued_together_are_read_to_the_last() {
        let (_folder, path) = file(&[gzip(b"one\n"), gzip(b"two\n")].concat());
        assert_eq!(read_text(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        let (_folder, path) = file("\u{feff}text".as_bytes());
        assert_eq!(read_text(&path).unwrap(), "text");
    }

    #[test]
    fn an_empty_file_is_an_empty_text() {
        let (_folder, path) = file(b"");
        assert_eq!(read_text(&path).unwrap(), "");
    }

    #[test]
    fn a_missing_file_is_an_io_error_that_names_it() {
        let error = read_text(Path::new("/nowhere/corpus.txt")).unwrap_err();
        assert!(error.is_io());
        assert_eq!(error.to_string(), "cannot read /nowhere/corpus.txt");
    }

    #[test]
    fn a_folder_is_an_io_error() {
        let folder = TempDir::new().unwrap();
        assert!(read_text(folder.path()).unwrap_err().is_io());
    }

    #[test]
    fn text_that_is_not_utf8_is_located() {
        let (_folder, path) = file(b"one\ntwo \xe9t\xe9\n");
        let error = read_text(&path).unwrap_err();
        assert!(!error.is_io());
        assert!(
            error
                .to_string()
                .ends_with("line 2, byte offset 8: found byte 0xE9, expected UTF-8 text")
        );
    }

    #[test]
    fn truncated_or_damaged_gzip_is_an_error_not_a_shorter_text() {
        let packed = gzip(b"some text that is long enough to be cut in the middle of it");
        let mut damaged = packed.clone();
        let checksum = damaged.len() - 8;
        damaged[checksum] ^= 1;
        for bad in [
            &packed[..packed.len() - 1],
            &packed[..20],
            &packed[..2],
            &damaged,
        ] {
            let (_folder, path) = file(bad);
            let error = read_text(&path).unwrap_err();
            assert!(matches!(error, DataError::Gzip { .. }), "{error:?}");
            assert!(!error.is_io());
        }
    }

    #[test]
    fn a_gzip_bomb_is_refused_at_the_limit() {
        let bomb = gzip(&vec![b'a'; 1 << 20]);
        let (_folder, path) = file(&bomb);
        assert_eq!(read_text_up_to(&path, 1 << 20).unwrap().len(), 1 << 20);
        let error = read_text_up_to(&path, (1 << 20) - 1).unwrap_err();
        assert!(matches!(
            error,
            DataError::TooLarge {
                limit: 1_048_575,
                ..
            }
        ));
    }
}
