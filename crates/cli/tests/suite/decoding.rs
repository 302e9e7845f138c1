//! What `generate` and `translate` do besides choosing tokens: ends, beginnings, ensembles, drafts, Ctrl-C.

use super::fixture;
use super::program::{Program, text, words};
use super::trained::{self, VERSE};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// A text ends before a string that lies across tokens, streamed or not.
pub(crate) fn a_text_ends_before_a_stop_string(program: Program) {
    let model = trained::by_heart(program).run.join("last");
    let run = |options: &str| {
        let arguments = ["generate", "--model", text(&model), "--prompt", "le vent"];
        let stops = ["--greedy", "--stop", "qqq", "--stop", "la nuit"];
        let arguments = arguments.into_iter().chain(stops);
        program.run(arguments.chain(words(options))).success()
    };
    let expected = VERSE.split("la nuit").next().expect("a beginning");
    assert_eq!(run("-q").stdout, format!("{expected}\n"));
    let result = run("-q --json").json();
    assert_eq!(result["text"].as_str(), expected.strip_prefix("le vent"));
    assert_eq!(result["finish"], "stop");
}

pub(crate) fn a_text_begins_as_it_is_told_and_avoids_words(program: Program) {
    let model = trained::by_heart(program).run.join("last");
    let run = |options: &[&str]| {
        let arguments = ["generate", "--json", "-q", "--model", text(&model)];
        let prompt = ["--prompt", "le vent", "--greedy", "--max-new-tokens", "10"];
        let arguments = arguments.into_iter().chain(prompt);
        let result = program.run(arguments.chain(options.iter().copied()));
        result.success().json()["text"].clone()
    };
    let written = |text: &Value| text.as_str().expect("a text").to_owned();
    assert!(written(&run(&["--prefix", " tombe"])).starts_with(" tombe"));
    let free = written(&run(&[]));
    assert!(free.contains("chante"), "{free}");
    let barred = written(&run(&["--bad-word", "chante", "--min-new-tokens", "10"]));
    assert!(!barred.contains("chante"), "{barred}");
}

/// Twice the same model is that model, and a draft changes no greedy text.
pub(crate) fn models_together_write_what_they_must(program: Program) {
    let [gpt2, marian] = ["gpt2", "marian"].map(fixture);
    let of_letters = trained::by_heart(program).run.join("last");
    let run = |arguments: &[&str]| {
        let options = words("generate --json -q --greedy --ignore-eos --max-new-tokens 12");
        program.run(options.chain(arguments.iter().copied()))
    };
    for model in [&gpt2, &marian] {
        let prompts = ["--prompt-ids", "5,9,3", "--prompt-ids", "7"];
        let alone = run(&[&["--model", text(model)][..], &prompts].concat()).success();
        let twice = [
            "--model",
            text(model),
            "--model",
            text(model),
            "--weights",
            "3,1",
        ];
        let together = run(&[&twice[..], &prompts].concat()).success();
        let ids = |lines: Vec<Value>| -> Vec<Value> {
            lines.into_iter().map(|line| line["ids"].clone()).collect()
        };
        assert_eq!(ids(together.json_lines()), ids(alone.json_lines()));
    }
    let prompt = ["--prompt-ids", "5,9,3", "--model", text(&gpt2)];
    let alone = run(&prompt).success().json();
    let drafted = [
        &prompt[..],
        &["--draft", text(&gpt2), "--draft-tokens", "3"],
    ]
    .concat();
    assert_eq!(run(&drafted).success().json()["ids"], alone["ids"]);
    // Models whose tokens differ, and of two kinds.
    for other in [&of_letters, &marian] {
        let finished = run(&[&prompt[..], &["--model", text(other)]].concat());
        assert_eq!(
            (finished.code, &*finished.stdout),
            (Some(4), ""),
            "{finished:?}"
        );
        assert!(finished.stderr.contains(text(other)), "{finished:?}");
    }
}

/// What was written before Ctrl-C stays, and the exit code tells of the signal.
#[cfg(unix)]
pub(crate) fn ctrl_c_keeps_what_was_written(program: Program) {
    let model = trained::by_heart(program).run.join("last");
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = Command::new(program.path)
            .args(["generate", "--model", text(&model), "--prompt", "le vent"])
            .args(words("--greedy --ignore-eos --max-new-tokens 100000000"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        // The first piece of the text: the loop is running.
        let n = stdout.fill_buf().expect("a text").len();
        assert!(n > 0);
        let kill = Command::new("kill")
            .args(["-s", name, &child.id().to_string()])
            .status();
        assert!(kill.expect("kill runs").success());
        let mut written = String::new();
        stdout.read_to_string(&mut written).expect("text in UTF-8");
        let status = child.wait().expect("an end");
        let mut told = String::new();
        let mut stderr = child.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut told).expect("text in UTF-8");
        assert_eq!(status.code(), Some(code), "{told}");
        assert!(written.starts_with("le vent") && written.ends_with('\n'));
        assert!(told.contains("wrote") && told.contains("is kept"), "{told}");
    }
}
