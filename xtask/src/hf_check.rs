//! `cargo xtask hf-check`: the logits of a model directory, hearth's beside Hugging Face's.
//!
//! Python makes the inputs, because it knows the model's vocabulary from its config; hearth runs `forward` on them; Python
//! runs the same model by transformers and compares. By hand, since it needs `pip install torch transformers safetensors`.

use std::{
    path::{Path, PathBuf, absolute},
    process::Command,
};

use anyhow::{Context, ensure};
use clap::Args;

use crate::{
    step::succeeds,
    workspace::{Workspace, shown},
};

#[derive(Args)]
pub(crate) struct HfCheckArgs {
    /// The model directory, as Hugging Face writes it
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The hearth program to compare; left out, hearth-flex is built for release and run
    #[arg(long, value_name = "PATH")]
    hearth: Option<PathBuf>,
    /// The Python to run
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
}

/// Runs the comparison and returns whether the logits agree.
pub(crate) fn run(workspace: &Workspace, args: &HfCheckArgs) -> anyhow::Result<bool> {
    let model = absolute(&args.model).context("cannot resolve the model directory")?;
    ensure!(
        model.join("config.json").is_file(),
        "{} is no model directory: it has no config.json",
        model.display()
    );
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let inputs = scratch.path().join("inputs.safetensors");
    let outputs = scratch.path().join("outputs.safetensors");

    let script = || {
        let mut command = Command::new(&args.python);
        command.arg(workspace.root().join("xtask/python/hf_check.py"));
        command
    };
    must(
        script()
            .arg("inputs")
            .arg("--model")
            .arg(&model)
            .arg("--inputs")
            .arg(&inputs),
    )?;
    must(&mut forward(
        workspace,
        args.hearth.as_deref(),
        &model,
        &inputs,
        &outputs,
    )?)?;
    succeeds(
        script()
            .arg("compare")
            .arg("--model")
            .arg(&model)
            .arg("--inputs")
            .arg(&inputs)
            .arg("--outputs")
            .arg(&outputs),
    )
}

/// `hearth forward`, by the given program or by the one this workspace builds.
fn forward(
    workspace: &Workspace,
    hearth: Option<&Path>,
    model: &Path,
    inputs: &Path,
    outputs: &Path,
) -> anyhow::Result<Command> {
    let mut command = match hearth {
        Some(program) if program.components().count() > 1 => {
            Command::new(absolute(program).context("cannot resolve the path of hearth")?)
        }
        // A bare name is looked up in PATH.
        Some(program) => Command::new(program),
        None => {
            let mut cargo = workspace.cargo();
            cargo.args([
                "run",
                "--release",
                "--quiet",
                "--package",
                "hearth-flex",
                "--",
            ]);
            cargo
        }
    };
    command
        .arg("forward")
        .arg("--model")
        .arg(model)
        .arg("--inputs")
        .arg(inputs)
        .arg("--outputs")
        .arg(outputs);
    Ok(command)
}

/// Runs a command whose failure ends the comparison.
fn must(command: &mut Command) -> anyhow::Result<()> {
    ensure!(succeeds(command)?, "`{}` failed", shown(command));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(hearth: Option<&str>) -> anyhow::Result<String> {
        let workspace = Workspace::find()?;
        let [model, inputs, outputs] = ["m", "i", "o"].map(Path::new);
        Ok(shown(&forward(
            &workspace,
            hearth.map(Path::new),
            model,
            inputs,
            outputs,
        )?))
    }

    #[test]
    fn hearth_is_the_given_program_or_the_one_built_here() -> anyhow::Result<()> {
        let arguments = "forward --model m --inputs i --outputs o";
        assert_eq!(
            line(Some("hearth-wgpu"))?,
            format!("hearth-wgpu {arguments}")
        );
        assert_eq!(
            line(Some("bin/hearth-wgpu"))?,
            format!("hearth-wgpu {arguments}")
        );
        assert_eq!(
            line(None)?,
            format!("cargo run --release --quiet --package hearth-flex -- {arguments}")
        );
        Ok(())
    }

    #[test]
    fn a_folder_without_a_config_is_refused() -> anyhow::Result<()> {
        let empty = tempfile::tempdir()?;
        let args = HfCheckArgs {
            model: empty.path().to_owned(),
            hearth: None,
            python: "python3".into(),
        };
        let error = run(&Workspace::find()?, &args).expect_err("the folder is empty");
        assert!(error.to_string().contains("no config.json"));
        Ok(())
    }
}
