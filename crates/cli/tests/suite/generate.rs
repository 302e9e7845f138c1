//! `generate`: the texts of Hugging Face, and the randomness of a seed.

use super::fixture;
use super::program::{Finished, Program, text, words};
use super::tensors::Numbers;
use super::trained::{self, VERSE};
use serde_json::{Value, json};

/// A fixture's prompts and what its library wrote behind them.
struct Reference {
    model: &'static str,
    prompts: Vec<Vec<i64>>,
    /// Tokens of the reference before the new ones.
    n_before: usize,
}

impl Reference {
    fn both() -> [Self; 2] {
        let gpt2 = read("gpt2", "prompt").rows();
        let visible = read("marian", "attention_mask").rows();
        let sources = read("marian", "input_ids").rows().into_iter().zip(visible);
        let unpadded = |(ids, visible): (Vec<i64>, Vec<i64>)| {
            let shown = ids
                .into_iter()
                .zip(visible)
                .filter(|(_, visible)| *visible == 1);
            shown.map(|(id, _)| id).collect()
        };
        [
            Self {
                model: "gpt2",
                n_before: gpt2[0].len(),
                prompts: gpt2,
            },
            Self {
                model: "marian",
                // The token that the decoder starts from.
                n_before: 1,
                prompts: sources.map(unpadded).collect(),
            },
        ]
    }

    /// The new tokens of each prompt, without the padding behind a text that ended early.
    fn texts(&self, name: &str) -> Vec<Vec<i64>> {
        let rows = read(self.model, name).rows();
        let new = |row: &Vec<i64>| {
            let mut ids = row[self.n_before..].to_vec();
            while self.model == "marian" && ids.last() == Some(&0) {
                ids.pop();
            }
            ids
        };
        rows.iter().map(new).collect()
    }

    /// All prompts in one call.
    fn generate(&self, program: Program, strategy: &str, max_new_tokens: usize) -> Vec<Value> {
        let directory = fixture(self.model);
        let n = max_new_tokens.to_string();
        let prompts: Vec<String> = self.prompts.iter().map(|ids| joined(ids)).collect();
        let mut arguments = vec!["generate", "--json", "--model", text(&directory)];
        arguments.extend(["--max-new-tokens", &n]);
        arguments.extend(words(strategy));
        for ids in &prompts {
            arguments.extend(["--prompt-ids", ids]);
        }
        program.run(arguments).success().json_lines()
    }
}

pub(crate) fn greedy_texts_are_those_of_hugging_face(program: Program) {
    for reference in Reference::both() {
        let expected = reference.texts("greedy");
        let found = reference.generate(program, "--greedy", longest(&expected));
        check(&reference, &found, &expected);
    }
}

pub(crate) fn beam_texts_and_scores_are_those_of_hugging_face(program: Program) {
    for reference in Reference::both() {
        let expected = reference.texts("beam4");
        let found = reference.generate(program, "--beam 4", longest(&expected));
        check(&reference, &found, &expected);
        let scores = read(reference.model, "beam4_score").floats();
        for (found, expected) in found.iter().zip(scores) {
            let off = found["score"].as_f64().expect("a score") - f64::from(expected);
            assert!(
                off.abs() < 1e-3,
                "{}: {found}, expected {expected}",
                reference.model
            );
        }
    }
}

pub(crate) fn one_seed_gives_one_text_and_another_seed_another(program: Program) {
    let write = |seed| sampled(program, seed, "--max-new-tokens 60").stdout;
    assert_eq!(write("7"), write("7"));
    assert_ne!(write("7"), write("8"));
}

