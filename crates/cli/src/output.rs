//! A file that a command writes: it appears when it is whole.

use crate::console::Console;
use crate::error::CliError;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file being written beside its final place.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    writer: BufWriter<File>,
}

impl Drop for OutputFile {
    /// After an error the file beside it goes; after a success it is already called something else.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.partial);
    }
}

impl OutputFile {
    /// A place that cannot be written to is an error now, not when the work is done.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        if path.is_dir() {
            return Err(CliError::file("write", path)(
                ErrorKind::IsADirectory.into(),
            ));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(name);
        let file = File::create(&partial).map_err(CliError::file("write", path))?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            writer: BufWriter::new(file),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, text: &str) -> Result<(), CliError> {
        self.writer
            .write_all(text.as_bytes())
            .map_err(CliError::file("write", &self.path))
    }

    /// Puts the file in its place and says so.
    pub(crate) fn finish(mut self, console: Console) -> Result<(), CliError> {
        self.writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| std::fs::rename(&self.partial, &self.path))
            .map_err(CliError::file("write", &self.path))?;
        console.say(format!("written to {}", self.path.display()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_whole_and_not_at_all_where_it_is_not_finished() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.txt");
        let names = || std::fs::read_dir(folder.path()).expect("a folder").count();
        let mut file = OutputFile::create(&path).expect("a place");
        file.write("half").expect("written");
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(), 0);
        let mut file = OutputFile::create(&path).expect("a place");
        file.write("whole").expect("written");
        file.finish(Console::new(false, true, false))
            .expect("in its place");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "whole");
        assert_eq!(names(), 1);
    }

    #[test]
    fn a_folder_is_no_place_for_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [folder.path().to_owned(), folder.path().join("none/out")] {
            let error = OutputFile::create(&path).expect_err("an error");
            assert_eq!(error.code(), 5, "{error}");
        }
    }
}
