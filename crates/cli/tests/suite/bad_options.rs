//! Options that ask for what cannot be.

use super::bad_input::Workshop;
use super::fixture;
use super::program::text;

/// What `generate` cannot go on from.
pub(crate) fn prompts(workshop: &mut Workshop<'_>) {
    let (gpt, gpt2) = (workshop.gpt.clone(), workshop.gpt2.clone());
    let ids = ["5"; 48].join(",");
    let spoken = "le vent chante et la nuit tombe sur";

    workshop.add(
        "no prompt",
        &format!("generate --model {gpt}"),
        2,
        &["--prompt", "--prompt-file", "--prompt-ids"],
    );
    workshop.add(
        "a missing prompt file",
        &format!("generate --model {gpt} --prompt-file @none.txt"),
        5,
        &["none.txt"],
    );
    let line = format!("generate --model {gpt} --prompt le --prompt-ids 1");
    workshop.add(
        "two prompts of two kinds",
        &line,
        2,
        &["--prompt", "--prompt-ids"],
    );
    workshop.add(
        "an empty prompt",
        &format!("generate --model {gpt} --prompt"),
        2,
        &["prompt", "empty"],
    );
    workshop.with("");
    workshop.add(
        "a prompt longer than the context",
        &format!("generate --model {gpt} --prompt"),
        2,
        &["35 tokens", "32 positions"],
    );
    workshop.with(spoken);
    let line = format!("generate --model {gpt2} --prompt-ids {ids}");
    workshop.add(
        "as many ids as the context has",
        &line,
        2,
        &["48 tokens", "48 positions"],
    );
    workshop.add(
        "an unknown character in a prompt",
        &format!("generate --model {gpt} --prompt Z"),
        4,
        &["'Z'", "U+005A"],
    );
    let line = format!("generate --model {gpt2} --prompt text");
    workshop.add(
        "a prompt without tokenizer",
        &line,
        4,
        &["gpt2", "tokenizer.json", "--prompt-ids"],
    );
    for (name, ids, part) in [
        ("ids that are words", "1,two,3", "\"two\""),
        ("ids with a hole", "1,,3", "\"\""),
        ("an id below 0", "1,-2", "\"-2\""),
    ] {
        let line = format!("generate --model {gpt2} --prompt-ids {ids}");
        workshop.add(name, &line, 2, &["--prompt-ids", part, "1,2,3"]);
    }
    let line = format!("generate --model {gpt2} --prompt-ids 1,97");
    workshop.add(
        "an id outside the vocabulary",
        &line,
        2,
        &["token id 97", "vocabulary of 97"],
    );
    let line = format!(
        "generate --model {} --prompt-ids 1",
        text(&fixture("torch-transformer"))
    );
    workshop.add(
        "a model that writes nothing",
        &line,
        4,
        &["torch-transformer", "generate", "tokens"],
    );
}

