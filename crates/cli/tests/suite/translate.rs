//! `translate`: a line in, a line out.

use super::program::{Program, text, words};
use super::shared::shared;
use super::trained;
use std::fs;

const LINES: &str = "one red apple\n\n  \nfive calm roads\ntwo old houses\n";

pub(crate) fn every_line_has_its_translation_even_an_empty_one(program: Program) {
    let shown = translate(program, "");
    assert_eq!(shown.lines().count(), 5);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((lines[1], lines[2]), ("", ""));

    let model = trained::transformer(program).best();
    let arguments = ["translate", "--json", "-q", "--model", text(&model)];
    let finished = program.run_with(arguments, LINES).success();
    assert_eq!(finished.stderr, "");
    let results = finished.json_lines();
    assert_eq!(results.len(), 5);
    for (result, line) in results.iter().zip(&lines) {
        let keys: Vec<&String> = result.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["text", "ids", "score", "log_probs"]);
        assert_eq!(result["text"], **line);
        let is_blank = result["ids"].as_array().is_some_and(Vec::is_empty);
        assert_eq!(is_blank, result["score"] == 0.0, "{result}");
    }
    // What does not end its last line is as many lines.
    let unended = program.run_with(["translate", "--model", text(&model)], LINES.trim_end());
    assert_eq!(unended.success().stdout, shown);
    let nothing = program.run_with(["translate", "--model", text(&model)], "");
    assert_eq!(nothing.success().stdout, "");
}

pub(crate) fn a_file_gets_what_standard_output_would(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    fs::write(&input, LINES).expect("a file");
    let model = trained::transformer(program).best();
    let arguments = ["translate", "--model", text(&model)];
    let files = ["--input", text(&input), "--output", text(&output)];
    let finished = program.run(arguments.iter().chain(&files)).success();
    assert_eq!(finished.stdout, "");
    assert!(
        finished.stderr.contains(text(&output)),
        "{}",
        finished.stderr
    );
    let written = fs::read_to_string(&output).expect("a file");
    assert_eq!(written, translate(program, ""));

    // Whoever may read a file of this folder may read this one.
    let mode = |path| fs::metadata(path).expect("a file").permissions();
    assert_eq!(mode(&output), mode(&input));

    let finished = program.run(arguments.iter().chain(&files).chain(&["--json"]));
    finished.success();
    let written = fs::read_to_string(&output).expect("a file");
    assert_eq!(written, translate(program, "--json"));
}

pub(crate) fn the_size_of_a_batch_changes_nothing(program: Program) {
    for beam in ["--beam 1", "--beam 3 --length-penalty 0.5"] {
        let together = translate(program, beam);
        let alone = translate(program, &format!("{beam} --batch-size 1"));
        assert_eq!(together, alone, "{beam}");
    }
}

fn translate(program: Program, options: &str) -> String {
    let model = trained::transformer(program).best();
    let arguments = ["translate", "--model", text(&model)];
    let arguments = arguments.into_iter().chain(words(options));
    program.run_with(arguments, LINES).success().stdout
}

/// A network that PyTorch trained to spell out 200 words in sounds, with a vocabulary for each side.
pub(crate) fn a_recurrent_network_pronounces_as_it_always_has(program: Program) {
    let Some(model) = shared("fixtures/g2p-gru-seq2seq") else {
        return;
    };
    let reference = fs::read_to_string(model.join("reference.tsv")).expect("a reference");
    let pairs: Vec<(&str, &str)> = reference
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    assert_eq!(pairs.len(), 200);
    let words: Vec<&str> = pairs.iter().map(|(word, _)| *word).collect();
    let arguments = ["translate", "--beam", "1", "--model", text(&model)];
    let shown = program
        .run_with(arguments, words.join("\n"))
        .success()
        .stdout;
    let sounds: Vec<&str> = pairs.iter().map(|(_, sounds)| *sounds).collect();
    assert_eq!(shown.lines().collect::<Vec<_>>(), sounds);
}
