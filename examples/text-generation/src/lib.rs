//! Text generation: a small GPT learns Cicero's Latin letter by letter, and goes on from a prompt.
#![allow(clippy::print_stdout)]

use anyhow::{Context, bail};
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::hub::{Model, ModelDirectory};
use hearth::infer::{DecodeOptions, Sampling, Strategy, generate};
use hearth::train::{Event, Recipe};
use std::ops::ControlFlow;
use std::path::Path;

/// What is trained, on what, how. The text comes with the crate; put `paths = ["mine.txt"]` for your own.
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
steps = 1000
batch_size = 16
lr = 2e-3
validate_every = 200
"#;

/// Trains for the recipe's steps in `runs/text-generation` and writes a few lines.
pub fn run<B: AutodiffBackend>(device: &B::Device) -> anyhow::Result<()> {
    let written = train_and_write::<B>(RECIPE, Path::new("runs/text-generation"), device)?;
    println!("\n{written}");
    Ok(())
}

fn train_and_write<B: AutodiffBackend>(
    recipe: &str,
    folder: &Path,
    device: &B::Device,
) -> anyhow::Result<String> {
    let recipe = Recipe::parse(recipe, Path::new("text-generation"), &[], &[])?;
    hearth::train::run::<B>(&recipe, folder, device, &mut |event| match event {
        Event::Started {
            n_parameters, data, ..
        } => println!("{n_parameters} parameters; {data}"),
        Event::Validated {
            step, evaluation, ..
        } => {
            println!(
                "step {step}: a character costs {:.3} bits",
                evaluation.loss() / std::f64::consts::LN_2
            );
        }
        _ => {}
    })?;

    // What was saved is what any program would load; from here on there are no gradients.
    let directory = ModelDirectory::<B::InnerBackend>::load(&folder.join("best"), device)?;
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
    let prompt = "Quid ";
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
    use hearth::burn::backend::Autodiff;

    #[test]
    fn a_few_steps_train_a_model_that_writes() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = RECIPE
            .replace("steps = 1000", "steps = 3")
            .replace("d_model = 96", "d_model = 16");
        let device = hearth::backend::device().unwrap();
        let written = train_and_write::<Autodiff<hearth::backend::Selected>>(
            &recipe,
            &folder.path().join("run"),
            &device,
        );
        let written = written.unwrap();
        assert!(written.starts_with("Quid "), "{written}");
        assert!(written.chars().count() > 40, "{written}");
    }
}
