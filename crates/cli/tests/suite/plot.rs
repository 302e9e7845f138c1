//! `plot`: curves of runs.

use super::program::{Program, text};
use super::trained;
use std::fs;

pub(crate) fn one_run_and_two_runs_make_a_picture(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("losses.svg");
    let run = folder.path().join("copied");
    fs::create_dir(&run).expect("a folder");
    let source = trained::by_heart(program).run.join("metrics.jsonl");
    fs::copy(source, run.join("metrics.jsonl")).expect("a copy");

    // By default the picture lies with the run.
    let finished = program.run(["plot", text(&run)]).success();
    let picture = run.join("loss.svg");
    assert!(
        finished.stdout.contains(text(&picture)),
        "{}",
        finished.stdout
    );
    assert!(
        fs::read_to_string(&picture)
            .expect("a picture")
            .starts_with("<svg")
    );

    // Each run keeps its own.
    let other = &trained::transformer(program).run;
    let finished = program.run(["plot", text(&run), text(other)]).success();
    let beside = folder.path().join("losses.svg");
    assert!(finished.stdout.contains(text(&beside)), "{finished:?}");
    fs::remove_file(&beside).expect("a picture");

    let finished = program.run([
        "plot",
        "--json",
        text(&run),
        text(other),
        "--output",
        text(&output),
    ]);
    assert_eq!(finished.success().json()["plot"], text(&output));
    let picture = fs::read_to_string(&output).expect("a picture");
    for label in ["copied, training", "copied, validation", "run, validation"] {
        assert!(picture.contains(label), "{label}");
    }
}
