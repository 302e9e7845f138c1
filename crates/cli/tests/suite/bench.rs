//! `bench`: what is timed, and that it is told.

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
