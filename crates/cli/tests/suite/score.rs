//! `score`: perplexity and bits per byte are what their formulas say of the tokens.

use super::program::{Finished, Program, text};
use super::trained::{self, CONTEXT};
use serde_json::Value;

pub(crate) fn a_text_has_the_perplexity_and_the_bits_of_its_tokens(program: Program) {
    let model = trained::gpt(program).best();
    // The first character is given, not predicted; it takes two of the bytes.
    let given = "étoile du soir";
    let finished = score(program, text(&model), given, &["--per-token"]);
    let (tokens, summary) = split(&finished);
    assert_eq!(tokens.len(), given.chars().count() - 1);
    check(&tokens, &summary, given.len() - "é".len());
    let written: String = tokens
        .iter()
        .filter_map(|token| token["token"].as_str())
        .collect();
    assert_eq!(written, given["é".len()..]);
    let alone = score(program, text(&model), given, &[]).json();
    assert_eq!(alone, summary);
}

pub(crate) fn pairs_have_the_perplexity_and_the_bits_of_their_targets(program: Program) {
    let model = trained::transformer(program).best();
    let pairs = "one red apple\t1 pomme rouge\ntwo old roads\t2 routes énormes";
    let finished = score(program, text(&model), pairs, &["--per-token"]);
    let (tokens, summary) = split(&finished);
    check(
        &tokens,
        &summary,
        "1 pomme rouge".len() + "2 routes énormes".len(),
    );
    for line in [1, 2] {
        let last = tokens.iter().rfind(|token| token["line"] == line);
        assert_eq!(last.expect("tokens of the line")["token"], "</s>");
    }
    let alone = score(program, text(&model), pairs, &[]).json();
    assert_eq!(alone, summary);
}

pub(crate) fn a_text_longer_than_the_context_is_scored_whole(program: Program) {
    let trained = trained::gpt(program);
    let (model, song) = (trained.best(), trained::song());
    let n_targets = song.chars().count() - 1;
    assert!(n_targets > 10 * CONTEXT);
    let perplexity = |options: &[&str]| {
        let result = score(program, text(&model), &song, options).json();
        assert_eq!(result["n_tokens"], n_targets);
        result["perplexity"].as_f64().expect("a perplexity")
    };
    // Each token sees half a context at least, or whatever its window holds.
    let (half, none) = (perplexity(&[]), perplexity(&["--stride", "32"]));
    assert_eq!(half, perplexity(&["--stride", "16"]));
    assert_ne!(half, none);
    // A file is read like standard input.
    let file = ["--input", text(&trained.data)];
    assert_eq!(half, perplexity(&file));
}

fn score(program: Program, model: &str, given: &str, options: &[&str]) -> Finished {
    let arguments = ["score", "--json", "-q", "--model", model];
    let arguments = arguments.iter().chain(options);
    let finished = program.run_with(arguments, given).success();
    assert_eq!(finished.stderr, "");
    finished
}

/// The tokens, and the summary behind them.
fn split(finished: &Finished) -> (Vec<Value>, Value) {
    let mut lines = finished.json_lines();
    let summary = lines.pop().expect("a summary");
    (lines, summary)
}

fn check(tokens: &[Value], summary: &Value, n_bytes: usize) {
    let keys: Vec<&String> = summary.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["nll", "n_tokens", "n_bytes", "perplexity", "bits_per_byte"]
    );
    let number = |key: &str| summary[key].as_f64().expect("a number");
    let log_probs = tokens
        .iter()
        .map(|token| token["log_prob"].as_f64().expect("a number"));
    let nll = -log_probs.sum::<f64>();
    let close = |found: f64, expected: f64| (found - expected).abs() / expected < 1e-6;
    assert_eq!(summary["n_tokens"], tokens.len());
    assert!(
        close(number("nll"), nll),
        "{summary}, the tokens' sum is {nll}"
    );
    assert!(
        close(number("perplexity"), (nll / tokens.len() as f64).exp()),
        "{summary}"
    );
    let bits = nll / std::f64::consts::LN_2 / n_bytes as f64;
    assert!(
        close(number("bits_per_byte"), bits),
        "{summary}, expected {bits} bits"
    );
}
