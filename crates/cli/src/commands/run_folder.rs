//! A run: where it goes, how it is followed while it trains, and how it ends.

use crate::console::{Console, thousands};
use crate::error::CliError;
use crate::interrupt::{Interrupt, SaveRequest};
use crate::platform::Platform;
use crate::progress::{Progress, readable};
use crate::ranks::Ranks;
use crate::replicas::Team;
use crate::{Context, called};
use hearth_train::{Event, Outcome, Recipe, Request, Resume, RunOptions, run_with};
use serde_json::json;
use std::fs::DirEntry;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Trains with the recipe's replicas, to the end or until a signal. None in a replica: the first one tells of the run.
///
/// - `about`: what a person is told first
///
/// The interrupt that comes back goes on to note signals.
pub(crate) fn train<P: Platform>(
    recipe: &Recipe,
    folder: &Path,
    resume: Resume,
    about: Option<&str>,
    context: &Context<P>,
) -> Result<Option<(Outcome, Interrupt)>, CliError> {
    let ranks = context.ranks.map(Ranks::group);
    let team = Team::join(recipe.train.replicas.unwrap_or(1), ranks)?;
    let console = context.console;
    // Not before: to count out threads, a program that has replicas starts itself anew.
    if let Some(about) = about {
        console.say(about);
    }
    console.detail(recipe.to_toml());
    let mut follower = Follower::new(console);
    let (interrupt, save) = (Interrupt::catch()?, SaveRequest::catch()?);
    let run = RunOptions {
        folder,
        resume,
        request: &|_| match (interrupt.flow(), save.take()) {
            (ControlFlow::Break(()), _) => Request::Stop,
            (_, true) => Request::Save,
            _ => Request::Continue,
        },
        group: team.group(),
    };
    let hear = &mut |event: &Event| follower.hear(event);
    let outcome = run_with::<P::Backend>(recipe, &run, &context.device, hear);
    follower.finish();
    let outcome = outcome?;
    if !team.is_first() {
        if outcome.stopped_at.is_some() {
            interrupt.check()?;
        }
        return Ok(None);
    }
    if let Some(step) = outcome.stopped_at {
        let (program, shown) = (called::<P>(), folder.display());
        console.say(format!(
            "stopped at step {step} of {}; to go on from there:\n  \
             {program} train --resume {shown}",
            recipe.train.steps,
        ));
        if console.json {
            console.result(&json!({ "folder": folder, "stopped_at": step }), "")?;
        }
        interrupt.check()?;
    }
    Ok(Some((outcome, interrupt)))
}

/// The folder asked for, which must be free, or the first free one of `runs/NAME`, `runs/NAME-2`, …; none for a process that is
/// not the first of a run, and writes nothing.
pub(crate) fn choose(out: Option<&Path>, name: &str, is_first: bool) -> Result<PathBuf, CliError> {
    if !is_first {
        return Ok(PathBuf::new());
    }
    match out {
        Some(path) if is_free(path) => Ok(path.to_owned()),
        Some(path) => Err(CliError::Exists {
            path: path.to_owned(),
        }),
        None => {
            let numbered = (2u64..).map(|n| PathBuf::from(format!("runs/{name}-{n}")));
            let mut candidates =
                std::iter::once(PathBuf::from(format!("runs/{name}"))).chain(numbered);
            candidates
                .find(|path| is_free(path))
                .ok_or_else(|| CliError::Usage("no free folder below runs/: give --out".to_owned()))
        }
    }
}

/// The folder of a run that goes on, and from where: `auto`, a run's folder, or one of its checkpoints.
pub(crate) fn go_on(
    path: &Path,
    out: Option<&Path>,
    name: &str,
) -> Result<(PathBuf, Resume), CliError> {
    if path == Path::new("auto") {
        let folder = out.map_or_else(|| Path::new("runs").join(name), Path::to_owned);
        // A run that ended before its first checkpoint has left its recipe.
        if !is_free(&folder) && !folder.join("config.toml").is_file() {
            return Err(CliError::Exists { path: folder });
        }
        return Ok((folder, Resume::Auto));
    }
    let inside = path
        .parent()
        .filter(|parent| parent.ends_with("checkpoints"));
    let (folder, resume) = match inside.and_then(Path::parent) {
        Some(run) => (run, Resume::From(path.to_owned())),
        None => (path, Resume::Newest),
    };
    if out.is_some_and(|out| out != folder) {
        return Err(CliError::Usage(format!(
            "--resume {} goes on in {}: leave --out away",
            path.display(),
            folder.display()
        )));
    }
    Ok((folder.to_owned(), resume))
}

