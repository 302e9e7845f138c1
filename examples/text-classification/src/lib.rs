//! Text classification: a small encoder learns which language a word is of.
#![allow(clippy::print_stdout)]

use anyhow::{Context, bail};
use hearth::burn::tensor::backend::{AutodiffBackend, Backend};
use hearth::data::{ConfusionMatrix, LabelledText};
use hearth::hub::{Model, ModelDirectory};
use hearth::infer::{classify, likeliest};
use hearth::train::{Event, HeatMap, Recipe, held_out_texts};
use std::path::{Path, PathBuf};

/// What is trained, on what, how. The words come with the crate.
const RECIPE: &str = r#"
[model]
architecture = "bert-classifier"
d_model = 64
n_heads = 4
n_layers = 2
max_positions = 24
norm = "before"
initialisation = "xavier"
dropout = 0.1

[data]
embedded = "languages"

[tokenizer]
vocab = 300

[train]
steps = 2000
batch_size = 64
lr = 3e-3
beta_2 = 0.98
validate_every = 400
"#;

/// Trains a small encoder to tell which language a word is of, and shows which it takes for which.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Args {
    /// Texts with their labels to learn from, in place of the words that come with the program: TSV, CSV or `LABEL text`
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Changes one key of the recipe, such as model.max_positions=64; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the run is written
    #[arg(long, value_name = "DIR", default_value = "runs/text-classification")]
    pub out: PathBuf,
}

/// What held-out texts were taken for.
struct Judged {
    matrix: ConfusionMatrix,
    labels: Vec<String>,
    /// Texts that were taken for something else: the text, what it is, what it was taken for.
    mistakes: Vec<(String, usize, usize)>,
}

/// Trains in `args.out`, then classifies texts that training never saw.
pub fn run<B: AutodiffBackend>(args: &Args, device: &B::Device) -> anyhow::Result<()> {
    let judged = train_and_classify::<B>(args, device)?;
    let (matrix, labels) = (&judged.matrix, &judged.labels);
    println!(
        "\n{:.1} % of {} texts that training never saw are told right:",
        100.0 * matrix.accuracy(),
        matrix.n()
    );
    for (label, counts) in matrix.counts().iter().enumerate() {
        let n = counts.iter().sum::<usize>();
        println!("  {}: {} of {n}", labels[label], counts[label]);
    }
    println!("some that are not:");
    let mistakes = &judged.mistakes;
    let every = mistakes.len().div_ceil(6).max(1);
    for (text, label, taken_for) in mistakes.iter().step_by(every) {
        let (label, taken_for) = (&labels[*label], &labels[*taken_for]);
        println!("  {text}: {label}, taken for {taken_for}");
    }
    println!("picture: {}", args.out.join("confusion.svg").display());
    Ok(())
}

fn train_and_classify<B: AutodiffBackend>(
    args: &Args,
    device: &B::Device,
) -> anyhow::Result<Judged> {
    let origin = Path::new("text-classification");
    let recipe = Recipe::parse(RECIPE, origin, &args.set, &args.data)?;
    hearth::train::run::<B>(&recipe, &args.out, device, &mut |event| match event {
        Event::Started {
            n_parameters, data, ..
        } => println!("{n_parameters} parameters; {data}"),
        Event::Validated {
            step, evaluation, ..
        } => println!("step {step}: loss {:.3}", evaluation.loss()),
        _ => {}
    })?;

    // What was saved is what any program would load; from here on there are no gradients.
    let directory = ModelDirectory::<B::InnerBackend>::load(&args.out.join("best"), device)?;
    let (_, held_out) = held_out_texts(&recipe)?;
    let judged = judge(&directory, held_out, device)?;
    let picture = HeatMap::confusion(&judged.labels, &judged.matrix).svg()?;
    std::fs::write(args.out.join("confusion.svg"), picture)?;
    Ok(judged)
}

fn judge<B: Backend>(
    directory: &ModelDirectory<B>,
    texts: LabelledText,
    device: &B::Device,
) -> anyhow::Result<Judged> {
    let Model::Bert(model) = &directory.model else {
        bail!("a recipe for bert-classifier trains a bert");
    };
    let tokenizer = directory.tokenizer.as_ref().context("a tokenizer")?;
    let pad = directory.special.pad.context("a padding token")?;
    let mut matrix = ConfusionMatrix::new(texts.labels.len());
    let mut mistakes = Vec::new();
    for batch in texts.rows.chunks(64) {
        let lines: Vec<&str> = batch.iter().map(|row| row.text.as_str()).collect();
        let all = batch.iter().zip(tokenizer.encode_all(&lines)?);
        // Training leaves out what is too long, too.
        let (rows, ids): (Vec<_>, Vec<_>) = all
            .filter(|(_, ids)| ids.len() <= model.max_positions())
            .unzip();
        let found = classify(model, &ids, pad, device)?.context("a head of classes")?;
        for (row, probabilities) in rows.into_iter().zip(found) {
            let taken_for = likeliest(&probabilities, 1)[0];
            matrix.add(row.label, taken_for);
            if taken_for != row.label {
                mistakes.push((row.text.clone(), row.label, taken_for));
            }
        }
    }
    let labels = texts.labels;
    Ok(Judged {
        matrix,
        labels,
        mistakes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hearth::burn::backend::Autodiff;

    type B = Autodiff<hearth::backend::Selected>;

    fn judged(given: &[&str], out: &Path) -> Judged {
        let out = ["", "--out", out.to_str().unwrap()];
        let args = Args::parse_from(out.iter().chain(given));
        train_and_classify::<B>(&args, &hearth::backend::device().unwrap()).unwrap()
    }

    #[test]
    fn a_run_leaves_a_picture_of_six_languages() {
        let folder = tempfile::tempdir().unwrap();
        let judged = judged(&["--set", "train.steps=2"], folder.path());
        assert_eq!(judged.labels.len(), 6);
        assert_eq!(judged.matrix.n(), 1201);
        let picture = std::fs::read_to_string(folder.path().join("confusion.svg")).unwrap();
        assert!(picture.contains("confusion of 6 classes"), "{picture}");
    }

    #[test]
    fn a_few_steps_tell_texts_of_ones_own_apart() {
        let folder = tempfile::tempdir().unwrap();
        let lines = (0..200).map(|n| match n % 2 {
            0 => format!("FRUIT:food apples and pears {n}\n"),
            _ => format!("TOOL:metal nails and screws {n}\n"),
        });
        let path = folder.path().join("goods.label");
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        let quick = [
            "train.steps=40",
            "train.warmup_steps=10",
            "model.d_model=32",
        ];
        let mut given = vec!["--data", path.to_str().unwrap()];
        given.extend(quick.iter().flat_map(|one| ["--set", one]));
        let judged = judged(&given, &folder.path().join("run"));
        assert_eq!(judged.labels, ["FRUIT", "TOOL"]);
        let accuracy = judged.matrix.accuracy();
        assert!(judged.matrix.n() > 10 && accuracy > 0.9, "{accuracy}");
    }
}
