//! Machine translation: a small encoder-decoder Transformer learns to write English numbers in French.
#![allow(clippy::print_stdout)]

mod picture;
mod translation;

use anyhow::{Context, bail};
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::data::{Chrf, Pair, Segment};
use hearth::hub::{Model, ModelDirectory};
use hearth::train::{Event, Recipe, held_out_pairs};
use std::path::{Path, PathBuf};
use translation::{Translated, translate_batch};

/// What is trained, on what, how. The pairs come with the crate.
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

/// Trains a small Transformer to write English numbers in French, and shows where it looks as it translates.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Args {
    /// Pairs to learn from, in place of numbers: one file of `source TAB target` lines, or two files of lines that belong together
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Changes one key of the recipe, such as tokenizer.vocab=4000; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the run is written
    #[arg(long, value_name = "DIR", default_value = "runs/machine-translation")]
    pub out: PathBuf,
}

/// Trains in `args.out`, then translates sentences that training never saw.
pub fn run<B: AutodiffBackend>(args: &Args, device: &B::Device) -> anyhow::Result<()> {
    let all = train_and_translate::<B>(args, device)?;
    let is_right = |one: &&Translated| one.pair.target == one.written;
    let segments = all.iter().map(|one| Segment {
        hypothesis: &one.written,
        references: vec![&one.pair.target],
    });
    println!(
        "\n{} of {} that training never saw are right to the letter, chrF {:.1}:",
        all.iter().filter(is_right).count(),
        all.len(),
        Chrf::default().corpus(segments)
    );
    for one in all.iter().step_by(all.len().div_ceil(10)) {
        println!("  {} -> {}", one.pair.source, one.written);
    }
    println!("picture: {}", args.out.join("attention.svg").display());
    Ok(())
}

fn train_and_translate<B: AutodiffBackend>(
    args: &Args,
    device: &B::Device,
) -> anyhow::Result<Vec<Translated>> {
    let origin = Path::new("machine-translation");
    let recipe = Recipe::parse(RECIPE, origin, &args.set, &args.data)?;
    hearth::train::run::<B>(&recipe, &args.out, device, &mut |event| match event {
        Event::Started {
            n_parameters, data, ..
        } => println!("{n_parameters} parameters; {data}"),
        Event::Validated {
            step, evaluation, ..
        } => println!("step {step}: perplexity {:.3}", evaluation.perplexity()),
        _ => {}
    })?;

    // What was saved is what any program would load; from here on there are no gradients.
    let directory = ModelDirectory::<B::InnerBackend>::load(&args.out.join("best"), device)?;
    let Model::Transformer(model) = &directory.model else {
        bail!("a transformer recipe trains a transformer");
    };
    let (_, held_out) = held_out_pairs(&recipe)?;
    // From all of the file, however it is sorted.
    let every = held_out.len().div_ceil(400).max(1);
    let some: Vec<Pair> = held_out.into_iter().step_by(every).collect();
    let mut translated = Vec::with_capacity(some.len());
    for batch in some.chunks(50) {
        translated.extend(translate_batch(model, &directory, batch, device)?);
    }
    let longest = translated.iter().max_by_key(|one| one.ids.1.len());
    let longest = longest.context("no held-out source is as short as model.max_positions")?;
    let map = picture::attention(model, &directory, longest, device)?;
    std::fs::write(args.out.join("attention.svg"), map.svg()?)?;
    Ok(translated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hearth::burn::backend::Autodiff;

    type B = Autodiff<hearth::backend::Selected>;

    const QUICK: [&str; 5] = [
        "train.steps=60",
        "train.warmup_steps=10",
        "train.lr=1e-2",
        "model.d_model=32",
        "model.n_layers=1",
    ];

    fn translated(given: &[&str], out: &Path) -> Vec<Translated> {
        let out = [
            "",
            "--out",
            out.to_str().unwrap(),
            "--set",
            "train.batch_size=32",
        ];
        let quick = QUICK.iter().flat_map(|one| ["--set", one]);
        let args = Args::parse_from(out.into_iter().chain(quick).chain(given.iter().copied()));
        train_and_translate::<B>(&args, &hearth::backend::device().unwrap()).unwrap()
    }

    #[test]
    fn a_few_steps_train_a_model_that_translates() {
        let folder = tempfile::tempdir().unwrap();
        let translated = translated(&["--set", "data.n_numbers=300"], folder.path());
        // By now it writes French words, if not yet the right ones.
        let segments = translated.iter().map(|one| Segment {
            hypothesis: &one.written,
            references: vec![&one.pair.target],
        });
        let chrf = Chrf::default().corpus(segments);
        assert!(chrf > 20.0, "{chrf}");
        let picture = std::fs::read_to_string(folder.path().join("attention.svg")).unwrap();
        assert!(picture.contains("cross-attention"), "{picture}");
    }

    #[test]
    fn pairs_of_ones_own_take_the_place_of_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let lines = (0..100).map(|n| format!("source {n}\ttarget {n}\n"));
        let path = folder.path().join("pairs.tsv");
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        let given = ["--data", path.to_str().unwrap(), "--set", "train.steps=3"];
        let translated = translated(&given, &folder.path().join("run"));
        assert!(!translated.is_empty());
        let is_own = |one: &Translated| one.pair.source.starts_with("source ");
        assert!(translated.iter().all(is_own));
    }
}
