//! `parity`: this backend beside Hugging Face and PyTorch, outputs, texts, gradients and training.

use super::fixture;
use super::program::{Program, text};
use super::tensors::{Numbers, write};
use serde_json::Value;
use std::fs;

pub(crate) fn outputs_texts_gradients_and_training_are_those_of_the_references(program: Program) {
    let whole = [
        "logits",
        "logits by steps",
        "greedy ids",
        "beam ids",
        "beam scores",
        "batching",
        "gradients",
        "loss, 20 steps",
    ];
    let no_texts = [whole[0], whole[1], whole[5], whole[6], whole[7]];
    let no_search = [whole[0], whole[1], whole[2], whole[6], whole[7]];
    let vectors = ["logits", "gradients", "loss, 20 steps"];
    let models = [
        ("gpt2", &whole[..]),
        ("llama", &whole),
        ("mistral", &whole),
        ("marian", &whole),
        ("speech-to-text", &no_search),
        ("bert-mlm", &vectors),
        ("bert-classify", &vectors),
        ("vit", &vectors),
        ("torch-transformer", &vectors),
        ("torch-lstm-lm", &no_texts),
        ("torch-gru-lm", &no_texts),
    ];
    let directories = models.map(|(model, _)| fixture(model));
    let arguments = ["parity", "--json"].into_iter();
    let finished = program.run(arguments.chain(directories.iter().map(|path| text(path))));
    let cases = finished.success().json_lines();
    let expected: Vec<(&str, &str)> = models
        .iter()
        .flat_map(|(model, names)| names.iter().map(|name| (*model, *name)))
        .collect();
    let said = |case: &Value, key: &str| case[key].as_str().expect("a name").to_owned();
    let found: Vec<(String, String)> = cases
        .iter()
        .map(|case| (said(case, "model"), said(case, "case")))
        .collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(m, c)| (&**m, &**c)).collect();
    assert_eq!(found, expected);
    for case in &cases {
        assert_eq!(case["passes"], true, "{case}");
        let (value, limit) = (&case["value"], &case["limit"]);
        assert!(value.as_f64() <= limit.as_f64(), "{case}");
    }
}

pub(crate) fn a_reference_that_is_not_met_is_a_numeric_failure(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("moved");
    fs::create_dir(&model).expect("a folder");
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture("torch-transformer").join(file), model.join(file)).expect("a copy");
    }
    let reference = fixture("torch-transformer").join("reference.safetensors");
    let input = |name| (name, Numbers::read(&reference, name));
    let shape = Numbers::read(&reference, "output").shape;
    let moved = ("output", Numbers::zeros(&shape));
    write(
        &model.join("reference.safetensors"),
        &[input("src"), input("tgt"), moved],
    );
    let finished = program.run(["parity", "--json", text(&model)]);
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    let case = finished.json();
    assert_eq!(
        (&case["case"], &case["passes"]),
        (&"logits".into(), &false.into())
    );
    assert!(finished.stderr.contains("1 of the cases"), "{finished:#?}");
}