/// What no text can be decoded with.
pub(crate) fn decoding(workshop: &mut Workshop<'_>) {
    let (gpt, transformer) = (workshop.gpt.clone(), workshop.transformer.clone());
    let cases: &[(&'static str, &str, &[&str])] = &[
        (
            "greedy at a temperature",
            "--greedy --temperature 0.5",
            &["--greedy", "--temperature"],
        ),
        (
            "greedy with a beam",
            "--greedy --beam 2",
            &["--greedy", "--beam"],
        ),
        (
            "a beam at a temperature",
            "--beam 2 --temperature 0.5",
            &["--beam", "--temperature"],
        ),
        ("no beam", "--beam 0", &["--beam", "0", "at least 1"]),
        (
            "no heat",
            "--temperature 0",
            &["temperature", "0", "greedy"],
        ),
        (
            "negative heat",
            "--temperature=-1",
            &["temperature", "-1", "above 0"],
        ),
        (
            "no number as heat",
            "--temperature warm",
            &["--temperature", "warm"],
        ),
        (
            "none of the likeliest",
            "--top-k 0",
            &["--top-k", "0", "at least 1"],
        ),
        (
            "more than everything",
            "--top-p 1.5",
            &["top_p", "1.5", "up to 1"],
        ),
        (
            "no sample",
            "--samples 0",
            &["--samples", "0", "at least 1"],
        ),
        (
            "no new token",
            "--max-new-tokens 0",
            &["--max-new-tokens", "0", "at least 1"],
        ),
        (
            "more samples than beams",
            "--samples 3 --beam 2",
            &["--samples", "3", "--beam", "2"],
        ),
        (
            "an infinite penalty",
            "--beam 2 --length-penalty inf",
            &["length_penalty", "inf"],
        ),
    ];
    for (name, options, parts) in cases {
        let line = format!("generate --model {gpt} --prompt le {options}");
        workshop.add(name, &line, 2, parts);
    }
    for (name, option) in [
        ("no beam to translate with", "--beam"),
        ("no sentence at once", "--batch-size"),
        ("no token of a translation", "--max-new-tokens"),
    ] {
        let line = format!("translate --model {transformer} {option} 0");
        workshop.add(name, &line, 2, &[option, "0", "at least 1"]);
        workshop.reading("one\n");
    }
    let cases: [(&'static str, &str, &[&str]); 2] = [
        ("no stride", "--stride 0", &["--stride", "0", "at least 1"]),
        (
            "a stride longer than the context",
            "--stride 33",
            &["stride", "33", "context"],
        ),
    ];
    for (name, options, parts) in cases {
        workshop.add(name, &format!("score --model {gpt} {options}"), 2, parts);
        workshop.reading("le vent");
    }
}

/// What of attention cannot be drawn, or not there.
pub(crate) fn pictures(workshop: &mut Workshop<'_>) {
    let (gpt2, transformer) = (workshop.gpt2.clone(), workshop.transformer.clone());
    let rnn = text(&fixture("torch-lstm-lm")).to_owned();
    let (with, without) = ("--attention @map.svg", "");
    let cases: &[(&'static str, &str, &str, i32, &[&str])] = &[
        (
            "a layer too high",
            with,
            "--attention-layer 3",
            2,
            &["--attention-layer", "3", "1 to 2", "gpt2"],
        ),
        (
            "a head too many",
            with,
            "--attention-head 5",
            2,
            &["--attention-head", "5", "1 to 4", "gpt2"],
        ),
        (
            "no layer",
            with,
            "--attention-layer 0",
            2,
            &["--attention-layer", "0", "at least 1"],
        ),
        (
            "a head of no picture",
            without,
            "--attention-head 1",
            2,
            &["--attention <FILE.svg>"],
        ),
        (
            "a map without a folder",
            "--attention @absent/map.svg",
            "",
            5,
            &["absent/map.svg", "No such file"],
        ),
        (
            "a map that is a folder",
            "--attention @.",
            "",
            5,
            &["directory"],
        ),
    ];
    for (name, map, options, code, parts) in cases {
        let line = format!("generate --model {gpt2} --prompt-ids 1,2 {map} {options}");
        workshop.add(name, &line, *code, parts);
    }
    let line = format!("generate --model {rnn} --prompt-ids 1,2 {with}");
    let parts = ["torch-lstm-lm", "without attention", "rnn-lm", "a gpt"];
    workshop.add("a model that looks nowhere", &line, 2, &parts);
    let line = format!("translate --model {transformer} {with}");
    let parts = ["standard input", "no line", "--attention"];
    workshop.add("a map of nothing", &line, 4, &parts);
    workshop.reading("\n \n");
    let line = format!("translate --model {transformer} {with} --output @map.svg");
    let parts = ["--attention", "--output", "same file"];
    workshop.add("a map in place of the translation", &line, 2, &parts);
    workshop.reading("one\n");
}

/// Devices, commands, shells.
pub(crate) fn others(workshop: &mut Workshop<'_>) {
    let gpt2 = workshop.gpt2.clone();
    let line = format!("inspect --model {gpt2} --device abacus");
    workshop.add(
        "an unknown device",
        &line,
        2,
        &["abacus", "expected one of: cpu"],
    );
    workshop.add("an unknown command", "trane", 2, &["trane", "train"]);
    workshop.add(
        "an unknown option",
        "inspect --modle x",
        2,
        &["--modle", "--model"],
    );
    workshop.add("no model", "inspect", 2, &["--model"]);
    let line = "bench decode --max-new-tokens 1000 --rounds 1 --model";
    workshop.add(
        "a text that is longer than a model can write",
        line,
        2,
        &["--max-new-tokens", "1000", "positions"],
    );
    workshop.with(text(&fixture("marian")));
    let classifier = fixture("bert-classify");
    let classifier = text(&classifier);
    let line = format!("classify --model {classifier} --model {classifier} --weights");
    for (name, weights, part) in [
        ("a model that does not count", "1,0", "--weights has 0"),
        ("a weight for no model", "1,2,3", "--weights has 3 numbers"),
    ] {
        workshop.add(name, &format!("{line} {weights}"), 2, &[part]);
    }
    let image = fixture("vit");
    let line = format!("classify --model {classifier} --model {}", text(&image));
    workshop.add("models of texts and images", &line, 4, &["vit"]);
    workshop.add("no run", "plot", 2, &["RUN_DIR"]);
    workshop.add("an unknown shell", "completions dash", 2, &["dash", "bash"]);
    workshop.add(
        "quiet and verbose",
        "devices -q -v",
        2,
        &["--quiet", "--verbose"],
    );
    workshop.add(
        "a seed that is no number",
        "devices --seed x",
        2,
        &["--seed", "x"],
    );
    workshop.file("occupied", "");
    workshop.add(
        "a quickstart where a file is",
        "quickstart --out @occupied",
        2,
        &["occupied", "already exists"],
    );
}
