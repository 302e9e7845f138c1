//! Initialisation: which depth, place of the norms, warm-up and first weights a small GPT trains with, and why.
#![allow(clippy::print_stdout)]

mod first_step;
mod picture;
mod setting;
mod study;

use anyhow::Context;
use hearth::burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use std::path::{Path, PathBuf};
use study::Study;

/// Trains a small GPT again and again, each time with another depth, place of the norms, warm-up and scheme of first
/// weights; writes two tables and a picture.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Options {
    /// Four trainings in place of 42, in under a minute
    #[arg(long)]
    pub quick: bool,
    /// Where losses.csv, gradients.csv and initialisation.svg are written
    #[arg(long, value_name = "DIR", default_value = "runs/initialisation")]
    pub out: PathBuf,
    /// Layers [default: 2,6,12; with --quick 2,12]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = at_least_one)]
    pub depths: Vec<usize>,
    /// Steps of each training [default: 200; with --quick 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// How often each setting is trained, from other first weights on other data
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// The learning rate
    #[arg(long, value_name = "RATE", default_value_t = 2e-3, value_parser = above_zero)]
    pub lr: f64,
}

/// Runs the study and writes its tables and its picture.
pub fn run<B: AutodiffBackend>(options: &Options, device: &B::Device) -> anyhow::Result<()> {
    let out = &options.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let study = Study::run::<B>(options, device)?;
    write_all(&study, out)?;
    println!("\nhow often each character is costs {:.3}", study.unigram);
    println!("tables and picture: {}", out.display());
    Ok(())
}

fn write_all(study: &Study, out: &Path) -> anyhow::Result<()> {
    write_table(&out.join("losses.csv"), &study.trained)?;
    write_table(&out.join("gradients.csv"), &study.gradients)?;
    picture::draw(study, &out.join("initialisation.svg"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is expected".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("a whole number is expected".to_owned()),
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    let rate = text
        .parse()
        .ok()
        .filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "a number above 0 is expected".to_owned())
}

fn write_table(path: &Path, lines: &[impl Serialize]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut table = csv::Writer::from_path(path).with_context(cannot)?;
    for line in lines {
        table.serialize(line).with_context(cannot)?;
    }
    table.flush().with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hearth::burn::backend::Autodiff;

    type B = Autodiff<hearth::backend::Selected>;

    fn trained(norm: &str, study: &Study, n_layers: usize) -> f64 {
        let here = |line: &&study::Trained| line.scheme == norm && line.n_layers == n_layers;
        let line = study.trained.iter().find(here).unwrap();
        line.loss.unwrap()
    }

    /// Eight layers with norms behind their branches do not get below the frequencies of characters, as two do, or eight with norms
    /// before.
    #[test]
    fn depth_and_norms_behind_branches_need_more_than_xavier() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let given = [
            "", "--quick", "--depths", "2,8", "--steps", "80", "--lr", "4e-3", "--out", out,
        ];
        let options = Options::parse_from(given);
        let device = hearth::backend::device().unwrap();
        let study = Study::run::<B>(&options, &device).unwrap();
        write_all(&study, folder.path()).unwrap();
        let learnt = study.unigram - 0.15;
        assert!(trained("before, xavier", &study, 8) < learnt);
        assert!(trained("after, xavier", &study, 2) < learnt);
        assert!(trained("after, xavier", &study, 8) > study.unigram - 0.05);
        let picture = std::fs::read_to_string(folder.path().join("initialisation.svg")).unwrap();
        assert!(
            picture.contains("8 layers before the first step"),
            "{picture}"
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for given in [
            ["", "--steps=0"],
            ["", "--depths=0"],
            ["", "--lr=-1"],
            ["", "--lr=x"],
        ] {
            assert!(Options::try_parse_from(given).is_err(), "{given:?}");
        }
    }
}
