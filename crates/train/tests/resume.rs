//! A run that was cut off and goes on is the run that was not, to the last bit.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use hearth_train::{
    Event, Metric, Outcome, Recipe, Request, Resume, RunOptions, TrainError, held_out_pairs,
    read_metrics, run_with,
};

const STEPS: u64 = 14;

/// Where runs are cut off: 5 is inside an epoch of pairs, and between two lines of the metrics and two validations; 8 is an
/// epoch's edge.
const CUTS: [u64; 2] = [5, 8];

/// A GPT over text, with dropout.
const GPT: &str = "
    [model]
    architecture = 'gpt'
    d_model = 16
    n_heads = 2
    n_layers = 1
    max_positions = 8
    dropout = 0.1
    [data]
    embedded = 'cicero'
    [tokenizer]
    kind = 'characters'
    [train]
    batch_size = 2
";

/// An encoder-decoder on texts that change at random, by another rule; eight batches make an epoch.
const PAIRS: &str = "
    augment = { word_dropout = 0.2, bpe_dropout = 0.2 }
    tokenizer = { vocab = 300 }
    [model]
    architecture = 'transformer'
    d_model = 16
    n_heads = 2
    n_layers = 1
    max_positions = 64
    dropout = 0.1
    [data]
    embedded = 'number-words'
    n_numbers = 100
    [train]
    batch_size = 12
    optimizer = 'sgd'
    nesterov = true
    lr = 0.05
";

/// A recurrent network whose gradients are cut off, by another rule.
const LSTM: &str = "
    [model]
    architecture = 'lstm'
    d_model = 16
    n_layers = 2
    max_positions = 12
    dropout = 0.1
    [data]
    embedded = 'cicero'
    [tokenizer]
    kind = 'characters'
    [train]
    batch_size = 2
    bptt = 4
    optimizer = 'rmsprop'
";

/// Adapters and their running mean, two batches a step, and a learning rate that validations change.
const ADAPTED: &str = "
    model = { architecture = 'gpt', d_model = 16, n_heads = 2, n_layers = 1, max_positions = 8, dropout = 0.1 }
    data = { embedded = 'cicero' }
    tokenizer = { kind = 'characters' }
    train = { batch_size = 2, accumulate = 2, ema = 0.9, schedule = 'plateau', plateau_patience = 1, lr = 1e-9 }
    lora = { rank = 2 }
";

fn recipe(text: &str, set: &[&str]) -> Recipe {
    let common = [
        &format!("train.steps={STEPS}"),
        "train.validate_every=6",
        "train.checkpoint_every=4",
        "train.log_every=3",
        "train.warmup_steps=3",
    ];
    let set: Vec<String> = common
        .iter()
        .chain(set)
        .map(|&set| set.to_owned())
        .collect();
    Recipe::parse(text, Path::new("recipe.toml"), &set, &[]).expect("a recipe")
}

/// Backends have one random generator a process: runs of one process take turns.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run that is asked to stop behind a step, if one is given; with the events it told of.
fn train<B: AutodiffBackend>(
    recipe: &Recipe,
    folder: &Path,
    resume: Resume,
    stop: Option<u64>,
) -> (Result<Outcome, TrainError>, Vec<Event>) {
    let mut events = Vec::new();
    let options = RunOptions {
        folder,
        resume,
        group: &hearth_train::Alone,
        request: &|done| match stop {
            Some(stop) if done == stop => Request::Stop,
            _ => Request::Continue,
        },
    };
    let hear = &mut |event: &Event| events.push(event.clone());
    let outcome = run_with::<B>(recipe, &options, &Default::default(), hear);
    (outcome, events)
}

/// The metrics but for their times.
fn metrics(run: &Path) -> Vec<Metric> {
    let all = read_metrics(&run.join("metrics.jsonl")).expect("metrics");
    let timeless = |metric| Metric {
        tokens_per_s: None,
        seconds: 0.0,
        time: None,
        ..metric
    };
    all.into_iter().map(timeless).collect()
}

fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoints/step-{step:08}"))
}

/// Both runs have left the same.
fn assert_equal(one: &Path, other: &Path, what: &str) {
    let last = checkpoint(Path::new(""), STEPS);
    for file in [
        Path::new("last/model.safetensors"),
        Path::new("best/model.safetensors"),
        &last.join("optimizer.safetensors"),
    ] {
        let [one, other] = [one, other].map(|run| fs::read(run.join(file)).expect("a file"));
        assert!(one == other, "{what}: {file:?} differs");
    }
    assert_eq!(metrics(one), metrics(other), "{what}");
}

