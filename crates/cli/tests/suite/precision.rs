//! Training in half precision.

use super::program::{Program, text, words};
use super::tensors;
use super::trained::{recipe, song};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One update by plain descent, which leaves the gradient in the weights.
const DESCENT: &str = "--quiet --replicas 1 --set model.dropout=0 --set train.optimizer=sgd --set train.momentum=0 \
    --set train.steps=1 --set train.warmup_steps=0 --set train.schedule=constant --set train.clip_norm=0 \
    --set train.weight_decay=0";

pub(crate) fn gradients_are_nearly_those_of_single_precision(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("recipe.toml"), recipe("gpt")).expect("a file");
    fs::write(folder.join("song.txt"), song()).expect("a file");
    // A step too short for any weight.
    let first = behind_one_step(program, folder, "f32", "1e-30").expect("single precision");
    let gradients = |precision| {
        let weights = behind_one_step(program, folder, precision, "1")?;
        let of = first.iter().zip(weights);
        Some(of.map(|((name, first), (_, weights))| (name, difference(first, &weights))))
    };
    let expected: BTreeMap<_, _> = gradients("f32").expect("single precision").collect();
    let longest = expected.values().map(|x| norm(x)).fold(0.0, f64::max);
    assert!(longest > 0.1, "{longest}");
    // Numbers of eight and of eleven bits.
    for (precision, tolerance) in [("bf16", 0.05), ("f16", 0.01)] {
        let Some(found) = gradients(precision) else {
            assert!(program.name() != "hearth-flex" && program.name() != "hearth-tch");
            continue;
        };
        for (name, found) in found {
            let expected = &expected[name];
            // The bias of keys has none but what is left of rounding.
            let size = norm(expected).max(1e-3 * longest);
            let off = norm(&difference(expected, &found)) / size;
            assert!(off < tolerance, "{precision}: {name} is {off} off");
        }
    }
}

/// The weights, or nothing where the device does not compute so.
fn behind_one_step(
    program: Program,
    folder: &Path,
    precision: &str,
    lr: &str,
) -> Option<BTreeMap<String, Vec<f32>>> {
    let [config, data, run] = ["recipe.toml", "song.txt", precision].map(|name| folder.join(name));
    let set = [
        format!("train.precision={precision}"),
        format!("train.lr={lr}"),
    ];
    let paths = [
        "--config",
        text(&config),
        "--data",
        text(&data),
        "--out",
        text(&run),
    ];
    let arguments = ["train", "--set", &set[0], "--set", &set[1]];
    let arguments = arguments.into_iter().chain(paths).chain(words(DESCENT));
    let finished = program.run(arguments);
    if finished.code == Some(2) {
        return None;
    }
    finished.success();
    let weights = tensors::read_all(&run.join("last/model.safetensors"));
    fs::remove_dir_all(run).expect("removed");
    Some(weights)
}

fn difference(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one - other)
        .collect()
}

fn norm(x: &[f32]) -> f64 {
    let squares = x.iter().map(|&x| f64::from(x).powi(2));
    squares.sum::<f64>().sqrt()
}
