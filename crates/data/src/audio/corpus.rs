//! Recordings with what is said in them.

use std::path::{Path, PathBuf};

use super::wav::{MAX_WAV_BYTES, wav};
use super::{FilterbankConfig, Frames};
use crate::files::Files;
use crate::parallel::is_held_out;
use crate::read::decode;
use crate::{DataError, MAX_TEXT_BYTES};

/// The file of transcripts in a folder of recordings.
const TRANSCRIPTS: &str = "transcripts.tsv";

/// A recording as features, and what is said in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Utterance {
    /// What tells it from others: its file.
    pub name: String,
    /// What is heard.
    pub frames: Frames,
    /// What is said.
    pub text: String,
}

/// Utterances, in the order of their files.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechCorpus {
    /// The utterances.
    pub utterances: Vec<Utterance>,
}

impl SpeechCorpus {
    /// Reads recordings and their transcripts.
    ///
    /// - `speed`: how fast each recording is heard; 1 as it is
    /// - `path`: a file of `PATH TAB TEXT` lines, where paths are relative to the file's folder; or a folder with such a file,
    ///   `transcripts.tsv`; or a folder of folders of WAV files, each of which says what its folder is called. A tar archive,
    ///   gzipped or not, is as good as a folder.
    ///
    /// # Errors
    ///
    /// A file cannot be read, a line has no tab, a recording is no WAV file or shorter than a window, or there is none.
    pub fn read(path: &Path, config: &FilterbankConfig, speed: f64) -> Result<Self, DataError> {
        let (files, transcripts) = match Files::open(path)? {
            Some(files) => {
                let transcripts = files.named(TRANSCRIPTS);
                (files, transcripts)
            }
            // Paths in it lead to files on disk.
            None => (Files::Folder(PathBuf::new()), Some(path.into())),
        };
        let entries = match transcripts {
            Some(path) => {
                let bytes = files.read(&path, MAX_TEXT_BYTES)?;
                read_transcripts(&path, &decode(&path, bytes)?)?
            }
            None => files.by_folder(&["wav"])?,
        };
        let utterances = entries.into_iter().map(|(path, text)| {
            let recording = wav(&path, &files.read(&path, MAX_WAV_BYTES)?)?;
            let frames = config.frames(recording.at_speed(speed));
            if frames.n_frames() == 0 {
                let problem = "the sound is shorter than a window of 25 ms".to_owned();
                return Err(DataError::Wav { path, problem });
            }
            Ok(Utterance {
                name: path.display().to_string(),
                frames,
                text,
            })
        });
        let utterances: Vec<_> = utterances.collect::<Result<_, _>>()?;
        if utterances.is_empty() {
            return Err(DataError::NoRecordings { path: path.into() });
        }
        Ok(Self { utterances })
    }

    /// Sets about `fraction` of the utterances aside, by a stable hash of their names: `(train, validation)`.
    pub fn split(self, fraction: f64) -> (Vec<Utterance>, Vec<Utterance>) {
        let utterances = self.utterances.into_iter();
        utterances.partition(|utterance| !is_held_out(&utterance.name, fraction))
    }
}

fn read_transcripts(path: &Path, text: &str) -> Result<Vec<(PathBuf, String)>, DataError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| match line.split_once('\t') {
            Some((file, text)) if !text.trim().is_empty() => {
                // Further columns are ignored.
                let text = text.split('\t').next().unwrap_or_default();
                Ok((folder.join(file.trim()), text.trim().to_owned()))
            }
            _ => Err(DataError::NoTranscript {
                path: path.into(),
                line: index + 1,
                found: line.chars().take(60).collect(),
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::files::tests::pack;
    use crate::tones;

    fn write(path: &Path, number: usize) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let (recording, _) = tones(number + 1, 1).last().unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: recording.sample_rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for sample in recording.samples {
            writer.write_sample((sample * 32767.0) as i16).unwrap();
        }
        writer.finalize().unwrap();
    }

    fn read(path: &Path) -> Result<Vec<(String, usize)>, String> {
        let corpus = SpeechCorpus::read(path, &FilterbankConfig::with_mels(8), 1.0);
        let corpus = corpus.map_err(|error| error.to_string())?;
        let each = corpus.utterances.into_iter();
        Ok(each.map(|u| (u.text, u.frames.n_frames())).collect())
    }

    #[test]
    fn transcripts_and_folders_say_what_is_said() {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        for (number, file) in ["yes/b.wav", "no/a.WAV", "yes/a.wav"].iter().enumerate() {
            write(&root.join(file), number);
        }
        fs::write(root.join("yes/note.txt"), "no sound").unwrap();
        let labels = |found: &[(String, usize)]| {
            let labels = found.iter().map(|(text, _)| text.clone());
            labels.collect::<Vec<_>>().join(" ")
        };
        let folders = read(root).unwrap();
        assert_eq!(labels(&folders), "no yes yes");
        assert!(folders.iter().all(|(_, n_frames)| *n_frames > 10));

        let table = root.join(TRANSCRIPTS);
        fs::write(&table, "yes/a.wav\tthe last one\tme\n\nno/a.WAV\t two \r\n").unwrap();
        let listed = read(root).unwrap();
        assert_eq!(labels(&listed), "the last one two");
        assert_eq!(listed, read(&table).unwrap());

        let other = TempDir::new().unwrap();
        let archive = other.path().join("all.tar.gz");
        pack(root, &archive, true);
        assert_eq!(listed, read(&archive).unwrap());
        fs::remove_file(&table).unwrap();
        pack(root, &archive, true);
        assert_eq!(folders, read(&archive).unwrap());
    }

    #[test]
    fn what_is_no_corpus_is_said() {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        assert!(read(root).unwrap_err().contains("no recordings"));
        let table = root.join("a.tsv");
        for (content, expected) in [
            ("", "no recordings"),
            ("a.wav no tab", "line 1: found \"a.wav no tab\""),
            ("a.wav\t  ", "expected `path TAB text`"),
            ("none.wav\ttext", "none.wav"),
        ] {
            fs::write(&table, content).unwrap();
            let error = read(&table).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
