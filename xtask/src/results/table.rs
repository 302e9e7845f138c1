//! RESULTS.md: what was measured, beside what others report.

use std::fmt::Write;
use std::fs;

use anyhow::Context;

use super::experiment::{Experiment, Experiments};
use super::outcome::Outcome;
use crate::workspace::Workspace;

const HEAD: &str = "# Results

Every row is made by `cargo xtask results NAME`, which trains with each seed, evaluates the best model by validation loss on the test set
once, and writes `results/NAME.json` and this page. Recipes lie in `configs/`, data is looked for in `../shared` (`cargo xtask data` cuts
it up where it has to be); commands and every seed's figures are in the files of `results/`. Times are those of training on the machine
that a row names, validation included; others worked on it now and then.
";

/// Writes the page from the outcomes that are there.
pub(super) fn write(workspace: &Workspace, experiments: &Experiments) -> anyhow::Result<()> {
    let mut page = HEAD.to_owned();
    let mut group = "";
    for experiment in &experiments.all {
        let Some(outcome) = Outcome::read(workspace, experiment)? else {
            continue;
        };
        if experiment.group != group {
            group = &experiment.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| what | test, mean of seeds | each seed | parameters | training | published | name |\n\
                 |---|---|---|---|---|---|---|\n"
            );
        }
        page += &row(experiment, &outcome);
    }
    page += &machines(workspace, experiments)?;
    let path = workspace.root().join("RESULTS.md");
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

fn row(experiment: &Experiment, outcome: &Outcome) -> String {
    let mut metrics: Vec<(String, Vec<f64>)> = Vec::new();
    for test in &experiment.tests {
        let keys = test.metrics.iter().map(|metric| test.key(metric));
        metrics.extend(keys.map(|key| (key.clone(), outcome.values(&key))));
    }
    if metrics.is_empty() {
        let losses = outcome.runs.iter().filter_map(|run| run.validation_loss);
        metrics.push(("validation loss".to_owned(), losses.collect()));
    }
    let mean = |(name, values): &(String, Vec<f64>)| {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        format!("{} **{}**", called(name), shown(name, mean))
    };
    let each = |(name, values): &(String, Vec<f64>)| {
        let values: Vec<String> = values.iter().map(|&value| shown(name, value)).collect();
        values.join(", ")
    };
    let join = |cells: Vec<String>| cells.join("<br>");
    let first = outcome.runs.first();
    let parameters = first.and_then(|run| run.n_parameters).map(millions);
    let seconds: Vec<f64> = outcome.runs.iter().filter_map(|run| run.seconds).collect();
    let time =
        (!seconds.is_empty()).then(|| time(seconds.iter().sum::<f64>() / seconds.len() as f64));
    format!(
        "| {} | {} | {} | {} | {} | {} | `{}` |\n",
        experiment.what,
        join(metrics.iter().map(mean).collect()),
        match outcome.runs.len() {
            1 => String::new(),
            _ => join(metrics.iter().map(each).collect()),
        },
        parameters.unwrap_or_default(),
        time.unwrap_or_default(),
        experiment.published,
        experiment.name,
    )
}

/// A metric by the name that readers know, and what it was measured on.
fn called(key: &str) -> String {
    let (metric, on) = key.split_once(", ").unwrap_or((key, ""));
    let metric = match metric {
        "bleu" => "BLEU",
        "chrf" => "chrF",
        "wer" => "WER",
        "cer" => "CER",
        "macro_f1" => "macro F1",
        other => other,
    };
    match on {
        "" => metric.to_owned(),
        on => format!("{metric} ({on})"),
    }
}

/// Shares in percent; BLEU and chrF are so by themselves.
fn shown(key: &str, value: f64) -> String {
    match key.split(", ").next().unwrap_or(key) {
        "accuracy" | "macro_f1" | "wer" | "cer" => format!("{:.2} %", 100.0 * value),
        "bleu" | "chrf" => format!("{value:.1}"),
        "validation loss" => format!("{value:.4}"),
        _ => format!("{value:.3}"),
    }
}

fn millions(n: u64) -> String {
    format!("{:.2} M", n as f64 / 1e6)
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// What the rows were made on, each machine once.
fn machines(workspace: &Workspace, experiments: &Experiments) -> anyhow::Result<String> {
    let mut names: Vec<String> = Vec::new();
    for experiment in &experiments.all {
        if let Some(outcome) = Outcome::read(workspace, experiment)? {
            let name = format!("{} on {}", outcome.backend, outcome.machine);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(match names.as_slice() {
        [] => String::new(),
        names => format!("\nTrained with {}.\n", names.join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_as_the_field_has_them() {
        assert_eq!(shown("accuracy", 0.9123), "91.23 %");
        assert_eq!(shown("wer, joined", 0.0412), "4.12 %");
        assert_eq!(shown("bleu", 42.23), "42.2");
        assert_eq!(called("wer, joined"), "WER (joined)");
        assert_eq!(millions(809_856), "0.81 M");
        assert_eq!([30.0, 600.0, 7200.0].map(time), ["30 s", "10 min", "2.0 h"]);
    }
}
