//! Text generation: a small GPT learns Cicero's Latin letter by letter, and goes on from a prompt.
#![allow(clippy::print_stdout)]

use anyhow::{Context, bail};
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::hub::{Model, ModelDirectory};
use hearth::infer::{DecodeOptions, Sampling, Strategy, generate};
use hearth::train::{Event, Recipe};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What is trained, on what, how. The text comes with the crate.
const RECIPE: &str = r#"
[model]
architecture = "gpt"
d_model = 96
n_heads = 4
n_layers = 3
max_positions = 64
dropout = 0.1

[data]
embedded = "cicero"

[tokenizer]
kind = "characters"

[train]
steps = 800
batch_size = 16
lr = 2e-3
validate_every = 200
"#;

/// Trains a small GPT on Cicero's Latin, letter by letter, and lets it go on from a prompt.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Args {
    /// Texts to learn from, in place of Cicero
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Changes one key of the recipe, such as tokenizer.kind=bpe; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the run is written
    #[arg(long, value_name = "DIR", default_value = "runs/text-generation")]
    pub out: PathBuf,
    /// What the text that is written begins with
    #[arg(long, value_name = "TEXT", default_value = "Quid ")]
    pub prompt: String,
}

/// Trains in `args.out` and writes a few lines.
pub fn run<B: AutodiffBackend>(args: &Args, device: &B::Device) -> anyhow::Result<()> {
    println!("\n{}", train_and_write::<B>(args, device)?);
    println!("\npicture: {}", args.out.join("loss.svg").display());
    Ok(())
}

fn train_and_write<B: AutodiffBackend>(args: &Args, device: &B::Device) -> anyhow::Result<String> {
    let recipe = Recipe::parse(RECIPE, Path::new("text-generation"), &args.set, &args.data)?;
    hearth::train::run::<B>(&recipe, &args.out, device, &mut |event| match event {
        Event::Started {
            n_parameters, data, ..
        } => println!("{n_parameters} parameters; {data}"),
        Event::Validated {
            step, evaluation, ..
        } => {
            println!(
                "step {step}: a token costs {:.3} bits",
                evaluation.loss() / std::f64::consts::LN_2
            );
        }
        _ => {}
    })?;

    // What was saved is what any program would load; from here on there are no gradients.
    let directory = ModelDirectory::<B::InnerBackend>::load(&args.out.join("best"), device)?;
    let tokenizer = directory
        .tokenizer
        .context("the directory has a tokenizer")?;
    let Model::Gpt(gpt) = directory.model else {
        bail!("a gpt recipe trains a gpt");
    };
    let options = DecodeOptions {
        eos: directory.special.eos,
        ..DecodeOptions::new(
            Strategy::Sample(Sampling {
                temperature: 0.8,
                top_k: Some(20),
                ..Sampling::new(7)
            }),
            300,
        )
    };
    let prompt = &args.prompt;
    let ids = tokenizer.encode_plain(prompt)?;
    let mut go_on = |_| ControlFlow::Continue(());
    let texts = generate(&gpt, &[ids], &options, device, &mut go_on)?;
    let text = texts
        .first()
        .and_then(|texts| texts.first())
        .context("one text")?;
    Ok(format!("{prompt}{}", tokenizer.decode(&text.ids)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hearth::burn::backend::Autodiff;

    type B = Autodiff<hearth::backend::Selected>;

    fn written(given: &[&str], out: &Path) -> anyhow::Result<String> {
        let small = ["--set", "train.steps=3", "--set", "model.d_model=16"];
        let out = ["", "--out", out.to_str().unwrap()];
        let args = Args::parse_from(out.iter().chain(&small).chain(given));
        train_and_write::<B>(&args, &hearth::backend::device().unwrap())
    }

    #[test]
    fn a_few_steps_train_a_model_that_writes() {
        let folder = tempfile::tempdir().unwrap();
        let written = written(&["--prompt", "Cicero "], folder.path()).unwrap();
        assert!(written.starts_with("Cicero "));
        assert_eq!(written.chars().count(), 307);
        let picture = std::fs::read_to_string(folder.path().join("loss.svg")).unwrap();
        assert!(picture.contains("polyline"), "{picture}");
    }

    #[test]
    fn a_text_of_ones_own_takes_the_place_of_cicero() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.txt");
        std::fs::write(&path, "abc cab bac ".repeat(100)).unwrap();
        let given = ["--data", path.to_str().unwrap(), "--prompt"];
        let out = folder.path().join("run");
        let of = |prompt| written(&[given.as_slice(), &[prompt]].concat(), &out);
        assert!(of("abc ").unwrap().chars().all(|c| "abc ".contains(c)));
        // A letter that this text has not.
        assert!(of("Quid ").is_err());
    }
}