fn resumed_step(events: &[Event]) -> Option<u64> {
    events.iter().find_map(|event| match event {
        Event::Resumed { step, .. } => Some(*step),
        _ => None,
    })
}

fn goes_on_as_if_nothing_had_happened<B: AutodiffBackend>(text: &str) {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(text, &[]);
    let whole = folder.path().join("whole");
    let (outcome, _) = train::<B>(&recipe, &whole, Resume::No, None);
    let outcome = outcome.expect("a run");
    assert_eq!(outcome.stopped_at, None);
    for stop in CUTS {
        let run = folder.path().join(format!("stopped at {stop}"));
        let (stopped, _) = train::<B>(&recipe, &run, Resume::No, Some(stop));
        assert_eq!(stopped.expect("a part").stopped_at, Some(stop));
        assert!(!run.join("last").exists());
        let (resumed, events) = train::<B>(&recipe, &run, Resume::Auto, None);
        assert_eq!(resumed_step(&events), Some(stop));
        let resumed = resumed.expect("the rest");
        assert_eq!(resumed.best, outcome.best);
        assert_eq!(resumed.best_step, outcome.best_step);
        assert_equal(&whole, &run, &format!("stopped at {stop}"));
    }
    // Killed between two checkpoints: what was done since is done again.
    let killed = folder.path().join("killed");
    train::<B>(&recipe, &killed, Resume::No, Some(11))
        .0
        .expect("a part");
    fs::remove_dir_all(checkpoint(&killed, 11)).expect("removed");
    let (resumed, events) = train::<B>(&recipe, &killed, Resume::Newest, None);
    assert_eq!(resumed_step(&events), Some(8));
    resumed.expect("the rest");
    assert_equal(&whole, &killed, "killed");
    // There is nothing left to do, and nothing is done.
    let (done, events) = train::<B>(&recipe, &killed, Resume::Auto, None);
    assert_eq!(resumed_step(&events), Some(STEPS));
    assert_eq!(done.expect("all of it").last, outcome.last);
    assert_equal(&whole, &killed, "finished");
}

macro_rules! on_both_backends {
    ($($family:ident: $recipe:ident,)*) => {
        mod flex {
            use super::*;
            $(#[test]
            fn $family() {
                goes_on_as_if_nothing_had_happened::<Autodiff<Flex>>($recipe);
            })*
        }
        mod ndarray {
            use super::*;
            $(#[test]
            fn $family() {
                goes_on_as_if_nothing_had_happened::<Autodiff<NdArray>>($recipe);
            })*
        }
    };
}

on_both_backends! {
    a_gpt_goes_on: GPT,
    a_transformer_goes_on: PAIRS,
    an_lstm_goes_on: LSTM,
    an_adapted_gpt_goes_on: ADAPTED,
}

#[test]
fn half_precision_goes_on() {
    goes_on_as_if_nothing_had_happened::<Autodiff<Flex>>(&format!("{GPT} precision = 'f16'"));
}

#[test]
fn eight_batches_of_pairs_are_an_epoch() {
    let (training, _) = held_out_pairs(&recipe(PAIRS, &[])).expect("pairs");
    assert_eq!(training.len().div_ceil(12), 8);
}

type TestBackend = Autodiff<Flex>;

/// A run with checkpoints at 4 and 8.
fn stopped(folder: &Path, recipe: &Recipe) -> PathBuf {
    let run = folder.join("run");
    let (outcome, _) = train::<TestBackend>(recipe, &run, Resume::No, Some(8));
    outcome.expect("a part");
    run
}

#[test]
fn damage_of_any_file_is_told_and_the_checkpoint_before_is_taken() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(GPT, &[]);
    let whole = folder.path().join("whole");
    let (outcome, _) = train::<TestBackend>(&recipe, &whole, Resume::No, None);
    outcome.expect("a run");
    let run = stopped(folder.path(), &recipe);
    let newest = checkpoint(&run, 8);
    let names: Vec<PathBuf> = fs::read_dir(&newest)
        .expect("a checkpoint")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(names.len(), 7, "{names:?}");
    type Damage = fn(&Path, &[u8]);
    let damages: [(&str, Damage); 4] = [
        ("cut short", |path, bytes| {
            fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
        }),
        ("longer", |path, bytes| {
            fs::write(path, [bytes, b"x"].concat()).expect("written");
        }),
        ("another byte", |path, bytes| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).expect("written");
        }),
        ("gone", |path, _| fs::remove_file(path).expect("removed")),
    ];
    for path in &names {
        let bytes = fs::read(path).expect("a file");
        let is_manifest = path.ends_with("manifest.json");
        for (damage, make) in &damages {
            make(path, &bytes);
            // Stops at once: only where it goes on from is asked.
            let (outcome, events) = train::<TestBackend>(&recipe, &run, Resume::Newest, Some(5));
            let what = format!("{path:?} {damage}: {events:?}");
            outcome.expect(&what);
            let told = events.iter().find_map(|event| match event {
                Event::Damaged { checkpoint, reason } => Some((checkpoint, reason)),
                _ => None,
            });
            let (place, reason) = told.expect(&what);
            assert_eq!(place, &newest);
            let file = path.file_name().expect("a name").to_string_lossy();
            assert!(is_manifest || reason.contains(&*file), "{what}");
            assert_eq!(resumed_step(&events), Some(4), "{what}");
            fs::remove_dir_all(checkpoint(&run, 5)).expect("removed");
            fs::write(path, &bytes).expect("mended");
        }
    }
    // What is damaged stands in nobody's way, even where it is no model directory any more.
    fs::remove_file(newest.join("config.json")).expect("removed");
    train::<TestBackend>(&recipe, &run, Resume::Auto, None)
        .0
        .expect("the rest");
    assert_equal(&whole, &run, "behind a damaged checkpoint");
}

