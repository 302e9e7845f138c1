//! `embed`, `classify`, `fill-mask`: what `forward` gives of the same tokens, as a person reads it.

use super::fixture;
use super::program::{Program, text};
use super::tensors::{Numbers, write};
use super::trained::recipe;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Two texts, the first with two masks, and their tokens.
const TEXTS: [&str; 2] = ["w10 [MASK] w12 w13 [MASK]", "w20 w21 w22"];
const IDS: [&[i64]; 2] = [&[10, 4, 12, 13, 4], &[20, 21, 22]];

/// A fixture with a tokenizer of its 97 tokens: five special ones, and words `w5` to `w96`.
pub(crate) struct Model {
    folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Model {
    pub(crate) fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a folder");
        for file in ["config.json", "model.safetensors"] {
            fs::copy(fixture(name).join(file), path.join(file)).expect("a copy");
        }
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        let words = (5..97).map(|id| format!("w{id}"));
        let tokens = special.iter().map(|&token| token.to_owned()).chain(words);
        let vocab: serde_json::Map<String, Value> = tokens
            .zip(0u32..)
            .map(|(token, id)| (token, id.into()))
            .collect();
        let added: Vec<Value> = special
            .iter()
            .zip(0u32..)
            .map(|(token, id)| {
                json!({ "id": id, "content": token, "single_word": false, "lstrip": false,
                        "rstrip": false, "normalized": false, "special": true })
            })
            .collect();
        let tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": null, "pre_tokenizer": { "type": "WhitespaceSplit" },
            "post_processor": null, "decoder": null,
            "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]" },
        });
        fs::write(path.join("tokenizer.json"), tokenizer.to_string()).expect("a file");
        Self { folder, path }
    }

    /// One tensor that `forward` makes of one text.
    fn forward(&self, program: Program, ids: &[i64], name: &str) -> Numbers {
        let [inputs, outputs] =
            ["in", "out"].map(|name| self.folder.path().join(format!("{name}.safetensors")));
        write(
            &inputs,
            &[("input_ids", Numbers::ids(&[1, ids.len()], ids))],
        );
        let model = ["forward", "--model", text(&self.path)];
        let files = ["--inputs", text(&inputs), "--outputs", text(&outputs)];
        program.run(model.iter().chain(&files)).success();
        Numbers::read(&outputs, name)
    }

    fn run(&self, program: Program, command: &str, options: &[&str]) -> Vec<Value> {
        let arguments = [command, "--json", "--model", text(&self.path)];
        let finished = program.run_with(arguments.iter().chain(options), TEXTS.join("\n"));
        finished.success().json_lines()
    }
}

fn floats(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().expect("a list").iter();
    numbers
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

fn assert_near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-5,
        "{found}, expected {expected}"
    );
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let exponentials: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|x| x / sum).collect()
}

/// The place of the largest number.
fn argmax(numbers: &[f64]) -> usize {
    let largest = (0..numbers.len()).max_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    largest.expect("a number")
}

pub(crate) fn vectors_are_means_of_what_forward_gives(program: Program) {
    let model = Model::of("bert-mlm");
    let [together, alone] =
        [&[][..], &["--batch-size", "1"]].map(|options| model.run(program, "embed", options));
    assert_eq!((together.len(), alone.len()), (2, 2));
    for ((together, alone), ids) in together.iter().zip(&alone).zip(IDS) {
        let hidden = model.forward(program, ids, "last_hidden_state");
        let width = hidden.shape[2];
        let hidden = hidden.floats();
        assert_eq!(together["n_tokens"], ids.len());
        let (together, alone) = (floats(&together["embedding"]), floats(&alone["embedding"]));
        assert_eq!((together.len(), alone.len()), (width, width));
        for channel in 0..width {
            let sum: f64 = hidden
                .chunks(width)
                .map(|row| f64::from(row[channel]))
                .sum();
            assert_near(together[channel], sum / ids.len() as f64);
            assert_near(alone[channel], together[channel]);
        }
    }
    for row in model.run(program, "embed", &["--normalize", "--pooling", "first"]) {
        let squares = floats(&row["embedding"]).into_iter().map(|x| x * x);
        assert_near(squares.sum(), 1.0);
    }
}

pub(crate) fn classes_are_as_probable_as_the_logits_say(program: Program) {
    let model = Model::of("bert-classify");
    let found = model.run(program, "classify", &["--top", "4"]);
    assert_eq!(found.len(), 2);
    for (found, ids) in found.iter().zip(IDS) {
        let expected = softmax(&model.forward(program, ids, "logits").floats());
        assert_eq!(found["label"], format!("LABEL_{}", argmax(&expected)));
        let classes = found["classes"].as_array().expect("a list");
        assert_eq!(classes.len(), 4);
        for class in classes {
            let label = class["label"].as_str().expect("a name");
            let number: usize = label["LABEL_".len()..].parse().expect("a number");
            let probability = class["probability"].as_f64().expect("a number");
            assert_near(probability, expected[number]);
        }
    }
}

