//! `--shard`: what processes write of their parts is, one behind the other, what one process writes of everything.

use super::program::{Finished, Program, text, words};
use super::trained;
use std::fs;
use std::path::Path;
use std::process::Command;

const COUNT: usize = 3;

/// What a command writes of the whole, and of each part.
fn parts_are_the_whole(program: Program, command: &[&str]) -> Vec<Finished> {
    let whole = program.run(command).success().stdout;
    assert!(!whole.is_empty());
    let parts: Vec<Finished> = (0..COUNT)
        .map(|index| {
            let shard = format!("{index}/{COUNT}");
            let own = ["--shard", &shard];
            program.run(command.iter().chain(&own)).success()
        })
        .collect();
    let merged: String = parts.iter().map(|part| part.stdout.as_str()).collect();
    assert_eq!(merged, whole, "{command:?}");
    assert!(parts.iter().all(|part| part.stdout.len() < whole.len()));
    parts
}

fn sources(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("sources.txt");
    let lines = "one red apple\n\nfive calm roads\ntwo old houses\nthree new tables\nfour red roads\none old apple\n";
    fs::write(&path, lines).expect("a file");
    path
}

pub(crate) fn translations_of_parts_are_those_of_the_whole(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, model) = (sources(folder.path()), trained::transformer(program).best());
    let command = [
        "translate",
        "-q",
        "--model",
        text(&model),
        "--input",
        text(&input),
    ];
    for options in [
        "--beam 4 --batch-size 2",
        "--beam 3 --n-best 2 --batch-size 1 --json",
        // More parts than batches: one has nothing to do.
        "--beam 2 --batch-size 4 --json",
    ] {
        let command: Vec<&str> = command.into_iter().chain(words(options)).collect();
        parts_are_the_whole(program, &command);
    }
    let output = folder.path().join("part.txt");
    let part = [
        "--shard",
        "1/3",
        "--batch-size",
        "2",
        "--output",
        text(&output),
    ];
    program.run(command.iter().chain(&part)).success();
    let shown = program.run(command.iter().chain(&part[..4])).success();
    let written = fs::read_to_string(&output).expect("a file");
    assert_eq!(written, shown.stdout);
}

pub(crate) fn texts_of_parts_are_those_of_the_whole(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let prompts = folder.path().join("prompts.txt");
    fs::write(&prompts, "la nuit\nle soir\nétoile\nchante\net la\n").expect("a file");
    let model = trained::gpt(program).best();
    let command = [
        "generate",
        "-q",
        "--model",
        text(&model),
        "--max-new-tokens",
        "12",
    ];
    let lines = ["--prompt-lines", text(&prompts), "--seed", "7"];
    for options in [
        "--temperature 0.9 --top-k 10 --batch-size 2",
        "--samples 3 --batch-size 2 --json",
        "--beam 2 --samples 2 --batch-size 1 --json",
    ] {
        let command = command.into_iter().chain(lines).chain(words(options));
        parts_are_the_whole(program, &command.collect::<Vec<_>>());
    }
}

pub(crate) fn what_is_read_in_parts_is_what_is_read_at_once(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("texts.txt");
    let lines: String = (5..12)
        .map(|i| format!("w{i} w{} w{}\n", 2 * i, 3 * i))
        .collect();
    fs::write(&input, lines).expect("a file");
    let classifier = super::reading::Model::of("bert-classify");
    for (command, options) in [("classify", "--top 2"), ("embed", "--json")] {
        let command = [command, "-q", "--model", text(&classifier.path)];
        let more = ["--batch-size", "2", "--input", text(&input)];
        let command = command.into_iter().chain(more).chain(words(options));
        parts_are_the_whole(program, &command.collect::<Vec<_>>());
    }

    // Tokens one behind the other, totals added up.
    let pairs = folder.path().join("pairs.tsv");
    let line = |i: usize| format!("{} red apple\t{i} pomme rouge\n", ["one", "two"][i % 2]);
    fs::write(&pairs, (0..40).map(line).collect::<String>()).expect("a file");
    let model = trained::transformer(program).best();
    let command = [
        "score",
        "-q",
        "--json",
        "--per-token",
        "--model",
        text(&model),
    ];
    let command: Vec<&str> = command
        .into_iter()
        .chain(["--input", text(&pairs)])
        .collect();
    let score = |shard: &[&str]| {
        let mut lines = program
            .run(command.iter().chain(shard))
            .success()
            .json_lines();
        let total = lines.pop().expect("a total");
        (
            lines,
            ["nll", "n_tokens", "n_bytes"].map(|key| total[key].as_f64().expect("a number")),
        )
    };
    let (whole, expected) = score(&[]);
    let (mut merged, mut sums) = (Vec::new(), [0.0; 3]);
    for shard in ["0/2", "1/2"] {
        let (lines, total) = score(&["--shard", shard]);
        merged.extend(lines);
        for (sum, part) in sums.iter_mut().zip(total) {
            *sum += part;
        }
    }
    assert_eq!(merged, whole);
    for (sum, expected) in sums.iter().zip(expected) {
        assert!((sum / expected - 1.0).abs() < 1e-12, "{sum} {expected}");
    }
    let gpt = trained::gpt(program).best();
    let refused = program.run(["score", "--shard", "0/2", "--model", text(&gpt)]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("needs pairs"), "{refused:?}");
}

pub(crate) fn a_scheduler_says_which_part(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let input = sources(folder.path());
    let model = trained::transformer(program).best();
    let command = [
        "translate",
        "-q",
        "--beam",
        "1",
        "--batch-size",
        "1",
        "--model",
        text(&model),
    ];
    let command = || {
        command
            .into_iter()
            .chain(["--input", text(&input), "--shard"])
    };
    let run = |shard: &str, variables: &[(&str, &str)]| {
        let mut started = Command::new(program.path);
        started
            .args(command())
            .arg(shard)
            .envs(variables.iter().copied());
        let output = started.output().expect("the program starts");
        let [shown, told] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8(bytes).expect("text in UTF-8"));
        (output.status.code(), shown, told)
    };
    let expected = run("2/3", &[]);
    assert_eq!(expected.0, Some(0), "{expected:?}");
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "12"),
        ("SLURM_ARRAY_TASK_MIN", "10"),
        ("SLURM_ARRAY_TASK_COUNT", "3"),
    ];
    let pods = [("JOB_COMPLETION_INDEX", "2"), ("JOB_COMPLETIONS", "3")];
    assert_eq!(run("auto", &slurm), expected);
    assert_eq!(run("auto", &pods), expected);
    let (code, _, told) = run("auto", &[("JOB_COMPLETION_INDEX", "3"), pods[1]]);
    assert_eq!(code, Some(2));
    assert!(told.contains("JOB_COMPLETION_INDEX is \"3\""), "{told}");
    let (code, _, told) = run("auto", &[]);
    assert_eq!(code, Some(2));
    assert!(told.contains("--shard auto"), "{told}");
    let (code, _, told) = run("3/3", &[]);
    assert_eq!(code, Some(2));
    assert!(told.contains("counted from 0"), "{told}");
}