#[test]
fn without_a_whole_checkpoint_auto_begins_anew_and_a_path_is_an_error() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(GPT, &["train.steps=2"]);
    let run = folder.path().join("run");
    let error = train::<TestBackend>(&recipe, &run, Resume::Newest, None).0;
    assert!(matches!(error, Err(TrainError::NoCheckpoint { .. })));
    let (outcome, events) = train::<TestBackend>(&recipe, &run, Resume::Auto, None);
    outcome.expect("a run");
    assert!(matches!(events[0], Event::Afresh), "{events:?}");
    fs::remove_file(checkpoint(&run, 2).join("manifest.json")).expect("removed");
    let from = Resume::From(checkpoint(&run, 2));
    for resume in [from, Resume::Newest] {
        let error = train::<TestBackend>(&recipe, &run, resume, None).0;
        let error = error.expect_err("no manifest").to_string();
        assert!(error.contains("manifest.json"), "{error}");
    }
}

#[test]
fn another_recipe_or_other_data_is_refused_by_name() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("text.txt");
    let write = |animal: &str| {
        let text = format!("the quick brown fox jumps over the lazy {animal} ");
        fs::write(&data, text.repeat(20)).expect("written");
    };
    write("dog");
    let path = format!("data.paths=['{}']", data.display());
    let text = GPT.replace("embedded = 'cicero'", "");
    let make = |set: &[&str]| recipe(&text, &[&[path.as_str()], set].concat());
    let run = stopped(folder.path(), &make(&[]));
    let again = |set: &[&str]| {
        let (outcome, _) = train::<TestBackend>(&make(set), &run, Resume::Auto, Some(9));
        outcome.map_err(|error| error.to_string())
    };
    let error = again(&["train.lr=0.5", "model.d_model=32"]).expect_err("another recipe");
    for part in [
        "step-00000008/config.toml",
        "train.lr was 0.001 and is 0.5",
        "model.d_model was 16 and is 32",
    ] {
        assert!(error.contains(part), "{error}");
    }
    again(&["train.keep_checkpoints=1", "train.checkpoint_every=5"]).expect("the same numbers");
    // As many tokens, of the same characters.
    write("god");
    let error = again(&[]).expect_err("other data");
    assert!(error.contains("other data"), "{error}");
}

#[test]
fn a_checkpoint_that_is_asked_for_is_written_and_the_run_goes_on() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(GPT, &["train.checkpoint_every=100"]);
    let (asked, run) = (Cell::new(0), folder.path().join("run"));
    // What a killed process left.
    let left_over = run.join("checkpoints/.step-00000003.aB3x");
    fs::create_dir_all(&left_over).expect("made");
    let options = RunOptions {
        request: &|done| {
            asked.set(asked.get() + 1);
            if done == 3 {
                Request::Save
            } else {
                Request::Continue
            }
        },
        ..RunOptions::new(&run)
    };
    let mut saved = Vec::new();
    let hear = &mut |event: &Event| {
        if let Event::Saved { step, checkpoint } = event {
            assert!(checkpoint.join("manifest.json").exists());
            saved.push(*step);
        }
    };
    run_with::<TestBackend>(&recipe, &options, &Default::default(), hear).expect("a run");
    assert_eq!(saved, [3, STEPS]);
    assert_eq!(asked.get(), STEPS);
    assert!(!left_over.exists());
    let (_, events) = train::<TestBackend>(&recipe, &run, Resume::From(checkpoint(&run, 3)), None);
    assert_eq!(resumed_step(&events), Some(3));
}
