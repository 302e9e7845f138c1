//! Files of a folder, or of a tar archive: recordings and images come packed as often as not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType};

use crate::DataError;
use crate::read::{GZIP_MAGIC, MAX_TEXT_BYTES, read_bytes_up_to};

/// What a tar archive says of itself, and where.
const TAR_MAGIC: &[u8] = b"ustar";
const TAR_MAGIC_AT: usize = 257;

/// Where files are.
#[derive(Debug)]
pub(crate) enum Files {
    /// In a folder on disk.
    Folder(PathBuf),
    /// In an archive, which is held in memory: nothing is unpacked to disk. A file's path begins with the archive's.
    Archive(BTreeMap<PathBuf, Vec<u8>>),
}

impl Files {
    /// The files of a folder or of a tar archive, plain or gzipped; none if the path is neither.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, DataError> {
        if path.is_dir() {
            return Ok(Some(Self::Folder(path.into())));
        }
        let error = |source| DataError::Read {
            path: path.into(),
            source,
        };
        let mut file = BufReader::new(File::open(path).map_err(error)?);
        let is_gzip = file.fill_buf().map_err(error)?.starts_with(&GZIP_MAGIC);
        let mut bytes: Box<dyn Read> = match is_gzip {
            true => Box::new(MultiGzDecoder::new(file)),
            false => Box::new(file),
        };
        // What is no gzip after all is no archive either: who reads it as text will say so.
        let mut head = Vec::new();
        let block = (TAR_MAGIC_AT + TAR_MAGIC.len()) as u64;
        let is_read = bytes.by_ref().take(block).read_to_end(&mut head).is_ok();
        if !is_read || !head.ends_with(TAR_MAGIC) || head.len() as u64 != block {
            return Ok(None);
        }
        unpack(path, head.chain(bytes)).map(|files| Some(Self::Archive(files)))
    }

    /// The files with one of these extensions, in whatever case, and the name of the folder that each is in; sorted.
    pub(crate) fn by_folder(
        &self,
        extensions: &[&str],
    ) -> Result<Vec<(PathBuf, String)>, DataError> {
        let is_wanted = |file: &Path| {
            let found = file.extension();
            found.is_some_and(|found| extensions.iter().any(|one| found.eq_ignore_ascii_case(one)))
        };
        let mut entries = Vec::new();
        let mut add = |file: PathBuf| {
            let label = file.parent().and_then(Path::file_name);
            let label = label.map(|label| label.to_string_lossy().into_owned());
            entries.extend(label.map(|label| (file, label)));
        };
        match self {
            Self::Folder(root) => {
                for folder in sorted(root)?.iter().filter(|folder| folder.is_dir()) {
                    let files = sorted(folder)?.into_iter();
                    files.filter(|file| is_wanted(file)).for_each(&mut add);
                }
            }
            Self::Archive(files) => {
                let files = files.keys().filter(|file| is_wanted(file));
                files.cloned().for_each(&mut add);
            }
        }
        Ok(entries)
    }

    /// The file of this name that the folder has, or that stands highest in the archive.
    pub(crate) fn named(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Folder(root) => Some(root.join(name)).filter(|file| file.is_file()),
            Self::Archive(files) => {
                let named = files.keys().filter(|file| file.ends_with(name));
                named.min_by_key(|file| file.components().count()).cloned()
            }
        }
    }

    /// What a file holds; unpacked if it is gzip.
    pub(crate) fn read(&self, file: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
        match self {
            Self::Folder(_) => read_bytes_up_to(file, limit),
            Self::Archive(files) => match files.get(file) {
                Some(bytes) if bytes.len() as u64 <= limit => Ok(bytes.clone()),
                Some(_) => Err(DataError::TooLarge {
                    path: file.into(),
                    limit,
                }),
                None => Err(DataError::Read {
                    path: file.into(),
                    source: std::io::ErrorKind::NotFound.into(),
                }),
            },
        }
    }
}

