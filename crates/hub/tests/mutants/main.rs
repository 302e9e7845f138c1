//! Spoiled model directories: every mutant of every fixture is an error, or a model with the tensors of the original.
//! None panics, none takes memory or time that the files do not warrant.
//!
//! In a process of its own, because the peak of memory is one of the process.

mod damage;
#[path = "../gguf/mod.rs"]
mod gguf;
mod gguf_file;
mod json;
mod random;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn_flex::Flex;
use hearth_data::{BpeOptions, SpecialScheme, Tokenizer};
use hearth_hub::{HubError, ModelDirectory, Parameter};

use damage::Files;
use gguf::Gguf;
use random::Random;

/// Mutants of all fixtures together: some ten seconds in a build for development.
const N_MUTANTS: usize = 2400;

/// Mutants of one small GGUF file.
const N_GGUF_MUTANTS: usize = 1000;

/// What loading may touch beyond what the process has: many times the largest fixture.
const TOUCHED: u64 = 256 << 20;

/// What it may ask for. Each thread of a pool asks for some 72 MiB that it never touches.
const ASKED: u64 = 2 << 30;

/// No file of a fixture takes longer than a moment.
const TIME: Duration = Duration::from_secs(2);

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = fs::read_dir(folder).expect("the fixtures");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    found.sort();
    found
}

/// Small tokenizers, of which the fixtures have none.
fn tokenizers() -> [Vec<u8>; 2] {
    let text = "the cat sat on the mat\u{e9}";
    let options = BpeOptions {
        vocab: 264,
        min_frequency: 1,
        special: SpecialScheme::Pair,
    };
    let trained = [
        Tokenizer::train_characters(text),
        Tokenizer::train_bpe([text].into_iter(), &options),
    ];
    trained.map(|tokenizer| {
        let json = tokenizer.and_then(|tokenizer| tokenizer.to_json());
        json.expect("a tokenizer").into_bytes()
    })
}

fn load(dir: &Path) -> Result<Vec<Parameter>, HubError> {
    let directory = ModelDirectory::<Flex>::load(dir, &Default::default())?;
    Ok(directory.model.parameters())
}

/// What became of one mutant.
fn try_load(dir: &Path, original: &[Parameter], what: &str) -> Result<bool, String> {
    let start = Instant::now();
    let loaded = catch_unwind(AssertUnwindSafe(|| load(dir)));
    let time = start.elapsed();
    if time > TIME {
        return Err(format!("{what}: took {time:?}"));
    }
    match loaded {
        Err(_) => Err(format!("{what}: panicked")),
        Ok(Ok(parameters)) if parameters == original => Ok(true),
        Ok(Ok(_)) => Err(format!("{what}: loaded, with other shapes")),
        Ok(Err(error)) if error.is_io() => Err(format!("{what}: blamed on the system: {error}")),
        Ok(Err(_)) => Ok(false),
    }
}

/// A peak of this process in bytes, as Linux counts it: `VmHWM` of what was touched, `VmPeak` of what was asked for.
#[cfg(target_os = "linux")]
fn peak(which: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with(which));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    number.expect("a number of kilobytes") << 10
}

fn write(dir: &Path, files: &Files) {
    for (name, content) in files {
        fs::write(dir.join(name), content).expect("written");
    }
}

/// Loads every mutant of one fixture; says what went wrong, and how many loaded.
fn mutants(fixture: &Path, n_mutants: usize, seed: u64) -> (Vec<String>, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("model");
    fs::create_dir(&dir).expect("a directory");
    let name = fixture.file_name().expect("a name").to_string_lossy();
    let mut random = Random(seed);
    let original = load(fixture).expect("the fixture is in order");
    let mut files = damage::read(fixture);
    let tokenizers = tokenizers();
    let (mut failures, mut n_loaded) = (Vec::new(), 0);
    for number in 0..n_mutants {
        // Beside two of six there is a tokenizer, to be spoiled in its turn.
        match tokenizers.get(number % 6) {
            Some(tokenizer) => files.insert("tokenizer.json".into(), tokenizer.clone()),
            None => files.remove("tokenizer.json"),
        };
        let _ = fs::remove_file(dir.join("tokenizer.json"));
        write(&dir, &files);
        let (file, how, damaged) = damage::damage(&files, &mut random);
        fs::write(dir.join(&file), &damaged).expect("written");
        let what = format!("{name}, mutant {number}, {file}: {how}");
        match try_load(&dir, &original, &what) {
            Ok(loaded) => n_loaded += usize::from(loaded),
            Err(failure) => {
                let shown = String::from_utf8_lossy(&damaged[..damaged.len().min(2000)]);
                failures.push(format!("{failure}\n  {shown}"));
            }
        }
    }
    (failures, n_loaded)
}

#[test]
fn a_spoiled_directory_is_an_error_or_a_model_of_unchanged_shapes() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 3, "{fixtures:?}");
    #[cfg(target_os = "linux")]
    let before =
        [("VmHWM", TOUCHED), ("VmPeak", ASKED)].map(|(which, most)| (which, most, peak(which)));
    let (mut failures, mut n_loaded, mut n_all) = (Vec::new(), 0, 0);
    let n_each = N_MUTANTS / fixtures.len();
    for (seed, fixture) in fixtures.iter().enumerate() {
        let (failed, loaded) = mutants(fixture, n_each, seed as u64);
        failures.extend(failed);
        n_loaded += loaded;
        n_all += n_each;
    }
    assert!(
        failures.is_empty(),
        "{} of {n_all}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(n_all >= 1000);
    // Neither is everything refused, nor is damage never seen.
    assert!(
        n_loaded > n_all / 50 && n_loaded < n_all / 2,
        "{n_loaded} of {n_all} loaded"
    );
    #[cfg(target_os = "linux")]
    for (which, most, before) in before {
        let more = peak(which) - before;
        println!("{which} grew by {} MiB", more >> 20);
        assert!(more < most, "{which} grew by {} MiB", more >> 20);
    }
}

#[test]
fn a_spoiled_gguf_file_is_an_error_or_a_model_of_unchanged_shapes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    let original = Gguf::small();
    fs::write(&path, original.bytes()).expect("written");
    let parameters = load(&path).expect("the file is in order");
    let mut random = Random(7);
    let (mut failures, mut n_loaded) = (Vec::new(), 0);
    for number in 0..N_GGUF_MUTANTS {
        let (how, bytes) = gguf_file::damage(&original, &mut random);
        fs::write(&path, bytes).expect("written");
        match try_load(&path, &parameters, &format!("mutant {number}: {how}")) {
            Ok(loaded) => n_loaded += usize::from(loaded),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        n_loaded > N_GGUF_MUTANTS / 50 && n_loaded < N_GGUF_MUTANTS / 2,
        "{n_loaded}"
    );
}

/// A link that leads to itself, and one that leads nowhere.
#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_a_bad_directory() {
    use std::os::unix::fs::symlink;
    for fixture in fixtures() {
        let original = load(&fixture).expect("the fixture is in order");
        for file in ["config.json", "model.safetensors", "tokenizer.json"] {
            for target in [file, "nowhere"] {
                let folder = tempfile::tempdir().expect("a folder");
                write(folder.path(), &damage::read(&fixture));
                let link = folder.path().join(file);
                let _ = fs::remove_file(&link);
                symlink(target, &link).expect("linked");
                let loaded = try_load(folder.path(), &original, "a link");
                assert_eq!(loaded, Ok(false), "{file} -> {target}");
            }
        }
    }
}
