//! `evaluate`: what a model makes of data, and files beside references.

use super::bad_input::Workshop;
use super::program::{Program, text};
use super::reading::Model;
use super::transcribe::tone;
use super::{fixture, trained};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const HYPOTHESES: &str = "The cat sat on the mat .\nIl a dit « oui » à 3,50 €.\n\nIt was cold outside, so they stayed at home\n";
const REFERENCES: [&str; 2] = [
    "The cat is on the mat.\nIl a dit \"oui\" à 3,50 €.\nNothing was written here.\nIt was cold outside and so they stayed at home.\n",
    "There is a cat on the mat.\nIl a répondu « oui » pour 3,50 €.\nNothing.\nthey stayed at home because it was cold outside.\n",
];

/// Files in a folder of their own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        text(&self.0.path().join(name)).to_owned()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        let folder = Path::new(&path).parent().expect("a folder");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }
}

fn evaluate(program: Program, arguments: &[&str]) -> Value {
    let arguments = ["evaluate", "--json", "-q"].iter().chain(arguments);
    let finished = program.run(arguments).success();
    assert_eq!(finished.stderr, "");
    finished.json()
}

fn number(result: &Value, key: &str) -> f64 {
    result[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {result}"))
}

fn assert_near(result: &Value, key: &str, expected: f64) {
    let found = number(result, key);
    assert!(
        (found - expected).abs() < 1e-9,
        "{key}: {found}, {expected}"
    );
}

/// sacrebleu 2.6 and jiwer 4.0.
pub(crate) fn files_score_as_with_sacrebleu_and_jiwer(program: Program) {
    let folder = Folder::new();
    let hypotheses = folder.file("hypotheses.txt", HYPOTHESES);
    let [one, other] = REFERENCES.map(|content| folder.file(&content[..5], content));
    let first = ["--hypotheses", &hypotheses, "--references", &one];
    let run = |options: &[&str]| evaluate(program, &[&first[..], options].concat());

    let usual = run(&[]);
    assert_near(&usual, "bleu", 41.92063662959561);
    assert_near(&usual, "chrf", 58.91529294923424);
    assert_eq!(usual["n"], 4);
    assert_near(&run(&["--tokenize", "char"]), "bleu", 58.13355073389437);
    assert_near(&run(&["--tokenize", "none"]), "bleu", 25.24354106017592);

    let options = [
        "--metric",
        "bleu,chrf++",
        "--tokenize",
        "intl",
        "--lowercase",
    ];
    let both = evaluate(program, &[&first[..], &[&other], &options].concat());
    assert_near(&both, "bleu", 52.354876294748806);
    assert_near(&both, "chrf++", 60.43725800427553);
    let signature = |key: &str| both["signature"][key].as_str().map(str::to_owned);
    let bleu = "nrefs:2|case:lc|eff:no|tok:intl|smooth:exp|version:";
    assert!(signature("bleu").is_some_and(|found| found.starts_with(bleu)));
    let chrf = "nrefs:2|case:lc|eff:yes|nc:6|nw:2|space:no|version:";
    assert!(signature("chrf++").is_some_and(|found| found.starts_with(chrf)));

    let alignment = folder.path("alignment.txt");
    let errors = run(&["--metric", "wer,cer", "--alignment", &alignment]);
    assert_near(&errors, "wer", 0.48148148148148145);
    assert_near(&errors, "cer", 0.3220338983050847);
    let shown = folder.read("alignment.txt");
    let expected = "line 1\n\
                    REF: The cat  is on the *** mat.\n\
                    HYP: The cat sat on the mat    .\n               S          I    S\n\nline 2\n";
    assert!(shown.starts_with(expected), "{shown}");

    // For people the same, in lines.
    let arguments = ["evaluate"].iter().chain(&first);
    let shown = program.run(arguments).success().stdout;
    assert!(shown.starts_with("bleu 41.92  "), "{shown}");
}

pub(crate) fn labels_in_files_are_told_apart(program: Program) {
    let folder = Folder::new();
    let named = folder.file("named.txt", "no\nyes\nno\nyes\n");
    let right = folder.file("right.txt", "no\nyes\nyes\nyes\n");
    let files = ["--hypotheses", &named, "--references", &right];
    let result = evaluate(program, &[&files[..], &["--metric", "accuracy"]].concat());
    assert_near(&result, "accuracy", 0.75);
    assert_near(&result, "macro_f1", (2.0 / 3.0 + 0.8) / 2.0);
    assert_eq!(result["confusion"], json!([[1, 0], [1, 2]]));
    assert_eq!(result["classes"][1]["label"], "yes");
}

pub(crate) fn a_translator_is_judged_by_what_it_writes(program: Program) {
    let folder = Folder::new();
    let trained = trained::transformer(program);
    let model = trained.best();
    let pairs = fs::read_to_string(&trained.data).expect("pairs");
    let lines: Vec<&str> = pairs.lines().step_by(7).collect();
    let data = folder.file("pairs.tsv", lines.join("\n") + "\n\t\n");
    let side = |i: usize| {
        let column = |line: &&str| line.split('\t').nth(i).map(|side| format!("{side}\n"));
        lines.iter().filter_map(column).collect::<String>()
    };
    let sources = folder.file("sources.txt", side(0));
    let targets = folder.file("targets.txt", side(1));
    let (model, written) = (text(&model), folder.path("written.txt"));
    let beam = ["--beam", "2", "--model", model];

    let options = [
        "--data",
        &data,
        "--output",
        &written,
        "--metric",
        "bleu,chrf,wer",
    ];
    let judged = evaluate(program, &[&options[..], &beam].concat());
    assert_eq!(judged["n"], lines.len());
    // Two files are as good as one.
    let options = ["--data", &sources, &targets, "--metric", "bleu,chrf,wer"];
    assert_eq!(evaluate(program, &[&options[..], &beam].concat()), judged);

    let arguments = ["translate", "--input", &sources];
    let translated = program.run(arguments.iter().chain(&beam)).success().stdout;
    assert_eq!(folder.read("written.txt"), translated);
    let files = ["--hypotheses", &written, "--references", &targets];
    let metrics = ["--metric", "bleu,chrf,wer"];
    assert_eq!(evaluate(program, &[&files[..], &metrics].concat()), judged);
}

pub(crate) fn a_language_model_has_the_perplexity_that_score_tells(program: Program) {
    let trained = trained::gpt(program);
    let (model, data) = (trained.best(), text(&trained.data));
    let judged = evaluate(program, &["--model", text(&model), "--data", data]);
    let arguments = ["score", "--json", "--model", text(&model), "--input", data];
    let scored = program.run(arguments).success().json();
    for key in ["perplexity", "bits_per_byte", "n_tokens", "n_bytes"] {
        assert_eq!(judged[key], scored[key], "{key}");
    }
}

pub(crate) fn classes_of_texts_and_images_are_judged(program: Program) {
    let folder = Folder::new();
    let texts: Vec<String> = (5..45).map(|i| format!("w{i} w{} w9", 2 * i)).collect();
    let model = Model::of("bert-classify");
    let arguments = ["classify", "--json", "--model", text(&model.path)];
    let found = program
        .run_with(arguments, texts.join("\n"))
        .success()
        .json_lines();
    let labels: Vec<&str> = found
        .iter()
        .filter_map(|one| one["label"].as_str())
        .collect();
    // The last quarter of the labels is turned into another one.
    let other = |label: &str| {
        if label == "LABEL_0" {
            "LABEL_1"
        } else {
            "LABEL_0"
        }
    };
    let rows = texts
        .iter()
        .zip(&labels)
        .enumerate()
        .map(|(i, (text, label))| {
            let label = if i < 30 { label } else { other(label) };
            format!("{text}\t{label}\n")
        });
    let data = folder.file(
        "rows.tsv",
        format!("text\tlabel\n{}", rows.collect::<String>()),
    );
    let (svg, output) = (folder.path("confusion.svg"), folder.path("named.txt"));
    let options = [
        "--model",
        text(&model.path),
        "--data",
        &data,
        "--confusion",
        &svg,
    ];
    let judged = evaluate(program, &[&options[..], &["--output", &output]].concat());
    assert_near(&judged, "accuracy", 0.75);
    let probabilities = found.iter().map(|one| number(one, "probability"));
    let mean = probabilities.sum::<f64>() / 40.0;
    // Of one bin or of several, the error is no less than the gap of all.
    assert!(
        number(&judged, "ece") >= (0.75 - mean).abs() - 1e-6,
        "{judged}"
    );
    assert!(number(&judged, "brier") > 0.0);
    assert_eq!(folder.read("named.txt"), labels.join("\n") + "\n");
    assert!(folder.read("confusion.svg").contains("accuracy 75.00 %"));

    // Images lie in folders that are called as their labels.
    let image = |i: usize| {
        let pixels = (0..28 * 28).map(|place| ((place * (i + 3)) % 251) as u8);
        b"P5 28 28 255\n"
            .iter()
            .copied()
            .chain(pixels)
            .collect::<Vec<u8>>()
    };
    let vit = fixture("vit");
    let files: Vec<String> = (0..6)
        .map(|i| folder.file(&format!("{i}.pgm"), image(i)))
        .collect();
    let arguments = ["classify", "--json", "--model", text(&vit)];
    let arguments = arguments
        .into_iter()
        .chain(files.iter().map(String::as_str));
    let found = program.run(arguments).success().json_lines();
    for (i, one) in found.iter().enumerate() {
        let label = one["label"].as_str().expect("a label");
        folder.file(&format!("images/{label}/{i}.pgm"), image(i));
    }
    let images = folder.path("images");
    let judged = evaluate(program, &["--model", text(&vit), "--data", &images]);
    assert_eq!(
        (number(&judged, "accuracy"), &judged["n"]),
        (1.0, &json!(6))
    );
}

pub(crate) fn a_model_of_speech_is_judged_by_what_it_hears(program: Program) {
    let folder = Folder::new();
    let model = trained::speech(program).best();
    let files = [440.0, 880.0]
        .map(|hertz| folder.file(&format!("{hertz}.wav"), tone(hertz, 0.5, 16_000, 1)));
    // By the decoder alone, which is not what is usual.
    let way = ["--ctc-weight", "0"];
    let arguments = ["transcribe", "--json", "--model", text(&model)];
    let arguments = arguments.into_iter().chain(way);
    let arguments = arguments.chain(files.iter().map(String::as_str));
    let heard = program.run(arguments).success().json_lines();
    let said = |i: usize| heard[i]["text"].as_str().expect("a text");
    let more = format!("440.wav\t{}\n880.wav\t{} besides\n", said(0), said(1));
    let transcripts = folder.file("transcripts.tsv", &more);
    let arguments = ["--model", text(&model), "--data", &transcripts];
    let judged = evaluate(program, &[&arguments[..], &way].concat());
    let n_words = more.split_whitespace().count() - 2;
    assert_near(&judged, "wer", 1.0 / n_words as f64);
    assert!(number(&judged, "cer") > 0.0);
}

/// What cannot be judged.
pub(crate) fn mistakes(workshop: &mut Workshop<'_>) {
    let [gpt, transformer] = [&workshop.gpt, &workshop.transformer].map(String::clone);
    let stacks = text(&fixture("torch-transformer")).to_owned();
    workshop.file("two.txt", "a\nb\n");
    workshop.file("three.txt", "a\nb\nc\n");
    workshop.file("blank.txt", "");
    workshop.file("column.tsv", "one\n");
    let files = "evaluate --hypotheses @two.txt --references";
    let cases: &[(&'static str, &str, i32, &[&str])] = &[
        ("nothing to judge", "evaluate", 2, &["--model", "--data"]),
        (
            "hypotheses alone",
            "evaluate --hypotheses @two.txt",
            2,
            &["--references"],
        ),
        (
            "an ear of a model of text",
            &format!("evaluate --ctc-weight 0.3 --model {gpt} --data @two.txt"),
            4,
            &["--ctc-weight", "speech"],
        ),
        (
            "missing references",
            &format!("{files} @none.txt"),
            5,
            &["none.txt", "No such file"],
        ),
        (
            "references of another length",
            &format!("{files} @three.txt"),
            4,
            &["three.txt", "3 lines", "the 2 of", "two.txt"],
        ),
        (
            "hypotheses without a line",
            "evaluate --hypotheses @blank.txt --references @blank.txt",
            4,
            &["blank.txt", "no line"],
        ),
        (
            "errors beside two references",
            &format!("{files} @two.txt --references @two.txt --metric wer"),
            2,
            &["wer", "one reference", "2"],
        ),
        (
            "an unknown metric",
            &format!("{files} @two.txt --metric rouge"),
            2,
            &["rouge", "bleu"],
        ),
        (
            "an alignment of what is not aligned",
            &format!("{files} @two.txt --alignment @out.txt"),
            2,
            &["--alignment", "wer"],
        ),
        (
            "a picture of texts",
            &format!("{files} @two.txt --confusion @out.svg"),
            2,
            &["--confusion", "classes"],
        ),
        (
            "files and a model",
            &format!("{files} @two.txt --model {gpt}"),
            2,
            &["--hypotheses", "--model"],
        ),
        (
            "files and a beam",
            &format!("{files} @two.txt --beam 2"),
            2,
            &["--hypotheses", "--beam"],
        ),
        (
            "a language model judged by words",
            &format!("evaluate --model {gpt} --data @two.txt --metric wer"),
            2,
            &["perplexity", "--metric"],
        ),
        (
            "pairs of one column",
            &format!("evaluate --model {transformer} --data @column.tsv"),
            4,
            &["column.tsv", "line 1", "TAB"],
        ),
        (
            "missing data",
            &format!("evaluate --model {transformer} --data @none.tsv"),
            5,
            &["none.tsv", "No such file"],
        ),
        (
            "translations without a folder",
            &format!(
                "evaluate --model {transformer} --data @two.txt --data @two.txt --output @absent/out"
            ),
            5,
            &["absent/out"],
        ),
        (
            "a model of vectors",
            &format!("evaluate --model {stacks} --data @two.txt"),
            4,
            &["torch-transformer", "evaluate needs"],
        ),
    ];
    for (name, line, code, parts) in cases {
        workshop.add(name, line, *code, parts);
    }
}
