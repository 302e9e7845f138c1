//! `bench`: what is timed, and that it is told.

use super::fixture;
use super::program::{Program, text, words};
use super::trained::recipe;
use std::fs;

pub(crate) fn training_steps_are_timed_without_data(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    for architecture in ["gpt", "transformer"] {
        let path = folder.path().join(architecture);
        // No data is read, so that it need not be there.
        let recipe = recipe(architecture).replace("[data]", "[data]\npaths = [\"nowhere.tsv\"]");
        fs::write(&path, recipe).expect("a file");
        let arguments = ["bench", "train", "--config", text(&path)];
        let options = words("--steps 3 --warm-up 1 --json");
        let finished = program.run(arguments.into_iter().chain(options));
        let result = finished.success().json();
        for key in [
            "tokens_per_s",
            "ms_per_step",
            "first_step_s",
            "n_parameters",
        ] {
            assert!(result[key].as_f64() > Some(0.0), "{key} in {result}");
        }
        assert_eq!(result["steps"], 3);
        let loss = result["loss"].as_f64().expect("a loss");
        assert!(loss > 0.0 && loss < 10.0, "{loss}");
    }
}

/// Wide enough that what a step holds is most of what the program holds.
const DEEP: &str = "
    [model]
    architecture = 'gpt'
    d_model = 64
    d_ff = 768
    n_heads = 2
    n_layers = 8
    max_positions = 128
    [data]
    embedded = 'cicero'
    [tokenizer]
    kind = 'characters'
    [train]
    batch_size = 16
";

pub(crate) fn a_step_that_computes_again_holds_less_and_learns_the_same(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("recipe.toml");
    fs::write(&path, DEEP).expect("a file");
    let measured = |again: bool| {
        let set = format!("train.gradient_checkpointing={again}");
        let arguments = ["bench", "train", "--config", text(&path), "--set", &set];
        let options = words("--steps 3 --warm-up 0 --replicas 1 --json");
        let finished = program.run(arguments.into_iter().chain(options));
        let result = finished.success().json();
        ["peak_mb", "loss"].map(|key| result[key].as_f64().expect("a number"))
    };
    let ([most, loss], [less, same]) = (measured(false), measured(true));
    assert!((loss - same).abs() < 1e-6 * loss, "{loss} {same}");
    assert!(less < 0.9 * most, "{less} of {most} MB");
}

pub(crate) fn half_precision_is_timed_or_refused(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("recipe.toml");
    let recipe = recipe("gpt").replace("[data]", "[data]\nembedded = 'cicero'");
    fs::write(&path, recipe).expect("a file");
    let model = fixture("llama");
    for precision in ["bf16", "f16"] {
        let set = format!("train.precision={precision}");
        let arguments = ["bench", "train", "--config", text(&path), "--set", &set];
        let options = words("--steps 3 --warm-up 1 --json");
        let trained = program.run(arguments.into_iter().chain(options));
        let arguments = ["bench", "decode", "--model", text(&model)];
        let options = words("--max-new-tokens 6 --rounds 1 --json --precision");
        let options = options.chain([precision]);
        let decoded = program.run(arguments.into_iter().chain(options));
        match program.name() {
            "hearth-ndarray" => {}
            "hearth-flex" | "hearth-tch" => assert_eq!(trained.code, Some(0), "{trained:?}"),
            // As the adapter has it or not.
            _ => assert_eq!(trained.code, decoded.code, "{trained:?} {decoded:?}"),
        }
        if trained.code == Some(0) {
            let loss = trained.json()["loss"].as_f64().expect("a loss");
            assert!(loss > 0.0 && loss < 10.0, "{loss}");
            assert_eq!(decoded.success().json()["precision"], precision);
            continue;
        }
        assert_eq!((trained.code, decoded.code), (Some(2), Some(2)));
        let field = format!("recipe field train.precision is {precision}");
        assert!(trained.stderr.contains(&field), "{}", trained.stderr);
        let refused = format!("does not compute in {precision} on");
        assert!(decoded.stderr.contains(&refused), "{}", decoded.stderr);
    }
}

pub(crate) fn tokens_are_timed_one_by_one_and_in_beams(program: Program) {
    let cases = [
        ("llama", "--batch-size 2 --prompt-tokens 5"),
        ("marian", "--beam 2 --prompt-tokens 5"),
    ];
    for (name, options) in cases {
        let model = fixture(name);
        let arguments = ["bench", "decode", "--json", "--model", text(&model)];
        let options = words(options);
        let short = options.chain(words("--max-new-tokens 20 --rounds 3"));
        let result = program
            .run(arguments.into_iter().chain(short))
            .success()
            .json();
        for key in [
            "tokens_per_s",
            "ms_per_step",
            "first_token_ms",
            "bytes_per_step",
            "share_of_peak",
        ] {
            assert!(result[key].as_f64() > Some(0.0), "{key} in {result}");
        }
        let step = result["ms_per_step"].as_f64().expect("a time");
        let rate = result["tokens_per_s"].as_f64().expect("a rate");
        let batch = result["batch_size"].as_f64().expect("a size");
        assert!((rate * step / 1e3 / batch - 1.0).abs() < 1e-6, "{result}");
    }
}

pub(crate) fn a_pass_is_timed_for_every_kind_of_model(program: Program) {
    for name in [
        "gpt2",
        "torch-lstm-lm",
        "marian",
        "torch-transformer",
        "bert-mlm",
        "vit",
        "speech-to-text",
    ] {
        let model = fixture(name);
        let arguments = ["bench", "forward", "--json", "--model", text(&model)];
        let options = words("--batch-size 2 --steps 1 --warm-up 0");
        let finished = program.run(arguments.into_iter().chain(options));
        let result = finished.success().json();
        for key in [
            "tokens_per_s",
            "ms_per_step",
            "flops_per_step",
            "share_of_peak",
        ] {
            assert!(
                result[key].as_f64() > Some(0.0),
                "{name}: {key} in {result}"
            );
        }
    }
}
