//! `manifest.json`: what a checkpoint consists of. Written last, so that what is listed was whole.

use crate::error::TrainError;
use crate::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

pub(super) const NAME: &str = "manifest.json";

const FORMAT: u32 = 1;

/// The largest manifest that is read.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    files: Vec<Listed>,
}

/// A file of the checkpoint's folder.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Lists all files of a folder.
pub(super) fn write(folder: &Path) -> Result<(), TrainError> {
    let reading = TrainError::file("read", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(reading)? {
        let entry = entry.map_err(TrainError::file("read", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let list = |name: String| {
        let path = folder.join(&name);
        let (bytes, sha256) = measure(&path).map_err(TrainError::file("read", &path))?;
        Ok(Listed {
            name,
            bytes,
            sha256,
        })
    };
    let files = names.into_iter().map(list);
    let manifest = Manifest {
        format: FORMAT,
        files: files.collect::<Result<_, TrainError>>()?,
    };
    let path = folder.join(NAME);
    serde_json::to_string_pretty(&manifest)
        .map_err(std::io::Error::from)
        .and_then(|text| fs::write(&path, text + "\n"))
        .map_err(TrainError::file("write", &path))
}

/// Why a folder is not what its manifest says, if it is not. `needed` are the files without which it would be nothing.
pub(super) fn damage(folder: &Path, needed: &[&str]) -> Result<(), String> {
    let path = folder.join(NAME);
    let size = fs::metadata(&path).map_err(|error| format!("{NAME}: {error}"))?;
    if size.len() > MOST_BYTES {
        return Err(format!("{NAME} has {} bytes", size.len()));
    }
    let bytes = fs::read(&path).map_err(|error| format!("{NAME}: {error}"))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| format!("{NAME}: {error}"))?;
    if manifest.format != FORMAT {
        let found = manifest.format;
        return Err(format!("{NAME} has format {found}, expected {FORMAT}"));
    }
    for name in needed {
        if !manifest.files.iter().any(|file| file.name == *name) {
            return Err(format!("{NAME} does not list {name}"));
        }
    }
    manifest
        .files
        .iter()
        .try_for_each(|file| file.check(folder))
}

impl Listed {
    fn check(&self, folder: &Path) -> Result<(), String> {
        let Self {
            name,
            bytes,
            sha256,
        } = self;
        // Names come from a file: none of them leads out of the folder.
        if Path::new(name)
            .file_name()
            .is_none_or(|last| last != name.as_str())
        {
            return Err(format!("{NAME} lists {name:?}, which is no name of a file"));
        }
        let path = folder.join(name);
        let length = fs::metadata(&path)
            .map_err(|error| format!("{name}: {error}"))?
            .len();
        if length != *bytes {
            return Err(format!("{name} has {length} bytes, expected {bytes}"));
        }
        let (_, found) = measure(&path).map_err(|error| format!("{name}: {error}"))?;
        if found != *sha256 {
            return Err(format!("{name} has other bytes than were written"));
        }
        Ok(())
    }
}

/// A file's length and its hash.
fn measure(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut fingerprint, mut length) = (Fingerprint::new(), 0);
    let mut part = vec![0; 1 << 16];
    loop {
        let n_read = file.read(&mut part)?;
        if n_read == 0 {
            return Ok((length, fingerprint.finish()));
        }
        length += n_read as u64;
        fingerprint.add(&part[..n_read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_is_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weights");
        fs::write(&path, "abc").expect("written");
        write(folder.path()).expect("written");
        let found = |needed: &[&str]| damage(folder.path(), needed);
        assert_eq!(found(&["weights"]), Ok(()));
        assert_eq!(
            found(&["state"]),
            Err("manifest.json does not list state".into())
        );
        fs::write(&path, "abd").expect("written");
        assert!(found(&[]).is_err_and(|why| why.contains("other bytes")));
        fs::write(&path, "ab").expect("written");
        assert!(found(&[]).is_err_and(|why| why.contains("2 bytes, expected 3")));
        fs::remove_file(&path).expect("removed");
        assert!(found(&[]).is_err_and(|why| why.starts_with("weights:")));
        let escape = r#"{"format": 1, "files": [{"name": "../a", "bytes": 0, "sha256": ""}]}"#;
        fs::write(folder.path().join(NAME), escape).expect("written");
        assert!(found(&[]).is_err_and(|why| why.contains("no name of a file")));
        fs::remove_file(folder.path().join(NAME)).expect("removed");
        assert!(found(&[]).is_err_and(|why| why.starts_with("manifest.json:")));
    }
}
