//! Recipes, corpora and texts that are missing, damaged, or do not fit each other; places that cannot be written.

use super::bad_input::Workshop;
use super::program::text;
use super::{fixture, trained};
use std::path::Path;

/// Recipes that are missing or wrong.
pub(crate) fn recipes(workshop: &mut Workshop<'_>) {
    workshop.file("song.txt", trained::song());
    let recipe = |data: &str| trained::recipe("gpt").replace("[data]", data);
    let song = format!("[data]\npaths = [{:?}]", workshop.path("song.txt"));
    workshop.file("good.toml", recipe(&song));
    workshop.file("cut.toml", "[model]\narchitecture = \"gp");
    workshop.file("nothing.toml", "");
    let model = "[model]\narchitecture = \"gpt\"\nn_layers = 1\nn_heads = 1\nd_model = 8\nmax_positions = 8";
    workshop.file("alone.toml", model);
    workshop.file(
        "missing.toml",
        recipe("[data]\npaths = [\"/nowhere/corpus.txt\"]"),
    );
    workshop.file("dataless.toml", recipe("[data]"));
    let typo = recipe(&song).replace("warmup_steps", "warmup_step");
    workshop.file("typo.toml", typo);

    let cases: &[(&'static str, &str, i32, &[&str])] = &[
        (
            "a missing recipe",
            "@none.toml",
            5,
            &["none.toml", "No such file"],
        ),
        (
            "a recipe that is no TOML",
            "@cut.toml",
            2,
            &["cut.toml", "TOML"],
        ),
        (
            "a recipe without sections",
            "@nothing.toml",
            2,
            &["nothing.toml", "model"],
        ),
        (
            "a recipe that says nothing of data or training",
            "@alone.toml",
            2,
            &["train.batch_size", "exactly one"],
        ),
        (
            "a missing corpus",
            "@missing.toml",
            5,
            &["/nowhere/corpus.txt", "No such file"],
        ),
        ("no corpus", "@dataless.toml", 2, &["data.paths", "--data"]),
        (
            "an unknown key",
            "@typo.toml",
            2,
            &["typo.toml", "warmup_step", "did you mean `warmup_steps`?"],
        ),
        (
            "a value of another type",
            "@good.toml --set train.steps=many",
            2,
            &["good.toml", "many"],
        ),
        (
            "heads that do not divide the width",
            "@good.toml --set model.n_heads=3",
            2,
            &["[model]", "16", "3"],
        ),
        (
            "a value out of range",
            "@good.toml --set train.lr=-1.0",
            2,
            &["train.lr", "-1", "above 0"],
        ),
        (
            "a value without its section",
            "@good.toml --set steps=3",
            2,
            &["--set steps=3", "section.key=value"],
        ),
    ];
    for (name, line, code, parts) in cases {
        let line = format!("train -q --out @unmade --config {line}");
        workshop.add(name, &line, *code, parts);
    }
    let line = "train -q --out @diverged --config @good.toml --set train.lr=1e30";
    let parts = ["loss", "at step", "train.lr", "warmup_steps"];
    workshop.add("a learning rate far too high", line, 3, &parts);
}

/// Data that nothing can be trained on.
pub(crate) fn corpora(workshop: &mut Workshop<'_>) {
    for (name, architecture) in [("gpt.toml", "gpt"), ("pairs.toml", "transformer")] {
        workshop.file(name, trained::recipe(architecture));
    }
    workshop.file("empty.txt", "");
    workshop.file("blank.txt", " \n\n");
    workshop.file("latin.txt", b"one\ntwo \xe9t\xe9\n");
    workshop.file("short.txt", "a few words, and no more");
    workshop.file("two.txt", "one\ntwo\n");
    workshop.file("three.txt", "un\ndeux\ntrois\n");
    workshop.file("columns.tsv", "a\tb\nno tab here\n");
    let cases: &[(&'static str, &str, i32, &[&str])] = &[
        (
            "missing data",
            "@gpt.toml --data @none.txt",
            5,
            &["none.txt", "No such file"],
        ),
        (
            "a folder as data",
            "@gpt.toml --data @.",
            5,
            &["cannot read"],
        ),
        (
            "an empty corpus",
            "@gpt.toml --data @empty.txt",
            4,
            &["empty.txt", "no text"],
        ),
        (
            "a blank corpus",
            "@gpt.toml --data @blank.txt",
            4,
            &["blank.txt", "no text"],
        ),
        (
            "text in another encoding",
            "@gpt.toml --data @latin.txt",
            4,
            &["latin.txt", "line 2", "offset 8", "0xE9"],
        ),
        // One window of 32 tokens and the token after it.
        (
            "a text shorter than a window",
            "@gpt.toml --data @short.txt",
            4,
            &["training", "21 tokens", "33"],
        ),
        (
            "no pairs",
            "@pairs.toml --data @empty.txt",
            4,
            &["empty.txt", "no sentence pairs"],
        ),
        (
            "parallel files of different length",
            "@pairs.toml --data @two.txt --data @three.txt",
            4,
            &["two.txt has 2 lines", "three.txt has 3"],
        ),
        (
            "a line of one column",
            "@pairs.toml --data @columns.tsv",
            4,
            &["columns.tsv", "line 2", "no tab here"],
        ),
    ];
    for (name, line, code, parts) in cases {
        let line = format!("train -q --out @unmade --config {line}");
        workshop.add(name, &line, *code, parts);
    }
}

/// Texts to be scored or translated.
pub(crate) fn texts(workshop: &mut Workshop<'_>) {
    let (gpt, transformer) = (workshop.gpt.clone(), workshop.transformer.clone());
    let gpt2 = workshop.gpt2.clone();
    workshop.add(
        "a missing text",
        &format!("score --model {gpt} --input @none.txt"),
        5,
        &["none.txt"],
    );
    workshop.add(
        "a text in another encoding",
        &format!("score --model {gpt} --input @latin.txt"),
        4,
        &["latin.txt", "line 2", "offset 8", "0xE9"],
    );
    workshop.add(
        "standard input in another encoding",
        &format!("translate --model {transformer}"),
        4,
        &["standard input", "UTF-8", "8"],
    );
    workshop.reading(b"one\ntwo \xe9t\xe9\n");
    workshop.add(
        "nothing to score",
        &format!("score --model {gpt}"),
        4,
        &["standard input", "0 tokens", "2"],
    );
    workshop.add(
        "no pair to score",
        &format!("score --model {transformer}"),
        4,
        &["standard input"],
    );
    let line = format!("score --model {transformer} --input @columns.tsv");
    workshop.add(
        "a pair without a tab",
        &line,
        4,
        &["columns.tsv", "line 2", "tab"],
    );
    workshop.add(
        "an unknown character",
        &format!("score --model {gpt}"),
        4,
        &["'Z'", "U+005A"],
    );
    workshop.reading("la Zone");
    workshop.add(
        "text for a model without tokenizer",
        &format!("score --model {gpt2}"),
        4,
        &["gpt2", "tokenizer.json"],
    );
    workshop.reading("text");
    workshop.add(
        "a gpt that should translate",
        &format!("translate --model {gpt}"),
        4,
        &[&gpt, "gpt", "encoder-decoder"],
    );
    workshop.reading("text");
    let long = "one two three four five ".repeat(20);
    let parts = ["standard input", "line 3", "32 positions"];
    workshop.add(
        "a sentence longer than the model",
        &format!("translate --model {transformer}"),
        2,
        &parts,
    );
    workshop.reading(format!("one\n\n{long}\n"));
    let line = format!("translate --model {}", text(&fixture("torch-transformer")));
    workshop.add(
        "a model of vectors that should translate",
        &line,
        4,
        &["torch-transformer", "tokens"],
    );
    workshop.reading("text");
}

/// Places where nothing can be written.
pub(crate) fn outputs(workshop: &mut Workshop<'_>) {
    let (gpt2, transformer) = (workshop.gpt2.clone(), workshop.transformer.clone());
    let reference = fixture("gpt2").join("reference.safetensors");
    let no_folder = ["absent/out", "No such file"];
    let line = format!("translate --model {transformer} --output @absent/out");
    workshop.add("a translation without a folder", &line, 5, &no_folder);
    workshop.reading("one\n");
    let line = format!(
        "forward --model {gpt2} --inputs {} --outputs @song.txt/out",
        text(&reference)
    );
    workshop.add("tensors below a file", &line, 5, &["song.txt/out"]);

    let run = Path::new(&transformer)
        .parent()
        .expect("the run")
        .to_owned();
    let line = format!("plot {} --output @absent/out", text(&run));
    workshop.add("a picture without a folder", &line, 5, &no_folder);
    workshop.add(
        "a run without metrics",
        "plot @nowhere",
        5,
        &["nowhere/metrics.jsonl", "No such file"],
    );
    workshop.add(
        "metrics that are none",
        "plot @.",
        4,
        &["metrics.jsonl", "line 1"],
    );
    workshop.file("metrics.jsonl", "{}\n{}\n");

    let line = format!("train -q --config @good.toml --out {}", text(&run));
    workshop.add(
        "a folder that holds a run",
        &line,
        2,
        &[text(&run), "already exists", "--out"],
    );
    let line = "train -q --config @good.toml --out @song.txt/run";
    workshop.add("a folder below a file", line, 5, &["song.txt/run"]);
}
