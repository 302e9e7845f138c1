//! Whatever a user gets wrong: the exit code, a message that names it, and nothing on standard output.

use super::program::{Program, text, words};
use super::{bad_files, bad_models, bad_options, evaluate, fixture, trained, transcribe};
use std::fs;
use std::path::{Path, PathBuf};

/// One mistake.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) code: i32,
    /// What the message must contain.
    pub(crate) parts: Vec<String>,
}

/// Where mistakes are made: good models, and a folder for bad files.
pub(crate) struct Workshop<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) gpt: String,
    pub(crate) transformer: String,
    pub(crate) gpt2: String,
    pub(crate) speech: String,
    pub(crate) mistakes: Vec<Mistake>,
}

impl Workshop<'_> {
    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a file");
        text(&path).to_owned()
    }

    /// A copy of a model directory in the folder.
    pub(crate) fn copy(&self, model: &Path, name: &str) -> PathBuf {
        let copy = self.path(name);
        fs::create_dir(&copy).expect("a folder");
        for entry in fs::read_dir(model).expect("a folder") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), copy.join(entry.file_name())).expect("a copy");
        }
        copy
    }

    /// Adds a mistake. A word of `line` that begins with `@` stands for a path in the folder.
    pub(crate) fn add(&mut self, name: &'static str, line: &str, code: i32, parts: &[&str]) {
        let in_folder = |word: &str| match word.strip_prefix('@') {
            Some(name) => text(&self.path(name)).to_owned(),
            None => word.to_owned(),
        };
        self.mistakes.push(Mistake {
            name,
            arguments: words(line).map(in_folder).collect(),
            stdin: Vec::new(),
            code,
            parts: parts.iter().map(|&part| part.to_owned()).collect(),
        });
    }

    /// Gives the last mistake something to read.
    pub(crate) fn reading(&mut self, stdin: impl Into<Vec<u8>>) {
        self.mistakes.last_mut().expect("a mistake").stdin = stdin.into();
    }

    /// Gives the last mistake one more argument, which may hold spaces.
    pub(crate) fn with(&mut self, argument: &str) {
        let mistake = self.mistakes.last_mut().expect("a mistake");
        mistake.arguments.push(argument.to_owned());
    }
}

pub(crate) fn what_a_user_gets_wrong_is_named_with_its_exit_code(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let best = |trained: &trained::Trained| text(&trained.best()).to_owned();
    let mut workshop = Workshop {
        folder: folder.path(),
        gpt: best(trained::gpt(program)),
        transformer: best(trained::transformer(program)),
        gpt2: text(&fixture("gpt2")).to_owned(),
        speech: best(trained::speech(program)),
        mistakes: Vec::new(),
    };
    bad_files::recipes(&mut workshop);
    bad_files::corpora(&mut workshop);
    bad_models::directories(&mut workshop);
    bad_models::tensors(&mut workshop);
    bad_models::makers(&mut workshop);
    bad_files::texts(&mut workshop);
    transcribe::recordings(&mut workshop);
    bad_files::outputs(&mut workshop);
    evaluate::mistakes(&mut workshop);
    bad_options::prompts(&mut workshop);
    bad_options::decoding(&mut workshop);
    bad_options::pictures(&mut workshop);
    bad_options::others(&mut workshop);
    let complaints: Vec<String> = workshop
        .mistakes
        .iter()
        .filter_map(|mistake| complaint(program, mistake))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
}

/// What is wrong with how the program takes a mistake.
fn complaint(program: Program, mistake: &Mistake) -> Option<String> {
    let finished = program.run_with(&mistake.arguments, mistake.stdin.clone());
    let mut wrong = Vec::new();
    if finished.code != Some(mistake.code) {
        let found = finished.code;
        wrong.push(format!("exit code {found:?}, expected {}", mistake.code));
    }
    if !finished.stdout.is_empty() {
        wrong.push(format!("standard output {:?}", finished.stdout));
    }
    if !finished.stderr.starts_with("error: ") || finished.stderr.contains("panicked") {
        wrong.push("no error message".to_owned());
    }
    for part in &mistake.parts {
        if !finished.stderr.contains(part.as_str()) {
            wrong.push(format!("{part:?} is not named"));
        }
    }
    if wrong.is_empty() {
        return None;
    }
    let (name, stderr) = (mistake.name, finished.stderr.trim_end());
    Some(format!("{name}: {}\n  {stderr}", wrong.join("; ")))
}
