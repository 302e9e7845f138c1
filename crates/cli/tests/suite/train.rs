//! `train` and `inspect`: what a run leaves, and that it leaves the same each time.

use super::program::{Program, text, words};
use super::trained::{self, STEPS, Trained, VERSE_STEPS, recipe};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

pub(crate) fn a_run_leaves_its_recipe_models_metrics_and_picture(program: Program) {
    for (trained, n_steps, validated) in [
        (trained::by_heart(program), VERSE_STEPS, &[20, 40][..]),
        (trained::transformer(program), STEPS, &[5, 10, 12]),
    ] {
        for name in ["best", "last"] {
            for file in ["config.json", "model.safetensors", "tokenizer.json"] {
                assert!(trained.run.join(name).join(file).is_file(), "{name}/{file}");
            }
        }
        let recipe = fs::read_to_string(trained.run.join("config.toml")).expect("a recipe");
        assert!(recipe.contains(text(&trained.data)), "{recipe}");
        let picture = fs::read_to_string(trained.run.join("loss.svg")).expect("a picture");
        assert!(picture.starts_with("<svg") && picture.contains("validation"));

        let metrics = metrics(&trained.run);
        let logged: Vec<u64> = (2..=n_steps).step_by(2).collect();
        assert_eq!(steps(&metrics, "train"), logged);
        assert_eq!(steps(&metrics, "validation"), validated);
        let validations = losses(&metrics, "validation");
        assert!(validations.last() < validations.first(), "{validations:?}");
        for metric in of(&metrics, "validation") {
            let loss = metric["loss"].as_f64().expect("a loss");
            assert_close(&metric["perplexity"], loss.exp());
        }
        agrees_with_its_metrics(trained, n_steps, &metrics);
        agrees_with_its_table(&trained.run, &metrics);
    }
}

/// `metrics.csv` has a row for each metric, and there is one file for TensorBoard.
pub(crate) fn agrees_with_its_table(run: &Path, metrics: &[Value]) {
    let table = fs::read_to_string(run.join("metrics.csv")).expect("a table");
    let losses = table.lines().skip(1).map(|row| {
        let loss = row.split(',').nth(2).expect("a column");
        loss.parse::<f64>().expect("a number")
    });
    assert!(losses.eq(metrics.iter().filter_map(|metric| metric["loss"].as_f64())));
    let entries = fs::read_dir(run).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let is_events = |name: &std::ffi::OsString| text(Path::new(name)).contains("tfevents");
    assert_eq!(names.filter(is_events).count(), 1);
}

pub(crate) fn a_recipe_is_printed_as_it_would_be_trained(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, run) = (folder.path().join("r.toml"), folder.path().join("run"));
    fs::write(&path, recipe("gpt")).expect("written");
    let print = |path: &Path, options: &str| {
        let arguments = ["train", "--print-config", "--config", text(path)];
        let out = ["--out", text(&run)];
        program.run(arguments.into_iter().chain(out).chain(words(options)))
    };
    // No data is read, so that it need not be there.
    let options = "--data nowhere.txt --set train.lr=0.5 --seed 7";
    let printed = print(&path, options).success().stdout;
    for line in ["lr = 0.5", "seed = 7", "paths = [\"nowhere.txt\"]"] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
    let again = folder.path().join("again.toml");
    fs::write(&again, &printed).expect("written");
    assert_eq!(print(&again, "").success().stdout, printed);
    let recipe = print(&again, "--json").success().json();
    assert_eq!(recipe["train"]["lr"], 0.5);
    assert_eq!(recipe["data"]["paths"], json!(["nowhere.txt"]));
    let bad = print(&path, "--data nowhere.txt --set train.lr=-1");
    assert_eq!((bad.code, &*bad.stdout), (Some(2), ""));
    assert!(bad.stderr.contains("train.lr"), "{}", bad.stderr);
    assert!(!run.exists());
}

