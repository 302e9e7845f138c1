//! What the program says of itself.

use super::program::Program;

const COMMANDS: [&str; 14] = [
    "quickstart",
    "train",
    "generate",
    "translate",
    "transcribe",
    "score",
    "evaluate",
    "forward",
    "inspect",
    "convert",
    "average",
    "devices",
    "plot",
    "completions",
];

pub(crate) fn every_command_shows_examples(program: Program) {
    let all = program.run(["--help"]).success().stdout;
    for command in COMMANDS {
        assert!(all.contains(command), "{command} in {all}");
        let help = program.run([command, "--help"]).success().stdout;
        let (_, examples) = help.split_once("Examples:").expect("examples");
        let call = format!("{} {command}", program.name());
        assert!(examples.contains(&call), "{help}");
    }
}

pub(crate) fn without_arguments_the_usage_is_shown_and_the_exit_code_is_2(program: Program) {
    let finished = program.run::<&str>([]);
    assert_eq!(finished.code, Some(2));
    assert_eq!(finished.stdout, "");
    let usage = format!("Usage: {}", program.name());
    assert!(finished.stderr.contains(&usage), "{}", finished.stderr);
}

pub(crate) fn devices_are_listed_the_default_one_first(program: Program) {
    let devices = program.run(["devices", "--json"]).success().json_lines();
    for (i, device) in devices.iter().enumerate() {
        assert_eq!(device["default"], i == 0);
        assert_eq!(
            format!("hearth-{}", device["backend"].as_str().expect("a name")),
            program.name()
        );
        // Each can be asked for.
        let name = device["name"].as_str().expect("a name");
        program.run(["devices", "--device", name]).success();
    }
    assert!(!devices.is_empty());
}

pub(crate) fn a_completion_script_is_for_the_program(program: Program) {
    for shell in ["bash", "zsh", "fish"] {
        let script = program.run(["completions", shell]).success().stdout;
        assert!(script.contains(program.name()), "{shell}");
        assert!(script.contains("quickstart"), "{shell}");
    }
}
