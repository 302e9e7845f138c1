//! Where a run goes, and how it is followed while it trains.

use crate::console::{Console, thousands};
use crate::error::CliError;
use crate::progress::{Progress, readable};
use hearth_train::{Event, Outcome};
use std::path::{Path, PathBuf};

/// The folder asked for, which must be free, or the first free one of `runs/NAME`, `runs/NAME-2`, …
pub(crate) fn choose(out: Option<&Path>, name: &str) -> Result<PathBuf, CliError> {
    let free = |path: &Path| match path.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !path.exists(),
    };
    match out {
        Some(path) if free(path) => Ok(path.to_owned()),
        Some(path) => Err(CliError::Exists {
            path: path.to_owned(),
        }),
        None => {
            let numbered = (2u64..).map(|n| PathBuf::from(format!("runs/{name}-{n}")));
            let mut candidates =
                std::iter::once(PathBuf::from(format!("runs/{name}"))).chain(numbered);
            candidates
                .find(|path| free(path))
                .ok_or_else(|| CliError::Usage("no free folder below runs/: give --out".to_owned()))
        }
    }
}

/// Shows the events of a run.
pub(crate) struct Follower {
    console: Console,
    progress: Option<Progress>,
}

impl Follower {
    pub(crate) fn new(console: Console) -> Self {
        Self {
            console,
            progress: None,
        }
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::Started {
                n_parameters,
                data,
                folder,
            } => {
                self.console
                    .say(format!("{} parameters; {data}", thousands(*n_parameters)));
                self.console.say(format!("writing to {}", folder.display()));
            }
            Event::Step(now) => {
                let console = self.console;
                let progress = self
                    .progress
                    .get_or_insert_with(|| Progress::new(console, now.steps));
                progress.update(now.step, now.steps, || {
                    let left = readable(now.remaining);
                    format!(
                        "loss {:.3}  {:.0} tokens/s  {left} left",
                        now.loss, now.tokens_per_s
                    )
                });
            }
            Event::Validated {
                step,
                evaluation,
                best,
            } => {
                let (loss, perplexity) = (evaluation.loss(), evaluation.perplexity());
                let mark = if *best { "  best so far, saved" } else { "" };
                let line = format!(
                    "step {step}: validation loss {loss:.4}, perplexity {perplexity:.2}{mark}"
                );
                match &self.progress {
                    Some(progress) => progress.say(line),
                    None => self.console.say(line),
                }
            }
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
    }
}

/// Where everything of a run lies, for people.
pub(crate) fn describe(outcome: &Outcome) -> String {
    let folder = outcome.folder.display();
    format!(
        "  best model   {folder}/best   (step {}, validation loss {:.4})\n  \
         last model   {folder}/last   (validation loss {:.4})\n  \
         loss curve   {folder}/loss.svg\n  \
         metrics      {folder}/metrics.jsonl\n  \
         recipe       {folder}/config.toml",
        outcome.best_step,
        outcome.best.loss(),
        outcome.last.loss(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_something_is_refused_and_an_empty_one_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(
            choose(Some(folder.path()), "x").expect("free"),
            folder.path()
        );
        std::fs::write(folder.path().join("kept"), "").expect("a file");
        let error = choose(Some(folder.path()), "x").expect_err("taken");
        assert!(matches!(error, CliError::Exists { .. }));
    }
}
