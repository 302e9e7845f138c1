//! `convert`, `average`, and what `inspect` says of costs.

use super::fixture;
use super::program::{Program, text};
use super::tensors::{Numbers, write};
use safetensors::SafeTensors;
use serde_json::json;
use std::fs;
use std::path::Path;

fn convert(
    program: Program,
    model: &Path,
    to: &str,
    out: &Path,
    more: &[&str],
) -> serde_json::Value {
    let line = [
        "convert",
        "--json",
        "--model",
        text(model),
        "--to",
        to,
        "--out",
        text(out),
    ];
    program.run(line.iter().chain(more)).success().json()
}

/// All tensors of a file in the order of their names.
fn tensors(file: &Path) -> Vec<(String, Numbers)> {
    let bytes = fs::read(file).expect("a file");
    let names = SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut names: Vec<String> = names.names().into_iter().map(ToString::to_string).collect();
    names.sort();
    names
        .into_iter()
        .map(|name| (name.clone(), Numbers::read(file, &name)))
        .collect()
}

pub(crate) fn a_model_goes_to_hearth_and_back_bit_by_bit(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["gpt2", "marian", "torch-transformer"] {
        let (ours, theirs) = (
            folder.path().join(name),
            folder.path().join(format!("{name}-back")),
        );
        let there = convert(program, &fixture(name), "hearth", &ours, &[]);
        assert_eq!(there["dialect"], "hearth");
        let back = convert(program, &ours, "hf", &theirs, &[]);
        assert_eq!(back["dialect"], name);
        assert_eq!(back["n_parameters"], there["n_parameters"]);
        let [original, copy] =
            [fixture(name), theirs].map(|dir| tensors(&dir.join("model.safetensors")));
        assert!(original == copy, "{name}");
    }
}

pub(crate) fn weights_in_shards_are_the_weights(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (shards, whole) = (folder.path().join("shards"), folder.path().join("whole"));
    let gpt2 = fixture("gpt2");
    convert(program, &gpt2, "hf", &shards, &["--shard-size", "50KB"]);
    assert!(!shards.join("model.safetensors").exists());
    let index = fs::read_to_string(shards.join("model.safetensors.index.json")).expect("an index");
    let index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    let map = index["weight_map"].as_object().expect("an object");
    let mut found = Vec::new();
    let mut n_shards = 0;
    for entry in fs::read_dir(&shards).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        if name.ends_with(".safetensors") {
            n_shards += 1;
            let held = tensors(&path);
            assert!(
                held.len() == 1 || fs::metadata(&path).expect("a file").len() < 55_000,
                "{name}"
            );
            assert!(held.iter().all(|(tensor, _)| map[tensor] == name), "{name}");
            found.extend(held);
        }
    }
    assert!(n_shards > 3, "{n_shards}");
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    let original = tensors(&gpt2.join("model.safetensors"));
    assert!(found == original);
    convert(program, &shards, "hf", &whole, &[]);
    assert!(tensors(&whole.join("model.safetensors")) == original);
}

pub(crate) fn a_mean_is_between_its_models(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let gpt2 = fixture("gpt2");
    let original = tensors(&gpt2.join("model.safetensors"));
    // Three models: the fixture, one of zeros, one in another dialect.
    let [zeros, ours, mean] = ["zeros", "ours", "mean"].map(|name| folder.path().join(name));
    fs::create_dir(&zeros).expect("a folder");
    fs::copy(gpt2.join("config.json"), zeros.join("config.json")).expect("a copy");
    let empty: Vec<_> = original
        .iter()
        .map(|(name, numbers)| (name.as_str(), Numbers::zeros(&numbers.shape)))
        .collect();
    write(&zeros.join("model.safetensors"), &empty);
    convert(program, &gpt2, "hearth", &ours, &[]);
    let line = [
        "average",
        "--json",
        "--model",
        text(&gpt2),
        "--model",
        text(&zeros),
        "--model",
        text(&ours),
    ];
    let result = program
        .run(line.iter().chain(&["--out", text(&mean)]))
        .success()
        .json();
    assert_eq!(result["dialect"], "gpt2");
    for ((name, original), (other, mean)) in original
        .iter()
        .zip(tensors(&mean.join("model.safetensors")))
    {
        assert_eq!(*name, other);
        for (original, mean) in original.floats().into_iter().zip(mean.floats()) {
            let expected = (2.0 * f64::from(original) / 3.0) as f32;
            assert_eq!(mean, expected, "{name}");
        }
    }
}

pub(crate) fn what_costs_what_is_told(program: Program) {
    let inspect = |name| {
        let model = fixture(name);
        let json = program
            .run(["inspect", "--json", "--model", text(&model)])
            .success()
            .json();
        (
            json,
            program
                .run(["inspect", "--model", text(&model)])
                .success()
                .stdout,
        )
    };
    // 2 layers of width 48, 97 tokens, 48 positions.
    let (gpt2, shown) = inspect("gpt2");
    let n_multiplied = 12 * 2 * 48 * 48 + 97 * 48;
    let flops = 2 * n_multiplied + 2 * 2 * 48 * 48;
    let expected = json!({
        "n_multiplied": n_multiplied,
        "cache_bytes": 2 * 2 * 48 * 4,
        "attention_flops_per_position": 4 * 2 * 48,
        "flops": flops,
    });
    assert_eq!(gpt2["per_token"], expected);
    assert!(gpt2["per_source_token"].is_null());
    assert!(shown.contains("768 bytes of keys and values"), "{shown}");
    assert_eq!(gpt2["cache_bytes"], 48 * 768);
    let of_text = "a full context: 36,864 bytes of keys and values at most";
    assert!(shown.contains(of_text), "{shown}");
    let (marian, shown) = inspect("marian");
    assert!(marian["per_source_token"]["flops"].as_u64() > Some(0));
    assert!(shown.contains("a source token: "), "{shown}");
}
