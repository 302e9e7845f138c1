//! Machine translation: a small encoder-decoder Transformer learns to write English numbers in French.
#![allow(clippy::print_stdout)]

use anyhow::{Context, bail};
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::data::{Pair, Tokenizer};
use hearth::hub::{Model, ModelDirectory};
use hearth::infer::{BeamSearch, DecodeOptions, PairTokens, Strategy, translate};
use hearth::model::Transformer;
use hearth::train::{Event, Recipe, held_out_pairs};
use std::ops::ControlFlow;
use std::path::Path;

/// What is trained, on what, how. The pairs come with the crate; put `paths = ["pairs.tsv"]` for your own.
const RECIPE: &str = r#"
[model]
architecture = "transformer"
d_model = 64
n_heads = 4
n_layers = 2
max_positions = 64
dropout = 0.05

[data]
embedded = "number-words"
n_numbers = 10000

[tokenizer]
kind = "bpe"
vocab = 400

[train]
steps = 800
batch_size = 64
lr = 3e-3
weight_decay = 0.01
beta_2 = 0.98
validate_every = 200
"#;

/// Trains for the recipe's steps in `runs/machine-translation` and translates numbers that training never saw.
pub fn run<B: AutodiffBackend>(device: &B::Device) -> anyhow::Result<()> {
    let pairs = train_and_translate::<B>(RECIPE, Path::new("runs/machine-translation"), device)?;
    let right = pairs
        .iter()
        .filter(|(pair, written)| pair.target == *written)
        .count();
    println!(
        "\n{right} of {} numbers that training never saw are right to the letter:",
        pairs.len()
    );
    for (pair, written) in pairs.iter().step_by(40) {
        println!("  {} -> {written}", pair.source);
    }
    Ok(())
}

fn train_and_translate<B: AutodiffBackend>(
    recipe: &str,
    folder: &Path,
    device: &B::Device,
) -> anyhow::Result<Vec<(Pair, String)>> {
    let recipe = Recipe::parse(recipe, Path::new("machine-translation"), &[], &[])?;
    hearth::train::run::<B>(&recipe, folder, device, &mut |event| match event {
        Event::Started {
            n_parameters, data, ..
        } => println!("{n_parameters} parameters; {data}"),
        Event::Validated {
            step, evaluation, ..
        } => println!("step {step}: perplexity {:.3}", evaluation.perplexity()),
        _ => {}
    })?;

    // What was saved is what any program would load; from here on there are no gradients.
    let directory = ModelDirectory::<B::InnerBackend>::load(&folder.join("best"), device)?;
    let tokenizer = directory
        .tokenizer
        .context("the directory has a tokenizer")?;
    let Model::Transformer(model) = directory.model else {
        bail!("a transformer recipe trains a transformer");
    };
    let special = PairTokens {
        start: directory.special.decoder_start.context("a start token")?,
        pad: directory.special.pad.context("a padding token")?,
    };
    let options = DecodeOptions {
        eos: directory.special.eos,
        ..DecodeOptions::new(Strategy::Beam(BeamSearch::new(4)), 40)
    };
    let (_, mut held_out) = held_out_pairs(&recipe)?;
    held_out.truncate(400);
    let mut translated = Vec::with_capacity(held_out.len());
    for batch in held_out.chunks(50) {
        let written = translate_batch(&model, &tokenizer, batch, special, &options, device)?;
        translated.extend(batch.iter().cloned().zip(written));
    }
    Ok(translated)
}

fn translate_batch<B: hearth::burn::tensor::backend::Backend>(
    model: &Transformer<B>,
    tokenizer: &Tokenizer,
    pairs: &[Pair],
    special: PairTokens,
    options: &DecodeOptions,
    device: &B::Device,
) -> anyhow::Result<Vec<String>> {
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let sources = tokenizer.encode_all(&sources)?;
    let mut go_on = |_| ControlFlow::Continue(());
    let texts = translate(model, &sources, special, options, device, &mut go_on)?;
    texts
        .iter()
        .map(|texts| Ok(tokenizer.decode(&texts.first().context("one translation")?.ids)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth::burn::backend::Autodiff;

    #[test]
    fn a_few_steps_train_a_model_that_translates() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = RECIPE
            .replace("steps = 800", "steps = 3")
            .replace("n_numbers = 10000", "n_numbers = 300");
        let device = hearth::backend::device().unwrap();
        let translated = train_and_translate::<Autodiff<hearth::backend::Selected>>(
            &recipe,
            &folder.path().join("run"),
            &device,
        );
        let translated = translated.unwrap();
        assert!(!translated.is_empty());
        assert!(translated.iter().all(|(pair, _)| !pair.source.is_empty()));
    }
}
