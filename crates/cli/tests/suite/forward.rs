//! `forward`: the numbers of PyTorch and Hugging Face.

use super::fixture;
use super::program::{Program, text};
use super::tensors::{Numbers, write};

/// A tenth of what the contract allows.
const TOLERANCE: f64 = 1e-5;

pub(crate) fn the_outputs_are_those_of_the_libraries_that_saved_the_models(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let models = [
        ("gpt2", "logits"),
        ("marian", "logits"),
        ("speech-to-text", "logits"),
        ("torch-transformer", "output"),
    ];
    for (model, name) in models {
        let directory = fixture(model);
        let inputs = directory.join("reference.safetensors");
        let outputs = folder.path().join(format!("{model}.safetensors"));
        let finished = program.run([
            "forward",
            "--json",
            "--model",
            text(&directory),
            "--inputs",
            text(&inputs),
            "--outputs",
            text(&outputs),
        ]);
        let result = finished.success().json();
        let (expected, found) = (Numbers::read(&inputs, name), Numbers::read(&outputs, name));
        assert_eq!(found.shape, expected.shape, "{model}");
        let pairs = expected.floats().into_iter().zip(found.floats());
        let difference = pairs
            .map(|(a, b)| f64::from((a - b).abs()))
            .fold(0.0, f64::max);
        assert!(difference <= TOLERANCE, "{model}: {difference}");
        // The program says the same of its work.
        assert_eq!(result["output"], name);
        assert_eq!(result["shape"], serde_json::json!(expected.shape));
        let said = result["max_difference"].as_f64().expect("a difference");
        assert!(
            (said - difference).abs() < 1e-9,
            "{model}: {said}, found {difference}"
        );
    }
}

pub(crate) fn without_a_reference_there_is_no_difference(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (inputs, outputs) = (folder.path().join("in"), folder.path().join("out"));
    write(&inputs, &[("input_ids", Numbers::ids(&[1, 3], &[3, 1, 4]))]);
    let finished = program.run([
        "forward",
        "--json",
        "--model",
        text(&fixture("gpt2")),
        "--inputs",
        text(&inputs),
        "--outputs",
        text(&outputs),
    ]);
    let result = finished.success().json();
    assert_eq!(result["shape"], serde_json::json!([1, 3, 97]));
    assert!(result["max_difference"].is_null());
    assert_eq!(Numbers::read(&outputs, "logits").shape, [1, 3, 97]);
}