/// The regular files of an archive, each by its path behind the archive's.
fn unpack(path: &Path, bytes: impl Read) -> Result<BTreeMap<PathBuf, Vec<u8>>, DataError> {
    let damaged = |source| DataError::Tar {
        path: path.into(),
        source,
    };
    let (mut files, mut left) = (BTreeMap::new(), MAX_TEXT_BYTES);
    let mut archive = Archive::new(bytes);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        // Links lead elsewhere, and a sparse file may claim any size.
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let inside = entry.path().map_err(damaged)?;
        let parts = inside.components().filter_map(|part| match part {
            Component::Normal(part) => Some(part),
            _ => None,
        });
        let name = path.join(parts.collect::<PathBuf>());
        let (claimed, mut content) = (entry.size(), Vec::new());
        let n_read = entry.by_ref().take(left + 1).read_to_end(&mut content);
        let n_read = n_read.map_err(damaged)? as u64;
        if n_read > left {
            return Err(DataError::TooLarge {
                path: path.into(),
                limit: MAX_TEXT_BYTES,
            });
        }
        if n_read < claimed {
            return Err(damaged(std::io::ErrorKind::UnexpectedEof.into()));
        }
        left -= n_read;
        files.insert(name, content);
    }
    Ok(files)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let error = |source| DataError::Read {
        path: folder.into(),
        source,
    };
    let entries = std::fs::read_dir(folder).map_err(error)?;
    let paths = entries.map(|entry| Ok(entry.map_err(error)?.path()));
    let mut paths: Vec<_> = paths.collect::<Result<_, DataError>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use tempfile::TempDir;

    use super::*;

    /// A folder as an archive beside it, gzipped or not.
    pub(crate) fn pack(folder: &Path, archive: &Path, gzip: bool) {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_dir_all("./corpus", folder).unwrap();
        let bytes = builder.into_inner().unwrap();
        let bytes = match gzip {
            true => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&bytes).unwrap();
                encoder.finish().unwrap()
            }
            false => bytes,
        };
        fs::write(archive, bytes).unwrap();
    }

    fn example() -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, content) in [
            ("in/yes/b.wav", "second"),
            ("in/yes/a.WAV", "first"),
            ("in/no/a.wav", "third"),
            ("in/no/note.txt", "none"),
            ("in/list.tsv", "a list"),
        ] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        folder
    }

    fn content(files: &Files) -> Vec<(String, String)> {
        let entries = files.by_folder(&["wav"]).unwrap().into_iter();
        let read = |(path, label): (PathBuf, String)| {
            let bytes = files.read(&path, 100).unwrap();
            (label, String::from_utf8(bytes).unwrap())
        };
        entries.map(read).collect()
    }

    #[test]
    fn a_folder_and_its_archives_hold_the_same() {
        let folder = example();
        let root = folder.path();
        let files = Files::open(&root.join("in")).unwrap().unwrap();
        let expected = [("no", "third"), ("yes", "first"), ("yes", "second")];
        let expected = expected.map(|(label, text)| (label.to_owned(), text.to_owned()));
        assert_eq!(content(&files), expected);
        for (name, gzip) in [("a.tar", false), ("a.tgz", true)] {
            pack(&root.join("in"), &root.join(name), gzip);
            let files = Files::open(&root.join(name)).unwrap().unwrap();
            assert_eq!(content(&files), expected);
            let list = files.named("list.tsv").unwrap();
            assert_eq!(list, root.join(name).join("corpus/list.tsv"));
            assert_eq!(files.read(&list, 6).unwrap(), b"a list");
            assert!(files.read(&list, 5).is_err());
            assert!(files.read(Path::new("none"), 5).unwrap_err().is_io());
        }
    }

    #[test]
    fn what_is_no_archive_is_told_from_one_that_is_damaged() {
        let folder = example();
        let root = folder.path();
        assert!(Files::open(&root.join("in/list.tsv")).unwrap().is_none());
        let archive = root.join("a.tar");
        pack(&root.join("in"), &archive, false);
        let whole = fs::read(&archive).unwrap();
        // Within the content of its last file, and a header whose checksum is wrong.
        let mut bent = whole.clone();
        bent[3] ^= 1;
        for bad in [&whole[..whole.len() - 1536 + 3], &bent] {
            fs::write(&archive, bad).unwrap();
            let error = Files::open(&archive).unwrap_err();
            assert!(matches!(error, DataError::Tar { .. }), "{error:?}");
        }
    }
}
