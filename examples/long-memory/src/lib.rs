//! Long memory: a plain RNN, LSTMs, a GRU and a Transformer are asked what came first, from ever farther away.
#![allow(clippy::print_stdout)]

mod elman;
mod model;
mod picture;
mod task;
mod training;

use anyhow::Context;
use hearth::batch::{Stream, derive_seed};
use hearth::burn::module::AutodiffModule;
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::model::LanguageModel;
use model::{Body, KINDS, Kind};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use training::{Measured, Training};

/// Trains plain RNNs, LSTMs, a GRU and a Transformer of one size to say which symbol came first, anew for each distance;
/// writes a table and a picture.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Options {
    /// Short distances and few steps, in under a minute
    #[arg(long)]
    pub quick: bool,
    /// Where long-memory.csv and long-memory.svg are written
    #[arg(long, value_name = "DIR", default_value = "runs/long-memory")]
    pub out: PathBuf,
    /// Tokens between a symbol and the question [default: 5,10,20,50,100; with --quick 5,20]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub distances: Vec<usize>,
    /// Steps of each training at most: it ends once no mistake is made [default: 400; with --quick 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// How often each model is trained at each distance [default: 2; with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
}

/// A training: a line of `long-memory.csv`.
#[derive(Debug, Clone, Serialize)]
struct Line {
    model: &'static str,
    n_parameters: usize,
    distance: usize,
    seed: u64,
    /// See [`Measured`].
    gradient: f64,
    accuracy: f64,
    steps: u64,
}

/// Runs the study and writes its table and its picture.
pub fn run<B: AutodiffBackend>(options: &Options, device: &B::Device) -> anyhow::Result<()> {
    let out = &options.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let lines = study::<B>(options, device);
    let path = out.join("long-memory.csv");
    let cannot = || format!("cannot write {}", path.display());
    let mut table = csv::Writer::from_path(&path).with_context(cannot)?;
    for line in &lines {
        table.serialize(line).with_context(cannot)?;
    }
    table.flush().with_context(cannot)?;
    let picture = out.join("long-memory.svg");
    picture::draw(&lines, &picture)?;
    println!("\npicture: {}", picture.display());
    Ok(())
}

fn study<B: AutodiffBackend>(options: &Options, device: &B::Device) -> Vec<Line> {
    let (distances, steps, seeds): (&[usize], _, _) = match options.quick {
        true => (&[5, 20], 100, 1),
        false => (&[5, 10, 20, 50, 100], 400, 2),
    };
    let distances = match options.distances.as_slice() {
        [] => distances,
        given => given,
    };
    let steps = options.steps.unwrap_or(steps);
    let seeds = options.seeds.unwrap_or(seeds);
    let (begun, mut lines) = (Instant::now(), Vec::new());
    for &distance in distances {
        for (kind, seed) in KINDS
            .iter()
            .flat_map(|kind| (1..=seeds).map(move |seed| (kind, seed)))
        {
            let training = Training {
                distance,
                steps,
                seed,
            };
            let line = line::<B>(kind, training, device);
            let (name, right, seconds) = (kind.name, 100.0 * line.accuracy, begun.elapsed());
            println!(
                "{distance:>4} tokens back, {name}, seed {seed}: {right:.1} % right after {} steps ({:.0} s)",
                line.steps,
                seconds.as_secs_f64()
            );
            lines.push(line);
        }
    }
    lines
}

fn line<B: AutodiffBackend>(kind: &Kind, training: Training, device: &B::Device) -> Line {
    B::seed(device, derive_seed(training.seed, Stream::Weights, 0));
    let (n_parameters, measured) = match kind.body {
        Body::Plain { gain } => measure::<B, _>(model::plain(gain, device), training, device),
        Body::Gated { kind, forget } => {
            measure::<B, _>(model::gated(kind, forget, device), training, device)
        }
        Body::Attention => measure::<B, _>(
            model::transformer(training.distance + 2, device),
            training,
            device,
        ),
    };
    let Measured {
        gradient,
        accuracy,
        steps,
    } = measured;
    let Training { distance, seed, .. } = training;
    Line {
        model: kind.name,
        n_parameters,
        distance,
        seed,
        gradient,
        accuracy,
        steps,
    }
}

fn measure<B, M>(model: M, training: Training, device: &B::Device) -> (usize, Measured)
where
    B: AutodiffBackend,
    M: AutodiffModule<B> + LanguageModel<B>,
    M::InnerModule: LanguageModel<B::InnerBackend>,
{
    (model.num_params(), training.run::<B, M>(model, device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hearth::burn::backend::Autodiff;

    type B = Autodiff<hearth::backend::Selected>;

    fn measured(name: &str, training: Training) -> Line {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        line::<B>(kind, training, &hearth::backend::device().unwrap())
    }

    #[test]
    fn what_a_gate_keeps_decides_how_far_a_gradient_reaches() {
        let gradient = |name, distance| {
            let training = Training {
                distance,
                steps: 1,
                seed: 1,
            };
            measured(name, training).gradient
        };
        let kept = |name| gradient(name, 25) / gradient(name, 5);
        // Each of 20 more tokens keeps σ(0) = 0.5 of a cell, or σ(3) = 0.95.
        assert!(kept("LSTM") < 1e-3);
        assert!(kept("LSTM, forget bias 3") > 1e-1);
        assert!(kept("Transformer") > 1e-1);
    }

    #[test]
    fn a_gate_that_is_open_learns_what_one_that_is_not_does_not() {
        let training = Training {
            distance: 20,
            steps: 150,
            seed: 1,
        };
        assert!(measured("LSTM, forget bias 3", training).accuracy > 0.9);
        assert!(measured("LSTM", training).accuracy < 0.3);
    }

    #[test]
    fn a_study_leaves_a_table_and_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let options = Options::parse_from([
            "",
            "--distances",
            "1,3",
            "--steps",
            "2",
            "--seeds",
            "1",
            "--out",
            out,
        ]);
        run::<B>(&options, &hearth::backend::device().unwrap()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("long-memory.csv").lines().count(), 1 + 2 * KINDS.len());
        for kind in KINDS {
            assert!(read("long-memory.svg").contains(kind.name), "{}", kind.name);
        }
        assert!(Options::try_parse_from(["", "--distances=x"]).is_err());
        assert!(Options::try_parse_from(["", "--seeds=0"]).is_err());
    }
}
