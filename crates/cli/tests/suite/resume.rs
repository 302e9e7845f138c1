//! `train --resume`, and what signals do to a run.

use super::program::{Program, text, words};
use super::train::{agrees_with_its_table, metrics};
use super::trained::{self, STEPS};
use std::fs;
#[cfg(unix)]
use std::io::Read;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::{Child, Command, Stdio};

/// Cut off behind its second checkpoint, a run does the rest as it did it before; on a finished one there is nothing to do.
pub(crate) fn a_run_that_was_cut_off_goes_on_to_the_last_bit(program: Program) {
    for trained in [trained::gpt(program), trained::transformer(program)] {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("run");
        copy(&trained.run, &run);
        let newest = checkpoint(&run, STEPS);
        fs::remove_dir_all(&newest).expect("removed");
        fs::remove_dir_all(run.join("last")).expect("removed");
        let resume = |options: &[&str]| {
            let recipe = trained.run.join("config.toml");
            let arguments = ["train", "--config", text(&recipe)];
            program.run(arguments.into_iter().chain(options.iter().copied()))
        };
        let told = resume(&["--resume", text(&run)]).success().stderr;
        assert!(told.contains("going on behind step 10"), "{told}");
        for file in ["last/model.safetensors", "best/model.safetensors"] {
            let [found, expected] = [&run, &trained.run].map(|run| fs::read(run.join(file)));
            assert!(
                found.expect("weights") == expected.expect("weights"),
                "{file}"
            );
        }
        let losses = |run: &Path| {
            let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
            let timeless = |line: &str| line.split(",\"tokens_per_s\"").next().map(str::to_owned);
            metrics
                .lines()
                .filter(|line| line.contains("train"))
                .map(timeless)
                .collect::<Vec<_>>()
        };
        assert_eq!(losses(&run), losses(&trained.run));
        let told = resume(&["--out", text(&run), "--resume"]).success().stderr;
        assert!(
            told.contains(&format!("going on behind step {STEPS}")),
            "{told}"
        );

        fs::write(newest.join("model.safetensors"), "spoiled").expect("written");
        let told = resume(&["--resume", "auto", "--out", text(&run)])
            .success()
            .stderr;
        assert!(told.contains("model.safetensors has 7 bytes"), "{told}");
        assert!(told.contains("going on behind step 10"), "{told}");
        let from = checkpoint(&run, 5);
        let told = resume(&["--resume", text(&from)]).success().stderr;
        assert!(told.contains("going on behind step 5,"), "{told}");
        agrees_with_its_table(&run, &metrics(&run));

        // By its own recipe.
        for options in [["--resume", text(&run)], ["--resume", text(&from)]] {
            let told = program.run(["train"].into_iter().chain(options));
            let told = told.success().stderr;
            assert!(told.contains("going on behind step"), "{told}");
        }
        let told = program.run(["train", "--resume", "--out", text(&run)]);
        assert!(told.success().stderr.contains("going on behind step"));
        let nowhere = program.run(["train", "--resume"]);
        assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
        assert!(
            nowhere.stderr.contains("there is none: give --config"),
            "{nowhere:?}"
        );
        let none = program.run(["train", "--resume", text(&folder.path().join("no"))]);
        assert_eq!(none.code, Some(4), "{none:?}");

        let other = resume(&["--resume", text(&run), "--set", "train.lr=0.5"]);
        assert_eq!(other.code, Some(2), "{other:?}");
        assert!(
            other.stderr.contains("train.lr was 0.01 and is 0.5"),
            "{other:?}"
        );
        assert!(other.stderr.contains("begin a new run: another --out"));
        let other = resume(&["--resume", text(&run), "--out", text(folder.path())]);
        assert_eq!(other.code, Some(2), "{other:?}");
        let none = resume(&["--resume", text(&folder.path().join("no"))]);
        assert_eq!(none.code, Some(4), "{none:?}");
        // Killed while it wrote down its recipe.
        let anew = folder.path().join("anew");
        fs::create_dir_all(anew.join(".config.toml.x1")).expect("made");
        let told = resume(&["--resume", "auto", "--out", text(&anew)])
            .success()
            .stderr;
        assert!(told.contains("no checkpoint yet"), "{told}");
    }
}

