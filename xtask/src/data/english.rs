//! English sentences without labels, to pre-train on: the training texts of several sets, in one file, in a random order.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

pub(super) fn cut(from: &Path, to: &Path) -> anyhow::Result<String> {
    let mut sentences: BTreeSet<String> = BTreeSet::new();
    let tatoeba = super::unpacked(&from.join("tatoeba_fra_eng/eng-fra.tsv.gz"))?;
    sentences.extend(
        tatoeba
            .lines()
            .filter_map(|line| Some(line.split_once('\t')?.0.to_owned())),
    );
    let captions = super::unpacked(&from.join("multi30k/train.en.gz"))?;
    sentences.extend(captions.lines().map(str::to_owned));
    let questions = from.join("trec/train_5500.label");
    let questions = fs::read_to_string(&questions)
        .with_context(|| format!("cannot read {}", questions.display()))?;
    sentences.extend(
        questions
            .lines()
            .filter_map(|line| Some(line.split_once(' ')?.1.to_owned())),
    );
    let queries = csv::Reader::from_path(from.join("banking77/train.csv"))?;
    for row in queries.into_records() {
        sentences.insert(row?.get(0).unwrap_or_default().replace('\n', " "));
    }
    let mut sentences: Vec<String> = sentences
        .into_iter()
        .filter(|one| !one.trim().is_empty())
        .collect();
    sentences.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    super::write(&to.join("sentences.txt"), &(sentences.join("\n") + "\n"))?;
    Ok(format!("{} sentences", sentences.len()))
}
