//! `--attention`: where a model looked, as a picture.

use super::fixture;
use super::program::{Finished, Program, text, words};
use super::trained;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A picture, and what the command that drew it said.
struct Drawn {
    svg: String,
    finished: Finished,
}

/// Runs a command with `--attention`; nothing else may be left in the picture's folder.
fn draw(program: Program, model: &Path, line: &str, stdin: &str) -> Drawn {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("map.svg");
    let arguments = words(line).chain(["--model", text(model), "--attention", text(&path)]);
    let finished = program.run_with(arguments, stdin).success();
    let n_files = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(n_files, 1);
    assert!(finished.stderr.contains(text(&path)), "{}", finished.stderr);
    let svg = fs::read_to_string(&path).expect("a picture");
    Drawn { svg, finished }
}

impl Drawn {
    /// How many squares there are of the size that is found most often: those of the weights.
    fn n_squares(&self) -> usize {
        let mut counts = HashMap::new();
        for line in self.svg.lines().filter(|line| line.starts_with("<rect")) {
            let side = attribute(line, "width");
            if side == attribute(line, "height") {
                *counts.entry(side).or_insert(0) += 1;
            }
        }
        counts.into_values().max().expect("squares")
    }

    /// The texts whose element says this.
    fn texts(&self, part: &str) -> Vec<&str> {
        let all = self.svg.split("<text ").skip(1);
        all.filter(|text| text.contains(part))
            .map(|text| text.lines().nth(1).expect("its content"))
            .collect()
    }

    /// Labels above the map are turned.
    fn columns(&self) -> Vec<&str> {
        self.texts("rotate(270")
    }

    /// Labels beside the map end where it begins.
    fn rows(&self) -> Vec<&str> {
        self.texts("text-anchor=\"end\"")
    }

    fn says(&self, line: &str) {
        assert!(self.svg.lines().any(|found| found == line), "{line}");
    }
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, rest) = element
        .split_once(&format!(" {name}=\""))
        .expect("an attribute");
    rest.split('"').next().expect("its value")
}

pub(crate) fn a_map_has_the_tokens_of_both_sides_and_a_square_for_each_pair(program: Program) {
    let line = "generate --greedy --json --prompt-ids 5,7,11";
    // A gpt looks at all of its text.
    let options = format!("{line} --max-new-tokens 4");
    let drawn = draw(program, &fixture("gpt2"), &options, "");
    let mut ids = vec!["5".to_owned(), "7".to_owned(), "11".to_owned()];
    ids.extend(written(&drawn));
    assert_eq!((drawn.columns(), drawn.n_squares()), (strs(&ids), 49));
    assert_eq!(drawn.rows(), strs(&ids));
    drawn.says("self-attention, layer 2 of 2, mean of 4 heads");

    // An encoder-decoder looks at its source.
    let drawn = draw(program, &fixture("marian"), &options, "");
    let ids = written(&drawn);
    assert_eq!(drawn.columns(), ["5", "7", "11"]);
    assert_eq!(drawn.rows(), strs(&ids));
    assert_eq!(drawn.n_squares(), 3 * ids.len());
    let mean = drawn.svg;
    let options = format!("{options} --attention-layer 1 --attention-head 2");
    let drawn = draw(program, &fixture("marian"), &options, "");
    drawn.says("cross-attention, layer 1 of 2, head 2 of 4");
    assert_ne!(drawn.svg, mean);
}

pub(crate) fn a_translation_is_drawn_beside_its_source_in_words(program: Program) {
    let model = trained::transformer(program).best();
    let lines = "\none red apple\ntwo old houses\n";
    let drawn = draw(program, &model, "translate --json", lines);
    let plain = program.run_with(["translate", "--json", "--model", text(&model)], lines);
    let results = drawn.finished.json_lines();
    assert_eq!(results, plain.success().json_lines());
    assert!(drawn.finished.stderr.contains("line 2"));

    let n_written = results[1]["ids"].as_array().expect("ids").len();
    let columns = drawn.columns();
    assert_eq!(drawn.rows().len(), n_written);
    assert_eq!(drawn.n_squares(), columns.len() * n_written);
    let (end, source) = columns.split_last().expect("labels");
    assert_eq!(*end, "&lt;/s&gt;");
    // Spaces are dots.
    assert_eq!(source.concat(), "one·red·apple");
}

pub(crate) fn a_text_that_is_longer_than_a_picture_is_drawn_from_its_beginning(program: Program) {
    let line = "generate --greedy --prompt-ids 5,7,11 --max-new-tokens 60";
    let drawn = draw(program, &fixture("gpt2"), line, "");
    assert_eq!(drawn.n_squares(), 48 * 48);
    let note = "the first 48 of 63 tokens";
    drawn.says(note);
    assert!(drawn.finished.stderr.contains(note));
}

/// The ids that a command wrote, with `--json`.
fn written(drawn: &Drawn) -> Vec<String> {
    let result = drawn.finished.json();
    let ids = result["ids"].as_array().expect("ids");
    ids.iter().map(ToString::to_string).collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