pub(crate) fn each_sample_is_a_line_of_its_own(program: Program) {
    let lines = sampled(program, "7", "--max-new-tokens 20 --samples 2").json_lines();
    assert_eq!(lines.len(), 2);
    assert_ne!(lines[0]["ids"], lines[1]["ids"]);
    for line in &lines {
        let keys: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(
            keys,
            ["text", "prompt_ids", "ids", "score", "log_probs", "finish"]
        );
        assert_eq!(line["ids"].as_array().map(Vec::len), Some(20));
        assert_eq!(
            line["text"].as_str().map(|text| text.chars().count()),
            Some(20)
        );
        assert_eq!(line["finish"], "length");
        assert!(line["score"].as_f64().is_some_and(|score| score < 0.0));
    }
    // The first of several samples is the text that comes alone.
    let alone = sampled(program, "7", "--max-new-tokens 20").json();
    for key in ["text", "prompt_ids", "ids", "finish"] {
        assert_eq!(alone[key], lines[0][key], "{key}");
    }
    // The same up to rounding: a batch of two is summed up in another order.
    let score = |line: &Value| line["score"].as_f64().expect("a score");
    assert!((score(&alone) - score(&lines[0])).abs() < 1e-4);
}

/// The text that json gives, and the one that was learnt.
pub(crate) fn a_text_that_was_learnt_by_heart_is_streamed(program: Program) {
    let model = trained::by_heart(program).run.join("last");
    // As much of it as the context holds.
    let verse = VERSE.strip_suffix('!').expect("its end");
    let rest = verse.strip_prefix("le vent").expect("its beginning");
    let n = rest.chars().count().to_string();
    let arguments = ["generate", "--model", text(&model), "--prompt", "le vent"];
    let arguments = || {
        arguments
            .into_iter()
            .chain(["--greedy", "--max-new-tokens", &n])
    };
    let streamed = program.run(arguments()).success();
    let whole = program.run(arguments().chain(["--json", "-q"])).success();
    assert_eq!(whole.json()["text"], rest);
    assert_eq!(streamed.stdout, format!("{verse}\n"));
    let told = format!("wrote {n} at");
    assert!(streamed.stderr.contains(&told), "{}", streamed.stderr);
    assert_eq!(whole.stderr, "");
}

pub(crate) fn a_translation_does_not_repeat_its_source(program: Program) {
    let model = trained::transformer(program).best();
    let arguments = [
        "generate",
        "--model",
        text(&model),
        "--prompt",
        "one red apple",
    ];
    for strategy in ["--greedy", "--beam 2"] {
        let options = || words(strategy).chain(words("--max-new-tokens 5"));
        let shown = program.run(arguments.into_iter().chain(options()));
        let result = program.run(arguments.into_iter().chain(options()).chain(["--json"]));
        let expected = result.success().json()["text"].clone();
        let shown = shown.success().stdout;
        assert_eq!(shown.strip_suffix('\n'), expected.as_str(), "{strategy}");
    }
}

fn sampled(program: Program, seed: &str, options: &str) -> Finished {
    let model = trained::gpt(program).best();
    let mut arguments = vec!["generate", "--json", "-q", "--model", text(&model)];
    arguments.extend(["--prompt", "la nuit", "--seed", seed]);
    arguments.extend(words(options));
    let finished = program.run(arguments).success();
    assert_eq!(finished.stderr, "");
    finished
}

fn check(reference: &Reference, found: &[Value], expected: &[Vec<i64>]) {
    assert_eq!(found.len(), expected.len(), "{}", reference.model);
    for ((found, expected), prompt) in found.iter().zip(expected).zip(&reference.prompts) {
        assert_eq!(found["ids"], json!(expected), "{}", reference.model);
        assert_eq!(found["prompt_ids"], json!(prompt), "{}", reference.model);
        // There is no tokenizer beside these models.
        assert!(found["text"].is_null());
    }
}

fn read(model: &str, name: &str) -> Numbers {
    Numbers::read(&fixture(model).join("reference.safetensors"), name)
}

fn longest(texts: &[Vec<i64>]) -> usize {
    texts.iter().map(Vec::len).max().expect("a text")
}

fn joined(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(",")
}