pub(crate) fn masks_are_filled_with_the_likeliest_tokens(program: Program) {
    let model = Model::of("bert-mlm");
    let found = model.run(program, "fill-mask", &["--top", "3"]);
    assert_eq!((found.len(), &found[1]["masks"]), (2, &json!([])));
    let logits = model.forward(program, IDS[0], "logits");
    let (vocab, logits) = (logits.shape[2], logits.floats());
    let masks = found[0]["masks"].as_array().expect("a list");
    let mut words: Vec<String> = IDS[0].iter().map(|id| format!("w{id}")).collect();
    assert_eq!(masks.len(), 2);
    for (mask, position) in masks.iter().zip([1, 4]) {
        assert_eq!(mask["position"], position);
        let expected = softmax(&logits[position * vocab..][..vocab]);
        let guesses = mask["guesses"].as_array().expect("a list");
        assert_eq!(guesses.len(), 3);
        for guess in guesses {
            let id = guess["id"].as_u64().expect("an id") as usize;
            let probability = guess["probability"].as_f64().expect("a number");
            assert_near(probability, expected[id]);
        }
        assert_eq!(guesses[0]["id"], argmax(&expected));
        words[position] = guesses[0]["token"].as_str().expect("a token").to_owned();
    }
    words.retain(|word| !word.starts_with('['));
    assert_eq!(found[0]["text"], words.join(" "));
}

pub(crate) fn what_cannot_be_read_is_told(program: Program) {
    let (masked, classifier) = (Model::of("bert-mlm"), Model::of("bert-classify"));
    let long = vec!["w9"; 60].join(" ");
    let texts = format!("w7\n{long}\n");
    let run = |command: &str, model: &Path, input: &str, options: &[&str]| {
        let arguments = [command, "--model", text(model)];
        program.run_with(arguments.iter().chain(options), input)
    };
    let finished = run("embed", &masked.path, &texts, &["--truncate", "--json"]).success();
    assert_eq!(finished.json_lines()[1]["n_tokens"], 48);
    assert!(
        finished.stderr.contains("texts cut to 48 tokens: 1"),
        "{}",
        finished.stderr
    );
    for (command, model, input, code, expected) in [
        (
            "embed",
            &masked.path,
            &*texts,
            2,
            "line 2: text 1 has 60 tokens",
        ),
        (
            "embed",
            &masked.path,
            "w7\n\n",
            2,
            "line 2: text 1 is empty",
        ),
        (
            "classify",
            &masked.path,
            "w7",
            4,
            "classify needs a head that names a class",
        ),
        (
            "fill-mask",
            &classifier.path,
            "w7",
            4,
            "a head that guesses masked tokens",
        ),
        (
            "embed",
            &fixture("gpt2"),
            "w7",
            4,
            "embed needs an encoder over tokens",
        ),
        (
            "embed",
            &fixture("bert-mlm"),
            "w7",
            4,
            "has no tokenizer.json",
        ),
    ] {
        let finished = run(command, model, input, &[]);
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.contains(expected), "{finished:?}");
    }
}

pub(crate) fn models_classify_and_hear_together(program: Program) {
    let model = Model::of("bert-classify");
    let alone = model.run(program, "classify", &["--top", "4"]);
    let again = ["--model", text(&model.path), "--top", "4", "--weights"];
    // A model and itself are that model, whatever is averaged.
    for options in [
        ["1,3", "--mixture=probabilities"],
        ["2,1", "--mixture=log-probabilities"],
    ] {
        let both = model.run(program, "classify", &[&again[..], &options].concat());
        for (both, alone) in both.iter().zip(&alone) {
            let [both, alone] = [both, alone].map(|found| found["classes"].as_array());
            for (both, alone) in both.expect("a list").iter().zip(alone.expect("a list")) {
                assert_eq!(both["label"], alone["label"]);
                let [both, alone] = [both, alone].map(|found| found["probability"].as_f64());
                assert_near(both.expect("a number"), alone.expect("a number"));
            }
        }
    }
}

/// The same words in another order are another class, to a model that has a convolution and no attention.
pub(crate) fn a_classifier_of_whole_words_sees_their_order(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let [data, run] = ["rows.tsv", "run"].map(|name| folder.path().join(name));
    let rows = [
        ("This is not good, it is bad.", "complaint"),
        ("This is good, it is not bad.", "praise"),
        ("Bad it is, not good", "complaint"),
        ("Good it is, not bad", "praise"),
    ];
    let lines: String = rows
        .map(|(text, label)| format!("{text}\t{label}\n"))
        .concat();
    fs::write(&data, lines).expect("a file");
    let recipe = recipe("bert-classifier")
        .replace(
            "n_layers = 1",
            "n_layers = 0\nconvolution = 3\npooling = \"max\"",
        )
        .replace("dropout = 0.1", "dropout = 0.0")
        .replace(
            "kind = \"bpe\"\nvocab = 300",
            "kind = \"words\"\nvocab = 20",
        )
        .replace("steps = 12", "steps = 120")
        .replace("validate_every = 5", "validate_every = 120")
        .replace(
            "[data]\n",
            &format!("[data]\npaths = [{data:?}]\nvalidation_paths = [{data:?}]\n"),
        );
    let path = folder.path().join("recipe.toml");
    fs::write(&path, recipe).expect("a file");
    let train = ["train", "-q", "--config", text(&path), "--out", text(&run)];
    program.run(train).success();
    let model = run.join("best");
    let read = |command: &[&str], text_given: &str| {
        let arguments = [command, &["--json", "--model", text(&model)]].concat();
        program.run_with(arguments, text_given).success()
    };
    let judged = read(&["evaluate", "--data", text(&data)], "").json();
    assert_eq!(
        (&judged["n"], &judged["accuracy"]),
        (&json!(4), &json!(1.0))
    );
    // Capitals do not matter, and a word that is not known is no error.
    let found = read(&["classify"], "GOOD it is, not bad, Sir\n").json();
    assert_eq!(found["label"], "praise", "{found}");
}