/// SIGUSR1 asks for a checkpoint; SIGINT and SIGTERM for one and the end, from which the run goes on.
#[cfg(unix)]
pub(crate) fn signals_save_and_stop_a_run(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (recipe, data) = (folder.path().join("r.toml"), folder.path().join("text.txt"));
    fs::write(&recipe, trained::recipe("gpt")).expect("written");
    fs::write(&data, trained::song()).expect("written");
    let run = folder.path().join("run");
    let mut last = 0;
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = Command::new(program.path)
            .args(["train", "--config", text(&recipe), "--data", text(&data)])
            .args([
                "--out",
                text(&run),
                "--resume",
                "auto",
                "--set",
                "train.log_every=1",
            ])
            .args(words(
                "--set train.steps=100000000 --set train.validate_every=100000000",
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // A step behind the last that was saved: the loop is running.
        wait(&mut child, &|| last_step(&run) > last);
        if last == 0 {
            signal(&child, "USR1");
            wait(&mut child, &|| !saved(&run).is_empty());
            last = *saved(&run).last().expect("a checkpoint");
            wait(&mut child, &|| last_step(&run) > last);
        }
        signal(&child, name);
        let (status, told) = (child.wait().expect("an end"), told(&mut child));
        assert_eq!(status.code(), Some(code), "{told}");
        let newest = *saved(&run).last().expect("a checkpoint");
        assert!(newest > last, "{newest}, {last}: {told}");
        assert!(
            told.contains(&format!("stopped at step {newest} of")),
            "{told}"
        );
        assert!(
            name == "INT" || told.contains(&format!("going on behind step {last},")),
            "{told}"
        );
        assert_eq!(
            last_step(&run),
            newest,
            "the metrics end where the checkpoint stands"
        );
        last = newest;
    }
}

#[cfg(unix)]
pub(crate) fn a_quickstart_stops_behind_a_checkpoint_too(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let mut child = Command::new(program.path)
        .args(["quickstart", "--out", text(&run)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    wait(&mut child, &|| last_step(&run) > 0);
    signal(&child, "TERM");
    let (status, told) = (child.wait().expect("an end"), told(&mut child));
    assert_eq!(status.code(), Some(143), "{told}");
    let newest = *saved(&run).last().expect("a checkpoint");
    assert!(
        told.contains(&format!("stopped at step {newest} of 800")),
        "{told}"
    );
    assert!(told.contains(&format!("--resume {}", text(&run))), "{told}");
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let number = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &number]).status();
    assert!(sent.expect("kill runs").success());
}

/// What a process that has ended wrote to its standard error.
#[cfg(unix)]
fn told(child: &mut Child) -> String {
    let mut told = String::new();
    let stderr = child.stderr.as_mut().expect("a pipe");
    stderr.read_to_string(&mut told).expect("text in UTF-8");
    told
}

/// Waits until a running process has done something.
#[cfg(unix)]
fn wait(child: &mut Child, is_done: &dyn Fn() -> bool) {
    // A software adapter compiles its kernels before the first step.
    for _ in 0..60_000 {
        if is_done() {
            return;
        }
        if let Some(status) = child.try_wait().expect("a status") {
            panic!("ended with {status}: {}", told(child));
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().expect("it runs");
    panic!("nothing happened for ten minutes: {}", told(child));
}

/// The last step of a run's metrics; 0 if there is none.
#[cfg(unix)]
fn last_step(run: &Path) -> u64 {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let line = metrics.lines().rev().find(|line| line.ends_with('}'));
    let metric: Option<serde_json::Value> = line.and_then(|line| serde_json::from_str(line).ok());
    metric.map_or(0, |metric| metric["step"].as_u64().expect("a step"))
}

/// The steps of a run's checkpoints.
#[cfg(unix)]
fn saved(run: &Path) -> Vec<u64> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten();
    let step = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_prefix("step-")?.parse().ok()
    };
    let mut steps: Vec<u64> = entries.filter_map(step).collect();
    steps.sort_unstable();
    steps
}

fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(format!("checkpoints/step-{step:08}"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copied = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).expect("copied");
        }
    }
}
