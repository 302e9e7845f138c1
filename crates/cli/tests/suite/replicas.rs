//! `train --replicas`: several processes are as good as one, and none of them outlives the others.

use super::program::{Program, text, words};
use super::tensors::read_all;
use super::train::{losses, metrics};
use super::trained::{recipe, song};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What pairs are made of, as lines of a source and a target.
pub(crate) fn pairs() -> String {
    let line = |i: usize| format!("{} {}\t{} {}\n", i % 7, i % 5, i % 5, i % 7);
    (0..200).map(line).collect()
}

pub(crate) fn replicas_train_what_one_process_would(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    for (architecture, data) in [("gpt", song()), ("transformer", pairs())] {
        let [config, text_file] = ["toml", "data"].map(|kind| {
            let name = format!("{architecture}.{kind}");
            folder.path().join(name)
        });
        // Dropout is drawn by each replica for itself.
        let mut recipe = recipe(architecture)
            .replace("dropout = 0.1", "dropout = 0.0")
            .replace("[train]\n", "[train]\nema = 0.9\n");
        recipe += match architecture {
            // What is changed in a pair follows from its place in the data.
            "transformer" => "\n[augment]\nword_dropout = 0.2\nbpe_dropout = 0.2\n",
            // Most of the model is not trained.
            _ => "\n[lora]\nrank = 2\n",
        };
        fs::write(&config, recipe).expect("a file");
        fs::write(&text_file, data).expect("a file");
        let train = |replicas: usize, more: &str| {
            let out = folder
                .path()
                .join(format!("{architecture}-{replicas}{more}"));
            let number = replicas.to_string();
            let arguments = [
                "train",
                "-q",
                "--config",
                text(&config),
                "--data",
                text(&text_file),
            ];
            let options = ["--replicas", &number, "--out", text(&out)];
            let all = arguments.into_iter().chain(options).chain(words(more));
            program.run(all).success();
            out
        };
        let optimizer = |run: &Path| read_all(&newest(run).join("optimizer.safetensors"));
        // Three of them, to share eight rows unequally.
        let [one, three] = [1, 3].map(|n| train(n, ""));
        for split in ["train", "validation"] {
            let [one, three] = [&one, &three].map(|run| losses(&metrics(run), split));
            assert_eq!(one.len(), three.len());
            for (one, three) in one.iter().zip(&three) {
                assert!((one / three - 1.0).abs() < 1e-5, "{split}: {one} {three}");
            }
        }
        // What each remembers of its part of the parameters is saved as one would remember all of it. Twelve updates by Adam move
        // what hardly matters by a thousandth; what was not gathered would be zero. A key's bias changes nothing: its gradients are
        // what rounding leaves.
        let [one, of_three] = [optimizer(&one), optimizer(&three)];
        assert!(one.keys().eq(of_three.keys()));
        for (name, one) in one.iter().filter(|(name, _)| !name.contains("key.bias")) {
            let largest = one.iter().fold(0f32, |largest, x| largest.max(x.abs()));
            let mut pairs = one.iter().zip(&of_three[name]);
            let off = pairs.find(|(one, three)| (*one - *three).abs() > 0.01 * largest);
            assert_eq!(off, None, "{name}, where the largest is {largest}");
        }
        let recipe = fs::read_to_string(three.join("config.toml")).expect("a recipe");
        assert!(recipe.contains("replicas = 3"), "{recipe}");
        // With accumulation, and to the last bit whenever it is run.
        let more = "--set train.accumulate=2";
        let (run, again) = (
            train(2, more),
            train(2, &format!("{more} --set train.keep_checkpoints=2")),
        );
        let weights = |run: &Path| fs::read(run.join("last/model.safetensors")).expect("weights");
        assert!(weights(&run) == weights(&again));
        // From the checkpoint before the last, too.
        fs::remove_dir_all(newest(&again)).expect("removed");
        fs::remove_dir_all(again.join("last")).expect("removed");
        let arguments = ["train", "-q", "--resume", text(&again)];
        program.run(arguments).success();
        assert!(weights(&run) == weights(&again));
        assert!(optimizer(&run) == optimizer(&again));
    }
}

/// The newest checkpoint of a run.
fn newest(run: &Path) -> PathBuf {
    let entries = fs::read_dir(run.join("checkpoints")).expect("checkpoints");
    let paths = entries.map(|entry| entry.expect("a checkpoint").path());
    paths.max().expect("one at least")
}

/// A run of two replicas that takes long; when it returns, both are at work.
fn start(program: Program, folder: &Path) -> (std::process::Child, u32) {
    let [config, data, out] = ["recipe.toml", "text", "run"].map(|name| folder.join(name));
    fs::write(&config, recipe("gpt")).expect("a file");
    fs::write(&data, song()).expect("a file");
    let child = Command::new(program.path)
        .args(["train", "--config", text(&config), "--data", text(&data)])
        .args(["--out", text(&out), "--replicas", "2"])
        .args([
            "--set",
            "train.steps=1000000000",
            "--set",
            "train.log_every=1",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let is_at_work = || fs::read(out.join("metrics.jsonl")).is_ok_and(|lines| !lines.is_empty());
    wait_for("the first step", is_at_work);
    let other = children(child.id()).trim().parse().expect("one child");
    (child, other)
}

/// The processes that a process started, from whichever of its threads.
fn children(process: u32) -> String {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    let of = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children"));
    let all = threads.map(|thread| thread.and_then(of));
    all.collect::<Result<_, _>>().expect("its children")
}

pub(crate) fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{what} does not come"
        );
        sleep(Duration::from_millis(10));
    }
}

pub(crate) fn kill(process: u32) {
    let number = process.to_string();
    let status = Command::new("kill").args(["-s", "KILL", &number]).status();
    assert!(status.expect("kill runs").success());
}

/// Whether a process is there and not waiting to be buried.
pub(crate) fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

#[cfg(target_os = "linux")]
pub(crate) fn none_outlives_the_others(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, other) = start(program, folder.path());
    kill(other);
    let output = first.wait_with_output().expect("an end");
    let told = String::from_utf8(output.stderr).expect("text in UTF-8");
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("replica 1 is gone"), "{told}");

    let folder = tempfile::tempdir().expect("a folder");
    let (mut first, other) = start(program, folder.path());
    kill(first.id());
    first.wait().expect("an end");
    wait_for("the end of the other", || !is_alive(other));
}