/// Whether nothing is there, or an empty folder. What was left by a run that was killed while it wrote down its recipe is nothing, and
/// so is what it is writing at this moment, as far as its replicas can see.
fn is_free(path: &Path) -> bool {
    let is_unwritten = |entry: io::Result<DirEntry>| {
        let name = entry.map(|entry| entry.file_name());
        name.is_ok_and(|name| name.as_encoded_bytes().starts_with(b".config.toml."))
    };
    match path.read_dir() {
        Ok(mut entries) => entries.all(is_unwritten),
        Err(_) => !path.exists(),
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
                n_trained,
                data,
                folder,
            } => {
                let n = thousands(*n_parameters);
                self.console.say(match n_trained == n_parameters {
                    true => format!("{n} parameters; {data}"),
                    false => format!("{n} parameters, {} trained; {data}", thousands(*n_trained)),
                });
                self.console.say(format!("writing to {}", folder.display()));
            }
            Event::Damaged { checkpoint, reason } => {
                let checkpoint = checkpoint.display();
                self.say(format!("{checkpoint} is damaged and passed over: {reason}"));
            }
            Event::Afresh => self.say("no checkpoint yet: starting at the beginning".to_owned()),
            Event::Resumed { step, checkpoint } => {
                let checkpoint = checkpoint.display();
                self.say(format!("going on behind step {step}, from {checkpoint}"));
            }
            Event::Skipped {
                step,
                loss,
                gradient_norm,
                in_a_row,
            } => self.say(format!(
                "step {step}: loss {loss}, gradient norm {gradient_norm}: no weight is changed ({in_a_row} in a row)"
            )),
            Event::Saved { step, checkpoint } => {
                let line = format!("step {step}: checkpoint {}", checkpoint.display());
                self.console.detail(line);
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
                let loss = evaluation.loss();
                let mark = if *best { "  best so far, saved" } else { "" };
                let meaning = match evaluation.accuracy() {
                    Some(accuracy) => format!("{:.1} % right", 100.0 * accuracy),
                    None => format!("perplexity {:.2}", evaluation.perplexity()),
                };
                self.say(format!(
                    "step {step}: validation loss {loss:.4}, {meaning}{mark}"
                ));
            }
        }
    }

    /// A line above the progress bar.
    fn say(&self, line: String) {
        match &self.progress {
            Some(progress) => progress.say(line),
            None => self.console.say(line),
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
         recipe       {folder}/config.toml\n  \
         checkpoints  {folder}/checkpoints",
        outcome.best_step,
        outcome.best.loss(),
        outcome.last.loss(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_where_it_is() {
        let went_on = |path: &str, out: Option<&str>| {
            go_on(Path::new(path), out.map(Path::new), "name").map_err(|error| error.to_string())
        };
        let at = |path: &str, resume| Ok((PathBuf::from(path), resume));
        assert_eq!(went_on("auto", None), at("runs/name", Resume::Auto));
        assert_eq!(went_on("auto", Some("no/x")), at("no/x", Resume::Auto));
        assert_eq!(went_on("runs/x", None), at("runs/x", Resume::Newest));
        assert_eq!(
            went_on("runs/x", Some("runs/x")),
            at("runs/x", Resume::Newest)
        );
        let checkpoint = "runs/x/checkpoints/step-00000010";
        let from = Resume::From(checkpoint.into());
        assert_eq!(went_on(checkpoint, None), at("runs/x", from));
        let error = went_on("runs/x", Some("runs/y")).expect_err("two folders");
        assert!(error.contains("leave --out away"), "{error}");
    }

    #[test]
    fn a_folder_that_holds_something_is_refused_and_an_empty_one_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(
            choose(Some(folder.path()), "x", true).expect("free"),
            folder.path()
        );
        // A recipe that is not written down yet.
        std::fs::create_dir(folder.path().join(".config.toml.x1")).expect("made");
        assert!(choose(Some(folder.path()), "x", true).is_ok());
        assert!(go_on(Path::new("auto"), Some(folder.path()), "x").is_ok());
        std::fs::write(folder.path().join("kept"), "").expect("a file");
        let error = choose(Some(folder.path()), "x", true).expect_err("taken");
        assert!(matches!(error, CliError::Exists { .. }));
        let error = go_on(Path::new("auto"), Some(folder.path()), "x").expect_err("taken");
        assert!(matches!(error, CliError::Exists { .. }));
    }
}
