//! Tiny models that the tests share: a run of each architecture, trained once a test binary.

use super::program::{Program, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A finished run and what it was trained on.
#[derive(Debug)]
pub(crate) struct Trained {
    /// The run's folder.
    pub(crate) run: PathBuf,
    /// Its data.
    pub(crate) data: PathBuf,
    /// What training wrote to standard output, with `--json`.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Trained {
    /// The best model.
    pub(crate) fn best(&self) -> PathBuf {
        self.run.join("best")
    }
}

pub(crate) const STEPS: u64 = 12;

/// The context of the gpt.
pub(crate) const CONTEXT: usize = 32;

/// A gpt on characters.
pub(crate) fn gpt(program: Program) -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = lasting_folder(program);
        let data = folder.join("text.txt");
        fs::write(&data, song()).expect("a file");
        let options = ["--data", text(&data)].map(ToOwned::to_owned);
        train(program, &folder, data, &recipe("gpt"), &options)
    })
}

/// One window of [`by_heart`]'s context, and the token behind it.
pub(crate) const VERSE: &str = "le vent chante à la nuit tombée !";

/// How long [`by_heart`] learns.
pub(crate) const VERSE_STEPS: u64 = 40;

/// A gpt that has learnt [`VERSE`], and nothing else, by heart.
pub(crate) fn by_heart(program: Program) -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = lasting_folder(program);
        let data = folder.join("verse.txt");
        fs::write(&data, VERSE).expect("a file");
        let paths = format!("[data]\npaths = [{data:?}]\nvalidation_paths = [{data:?}]\n");
        let recipe = recipe("gpt")
            .replace("[data]\n", &paths)
            .replace("d_model = 16", "d_model = 32")
            .replace("dropout = 0.1", "dropout = 0.0")
            .replace("batch_size = 8", "batch_size = 2")
            .replace("validate_every = 5", "validate_every = 20")
            .replace(
                &format!("steps = {STEPS}"),
                &format!("steps = {VERSE_STEPS}"),
            );
        train(program, &folder, data, &recipe, &[])
    })
}

/// An encoder-decoder on pairs, with a byte-pair vocabulary.
pub(crate) fn transformer(program: Program) -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = lasting_folder(program);
        let data = folder.join("pairs.tsv");
        fs::write(&data, pairs()).expect("a file");
        let options = ["--data", text(&data)].map(ToOwned::to_owned);
        train(program, &folder, data, &recipe("transformer"), &options)
    })
}

/// A model of speech, on tones.
pub(crate) fn speech(program: Program) -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = lasting_folder(program);
        let data = "[data]\nembedded = \"tones\"\nn_utterances = 40\n";
        let recipe = recipe("speech-to-text").replace("[data]\n", data);
        let recipe = recipe.replace("[data]", "n_mels = 8\nmax_source_positions = 64\n\n[data]");
        let recipe = format!("{recipe}ctc_weight = 0.3\n");
        train(program, &folder, PathBuf::new(), &recipe, &[])
    })
}

/// A recipe without data.
pub(crate) fn recipe(architecture: &str) -> String {
    let tokenizer = match architecture {
        "gpt" => "kind = \"characters\"",
        _ => "kind = \"bpe\"\nvocab = 300",
    };
    format!(
        "[model]\narchitecture = \"{architecture}\"\nd_model = 16\nn_heads = 2\nn_layers = 1\n\
         max_positions = {CONTEXT}\ndropout = 0.1\n\n[data]\n\n[tokenizer]\n{tokenizer}\n\n\
         [train]\nsteps = {STEPS}\nbatch_size = 8\nlr = 1e-2\nwarmup_steps = 4\nvalidate_every = 5\nlog_every = 2\n"
    )
}

/// Words in an order that a model can learn a little of; the first character takes two bytes.
pub(crate) fn song() -> String {
    let words = [
        "étoile", "du", "soir", "le", "vent", "chante", "et", "la", "nuit", "tombe",
    ];
    let line = |n: usize| {
        let word = |i: usize| words[(n * n + 3 * i) % words.len()];
        format!(
            "{} {} {}, {} {}.\n",
            word(0),
            word(1),
            word(2),
            word(3),
            word(n % 4)
        )
    };
    (0..100).map(line).collect()
}

fn pairs() -> String {
    let things = [
        ("apple", "pomme"),
        ("table", "table"),
        ("house", "maison"),
        ("road", "route"),
    ];
    let qualities = [
        ("red", "rouge"),
        ("large", "énorme"),
        ("new", "neuve"),
        ("calm", "calme"),
        ("old", "vieille"),
    ];
    let mut text = String::new();
    for (i, (thing, chose)) in things.iter().enumerate() {
        for (quality, qualité) in qualities {
            for (n, number) in ["one", "two", "three", "four", "five"].iter().enumerate() {
                text += &format!(
                    "{number} {quality} {thing}\t{} {chose} {qualité} {i}\n",
                    n + 1
                );
            }
        }
    }
    text
}

fn train(
    program: Program,
    folder: &Path,
    data: PathBuf,
    recipe: &str,
    options: &[String],
) -> Trained {
    let (path, run) = (folder.join("tiny.toml"), folder.join("run"));
    fs::write(&path, recipe).expect("a file");
    let arguments = [
        "train",
        "--json",
        "--config",
        text(&path),
        "--out",
        text(&run),
    ];
    let options = options.iter().map(String::as_str);
    let finished = program.run(arguments.into_iter().chain(options));
    let finished = finished.success();
    Trained {
        run,
        data,
        stdout: finished.stdout,
        stderr: finished.stderr,
    }
}

/// A folder below `target`, which outlives the process: statics are never dropped.
fn lasting_folder(program: Program) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix(program.name())
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    folder.expect("a folder").keep()
}
