//! Folders of files, each called as the label of what is in it.

use std::path::{Path, PathBuf};

use crate::DataError;

/// The files with one of these extensions, in whatever case, and the name of the folder that each is in; sorted.
pub(crate) fn files_by_folder(
    path: &Path,
    extensions: &[&str],
) -> Result<Vec<(PathBuf, String)>, DataError> {
    let mut entries = Vec::new();
    for folder in sorted(path)? {
        let Some(label) = folder.file_name().filter(|_| folder.is_dir()) else {
            continue;
        };
        let is_wanted = |file: &PathBuf| {
            let found = file.extension();
            found.is_some_and(|found| extensions.iter().any(|one| found.eq_ignore_ascii_case(one)))
        };
        for file in sorted(&folder)?.into_iter().filter(is_wanted) {
            entries.push((file, label.to_string_lossy().into_owned()));
        }
    }
    Ok(entries)
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