pub(crate) fn a_dry_run_tells_what_a_run_costs_and_writes_nothing(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("runs/run");
    for trained in [trained::gpt(program), trained::transformer(program)] {
        let recipe = trained.run.join("config.toml");
        let rehearse = |options: &str| {
            let arguments = ["train", "--dry-run", "--config", text(&recipe)];
            program.run(arguments.into_iter().chain(words(options)))
        };
        let out = format!("--out {}", text(&run));
        let result = rehearse(&format!("{out} --json")).success().json();
        let number = |value: &Value| value.as_f64().expect("a number");
        for key in ["flops_per_step", "ms_per_step", "validation_s", "seconds"] {
            assert!(number(&result[key]) > 0.0, "{key} in {result}");
        }
        let model = trained.best();
        let inspected = program.run(["inspect", "--json", "--model", text(&model)]);
        let inspected = inspected.success().json();
        assert_eq!(result["n_parameters"], inspected["n_parameters"]);
        assert_eq!(
            (&result["steps"], &result["validations"]),
            (&json!(12), &json!(3))
        );
        let memory = result["memory"].as_object().expect("parts");
        let parts: f64 = memory.values().map(|part| number(&part["mb"])).sum();
        assert!((parts - number(&result["memory_mb"])).abs() < 1e-6);
        let bytes = number(&inspected["bytes"]) / 1e6;
        assert_close(&memory["weights"]["mb"], bytes);
        assert_close(&memory["optimizer"]["mb"], 2.0 * bytes);
        let shown = rehearse(&out).success().stdout;
        for part in [
            "4 bytes a parameter",
            "GFLOP",
            "the run: 12 steps and 3 validations",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let missing = rehearse("--data nowhere.txt");
        assert_eq!(missing.code, Some(5), "{missing:?}");
        let occupied = rehearse(&format!("--out {}", text(&trained.run)));
        assert_eq!(occupied.code, Some(2), "{occupied:?}");
    }
    let mut left = fs::read_dir(folder.path()).expect("a folder");
    assert!(left.next().is_none(), "nothing is written");
}

/// It writes what it has learnt: `a_text_that_was_learnt_by_heart_is_streamed` in `generate`.
pub(crate) fn a_text_is_learnt_to_a_tenth_of_the_first_loss(program: Program) {
    let metrics = metrics(&trained::by_heart(program).run);
    let training = losses(&metrics, "train");
    let [first, last] = [training.first(), training.last()].map(|loss| *loss.expect("a loss"));
    assert!(last < first / 10.0, "{training:?}");
}

/// What `--json` says of a run is what its metrics say.
fn agrees_with_its_metrics(trained: &Trained, n_steps: u64, metrics: &[Value]) {
    let result: Value = serde_json::from_str(&trained.stdout).expect("one JSON object");
    let losses = losses(metrics, "validation");
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(result["folder"], json!(trained.run));
    assert_eq!(result["steps"], n_steps);
    assert_close(&result["best_loss"], best);
    assert_close(&result["last_loss"], losses[losses.len() - 1]);
    assert_close(&result["perplexity"], best.exp());
    let best_step = of(metrics, "validation")
        .find(|metric| metric["loss"].as_f64() == Some(best))
        .map(|metric| &metric["step"]);
    assert_eq!(Some(&result["best_step"]), best_step);
}

pub(crate) fn one_seed_trains_one_model_to_the_last_bit(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    for trained in [trained::gpt(program), trained::transformer(program)] {
        let weights = |run: &Path| fs::read(run.join("best/model.safetensors")).expect("weights");
        let again = |name: &str, options: &str| {
            let out = folder.path().join(name);
            let _ = fs::remove_dir_all(&out);
            // The recipe as resolved is all that is needed to repeat a run.
            let recipe = trained.run.join("config.toml");
            let arguments = [
                "train",
                "-q",
                "--config",
                text(&recipe),
                "--out",
                text(&out),
            ];
            let finished = program.run(arguments.into_iter().chain(words(options)));
            let finished = finished.success();
            assert_eq!((&*finished.stdout, &*finished.stderr), ("", ""));
            out
        };
        let same = again("same", "");
        let (expected, found) = (metrics(&trained.run), metrics(&same));
        for split in ["train", "validation"] {
            assert_eq!(losses(&found, split), losses(&expected, split), "{split}");
        }
        assert!(weights(&same) == weights(&trained.run), "other weights");

        let other = again("other", "--seed 5");
        assert_ne!(
            losses(&metrics(&other), "train"),
            losses(&expected, "train")
        );
        let set = again("set", "--set train.seed=5");
        assert!(weights(&other) == weights(&set), "--seed is train.seed");
    }
}

pub(crate) fn a_model_that_was_trained_can_be_inspected(program: Program) {
    let cases = [
        (trained::gpt(program), "gpt"),
        (trained::transformer(program), "transformer"),
    ];
    for (trained, architecture) in cases {
        let model = trained.best();
        let result = program
            .run(["inspect", "--json", "--model", text(&model)])
            .success()
            .json();
        assert_eq!(result["architecture"], architecture);
        let parameters = result["parameters"].as_array().expect("parameters");
        let size = |parameter: &Value| -> u64 {
            let shape = parameter["shape"].as_array().expect("a shape");
            shape.iter().filter_map(Value::as_u64).product()
        };
        let n_parameters: u64 = parameters.iter().map(size).sum();
        assert_eq!(result["n_parameters"], n_parameters);
        assert_eq!(result["bytes"], 4 * n_parameters);
        let vocab = result["tokenizer_vocab"].as_u64().expect("a vocabulary");
        assert!((10..=300).contains(&vocab), "{vocab}");

        let shown = program
            .run(["inspect", "--model", text(&model)])
            .success()
            .stdout;
        let expected = format!("{architecture}, written as");
        assert!(
            shown.contains(&expected) && shown.contains("parameters"),
            "{shown}"
        );
        assert!(
            shown.contains(&format!("tokenizer of {vocab} tokens")),
            "{shown}"
        );
    }
}

pub(crate) fn a_run_shows_where_it_is_unless_it_is_told_to_be_quiet(program: Program) {
    let trained = trained::gpt(program);
    let run = text(&trained.run);
    let next = format!("next: {} generate --model {run}/best", program.path);
    let expected = [
        "parameters; ",
        "tokens to train on",
        "step 5: validation loss",
        "step 12: ",
        &next,
    ];
    for part in expected {
        assert!(
            trained.stderr.contains(part),
            "{part:?} in {}",
            trained.stderr
        );
    }
}

pub(crate) fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let parse = |line| serde_json::from_str(line).expect("a metric");
    text.lines().map(parse).collect()
}

fn of<'a>(metrics: &'a [Value], split: &'a str) -> impl Iterator<Item = &'a Value> {
    metrics
        .iter()
        .filter(move |metric| metric["split"] == split)
}

fn steps(metrics: &[Value], split: &str) -> Vec<u64> {
    let step = |metric: &Value| metric["step"].as_u64().expect("a step");
    of(metrics, split).map(step).collect()
}

pub(crate) fn losses(metrics: &[Value], split: &str) -> Vec<f64> {
    let loss = |metric: &Value| metric["loss"].as_f64().expect("a loss");
    of(metrics, split).map(loss).collect()
}

fn assert_close(found: &Value, expected: f64) {
    let number = found.as_f64().unwrap_or(f64::NAN);
    let off = (number - expected).abs() / expected;
    assert!(off < 1e-9, "{found}, expected {expected}");
}
