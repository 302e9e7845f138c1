//! What was written by whatever it was, line by line beside what is right.

use super::classes::ClassMetrics;
use super::texts::TextMetrics;
use crate::arguments::{Evaluate, MetricKind};
use crate::console::Console;
use crate::error::CliError;
use hearth_data::{ConfusionMatrix, Segment, read_text};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

pub(crate) fn run(options: &Evaluate, hypotheses: &Path, console: Console) -> Result<(), CliError> {
    let (paths, judging) = (&options.files.references, &options.judging);
    let of_labels = judging.metric.iter().any(|kind| kind.is_of_labels());
    if of_labels && paths.len() > 1 {
        let n = paths.len();
        let message = format!("--metric accuracy and macro-f1 need one file of labels, found {n}");
        return Err(CliError::Usage(message));
    }
    // Checked before anything is read.
    let (texts, classes) = match of_labels {
        true => (None, Some(ClassMetrics::new(judging)?)),
        false => {
            let usual = &[MetricKind::Bleu, MetricKind::Chrf];
            (Some(TextMetrics::new(judging, usual, paths.len())?), None)
        }
    };
    let written = read_text(hypotheses)?;
    let written: Vec<&str> = written.lines().collect();
    if written.is_empty() {
        return Err(CliError::Input {
            path: hypotheses.to_owned(),
            found: "no line".to_owned(),
            expected: "at least one",
        });
    }
    let right = paths.iter().map(|path| Ok((path, read_text(path)?)));
    let right: Vec<_> = right.collect::<Result<_, CliError>>()?;
    let mut references = vec![Vec::with_capacity(right.len()); written.len()];
    for (path, text) in &right {
        let (n, expected) = (text.lines().count(), written.len());
        if n != expected {
            return Err(CliError::Input {
                path: path.to_path_buf(),
                found: format!(
                    "{n} lines beside the {expected} of {}",
                    hypotheses.display()
                ),
                expected: "a line for each",
            });
        }
        for (all, line) in references.iter_mut().zip(text.lines()) {
            all.push(line);
        }
    }
    if let Some(metrics) = classes {
        let pairs = written.iter().zip(&references);
        let pairs: Vec<_> = pairs
            .map(|(named, is)| [is[0].trim(), named.trim()])
            .collect();
        return labels(&pairs, metrics, console);
    }
    let segments = written.iter().zip(references);
    let segments: Vec<_> = segments
        .map(|(hypothesis, references)| Segment {
            hypothesis,
            references,
        })
        .collect();
    texts.map_or(Ok(()), |metrics| metrics.tell(&segments, console))
}

/// Each label beside the one that was named.
fn labels(pairs: &[[&str; 2]], metrics: ClassMetrics, console: Console) -> Result<(), CliError> {
    let names: BTreeSet<&str> = pairs.iter().flatten().copied().collect();
    let numbers: HashMap<&str, usize> = names.iter().copied().zip(0..).collect();
    let mut matrix = ConfusionMatrix::new(names.len());
    for [label, named] in pairs {
        matrix.add(numbers[label], numbers[named]);
    }
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    metrics.tell(&names, &matrix, &[], console)
}
