//! Model directories that are damaged, and tensors that do not fit a model.

use super::bad_input::Workshop;
use super::fixture;
use super::program::text;
use super::tensors::{Numbers, write};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Model directories that are damaged, or whose files do not fit each other.
pub(crate) fn directories(workshop: &mut Workshop<'_>) {
    let gpt2 = fixture("gpt2");
    let length = |folder: &Path| {
        fs::metadata(folder.join("model.safetensors"))
            .expect("a file")
            .len()
    };

    let cut = workshop.copy(&gpt2, "cut");
    let weights = fs::read(cut.join("model.safetensors")).expect("weights");
    fs::write(
        cut.join("model.safetensors"),
        &weights[..weights.len() - 100],
    )
    .expect("a file");
    let (found, expected) = (length(&cut).to_string(), length(&gpt2).to_string());

    for (folder, number) in [("infinite", f32::INFINITY), ("damaged", f32::NAN)] {
        let damaged = workshop.copy(&gpt2, folder);
        let mut numbers = weights.clone();
        for place in numbers.rchunks_exact_mut(4).take(100) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        fs::write(damaged.join("model.safetensors"), numbers).expect("a file");
    }
    let line = "generate --model @infinite --prompt-ids 1,2,3";
    workshop.add("weights that are infinite", line, 3, &["not finite"]);

    // The same weights, said to be of a model with one position less.
    let shape = workshop.copy(&gpt2, "shape");
    edit(&shape.join("config.json"), |config| {
        config["n_positions"] = 47.into()
    });
    let layers = workshop.copy(&gpt2, "layers");
    edit(&layers.join("config.json"), |config| {
        config["n_layer"] = 3.into()
    });
    let heads = workshop.copy(&gpt2, "heads");
    edit(&heads.join("config.json"), |config| {
        config["n_head"] = 5.into()
    });
    let kind = workshop.copy(&gpt2, "kind");
    edit(&kind.join("config.json"), |config| {
        config["model_type"] = "gtp2".into()
    });

    // 300 tokens beside a model that knows far fewer characters.
    let gpt = workshop.gpt.clone();
    let vocabulary = workshop.copy(Path::new(&gpt), "vocabulary");
    let tokenizer = Path::new(&workshop.transformer).join("tokenizer.json");
    fs::copy(tokenizer, vocabulary.join("tokenizer.json")).expect("a copy");
    let config = fs::read_to_string(vocabulary.join("config.json")).expect("a config");
    let config: Value = serde_json::from_str(&config).expect("JSON");
    let vocab = config["vocab_size"].to_string();

    let bare = workshop.copy(&gpt2, "bare");
    fs::remove_file(bare.join("model.safetensors")).expect("a file less");

    fs::create_dir(workshop.path("run")).expect("a folder");
    workshop.copy(&gpt2, "run/best");

    let cases: &[(&'static str, &str, i32, &[&str])] = &[
        (
            "a missing model",
            "@none",
            5,
            &["none: there is no such folder", "to mend it: give a folder"],
        ),
        (
            "the folder of a run",
            "@run",
            5,
            &["run: it has no config.json", "to mend it: give", "best"],
        ),
        (
            "a model without weights",
            "@bare",
            5,
            &["model.safetensors", "No such file"],
        ),
        (
            "weights that are cut short",
            "@cut",
            4,
            &["model.safetensors", &found, &expected],
        ),
        (
            "weights that are no numbers",
            "@damaged",
            4,
            &["model.safetensors", "NaN"],
        ),
        (
            "a tensor of another shape",
            "@shape",
            4,
            &["wpe", "[48, 48]", "[47, 48]"],
        ),
        (
            "missing tensors",
            "@layers",
            4,
            &["model.safetensors", "missing", "h.2."],
        ),
        (
            "heads that do not divide",
            "@heads",
            4,
            &["config.json", "48", "5"],
        ),
        (
            "an unknown kind of model",
            "@kind",
            4,
            &["config.json", "model_type", "gtp2", "gpt2"],
        ),
        (
            "a tokenizer larger than the model",
            "@vocabulary",
            4,
            &["tokenizer.json", "299", "config.json", &vocab],
        ),
    ];
    for (name, line, code, parts) in cases {
        workshop.add(name, &format!("inspect --model {line}"), *code, parts);
    }
}

/// What cannot be converted, and models that have no mean.
pub(crate) fn makers(workshop: &mut Workshop<'_>) {
    let gpt2 = fixture("gpt2");
    let other = workshop.copy(&gpt2, "resized");
    edit(&other.join("config.json"), |config| {
        config["n_head"] = 8.into();
        config["eos_token_id"] = 7.into();
    });
    workshop.file("thesis.tex", "years of work");
    let (gpt2, marian) = (text(&gpt2).to_owned(), fixture("marian"));
    let marian = text(&marian).to_owned();
    let cases: &[(&'static str, String, i32, &[&str])] = &[
        (
            "a mean of one",
            format!("average --model {gpt2} --out @mean"),
            2,
            &["at least two models"],
        ),
        (
            "models of two configs",
            format!("average --model {gpt2} --model @resized --out @mean"),
            4,
            &[
                "resized differs from",
                "decoder.n_heads is 8, not 4",
                "eos: [7]",
            ],
        ),
        (
            "models of two kinds",
            format!("average --model {gpt2} --model {marian} --out @mean"),
            4,
            &["transformer is", "not missing"],
        ),
        (
            "a conversion over something else",
            format!("convert --model {gpt2} --to hearth --out @thesis.tex"),
            5,
            &["will not replace", "thesis.tex"],
        ),
        (
            "an unknown way of writing",
            format!("convert --model {gpt2} --to onnx --out @mean"),
            2,
            &["onnx", "hf", "hearth"],
        ),
        (
            "shards of nothing",
            format!("convert --model {gpt2} --to hf --out @mean --shard-size 0"),
            2,
            &["--shard-size", "above 0"],
        ),
    ];
    for (name, line, code, parts) in cases {
        workshop.add(name, line, *code, parts);
    }
}

/// Inputs of `forward`.
pub(crate) fn tensors(workshop: &mut Workshop<'_>) {
    let ids = |ids: &[i64]| Numbers::ids(&[1, ids.len()], ids);
    let files: [(&str, Vec<(&str, Numbers)>); 7] = [
        ("other", vec![("tokens", ids(&[1, 2]))]),
        ("floats", vec![("input_ids", Numbers::zeros(&[1, 3]))]),
        ("high", vec![("input_ids", ids(&[1, 97]))]),
        ("negative", vec![("input_ids", ids(&[-1, 2]))]),
        ("long", vec![("input_ids", ids(&[5; 49]))]),
        (
            "vector",
            vec![("input_ids", Numbers::ids(&[3], &[1, 2, 3]))],
        ),
        (
            "mask",
            vec![
                ("input_ids", ids(&[5, 6])),
                ("decoder_input_ids", ids(&[0, 6])),
                ("attention_mask", ids(&[1, 1, 1])),
            ],
        ),
    ];
    for (name, tensors) in &files {
        write(&workshop.path(&format!("{name}.safetensors")), tensors);
    }
    workshop.file("no.safetensors", "no tensors, but words");
    let cases: &[(&'static str, &str, &str, i32, &[&str])] = &[
        (
            "missing inputs",
            "gpt2",
            "none",
            5,
            &["none.safetensors", "No such file"],
        ),
        (
            "inputs that are no tensors",
            "gpt2",
            "no",
            4,
            &["no.safetensors"],
        ),
        (
            "a missing tensor",
            "gpt2",
            "other",
            4,
            &["other.safetensors", "input_ids", "tokens"],
        ),
        (
            "ids that are no integers",
            "gpt2",
            "floats",
            4,
            &["floats.safetensors", "input_ids", "F32"],
        ),
        (
            "an id too high",
            "gpt2",
            "high",
            4,
            &["high.safetensors", "input_ids", "97", "vocabulary of 97"],
        ),
        (
            "an id below 0",
            "gpt2",
            "negative",
            4,
            &["negative.safetensors", "-1", "97"],
        ),
        (
            "more tokens than positions",
            "gpt2",
            "long",
            4,
            &["long.safetensors", "49", "48"],
        ),
        (
            "ids in one row",
            "gpt2",
            "vector",
            4,
            &["vector.safetensors", "[3]", "2 axes"],
        ),
        (
            "a mask of another shape",
            "marian",
            "mask",
            4,
            &["attention_mask", "[1, 3]", "[1, 2]"],
        ),
        (
            "vectors for a model that wants others",
            "torch-transformer",
            "high",
            4,
            &["src", "input_ids"],
        ),
    ];
    for (name, model, inputs, code, parts) in cases {
        let model = fixture(model);
        let line = format!(
            "forward --model {} --inputs @{inputs}.safetensors --outputs @unmade",
            text(&model)
        );
        workshop.add(name, &line, *code, parts);
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(path).expect("a file");
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    fs::write(path, value.to_string()).expect("a file");
}
