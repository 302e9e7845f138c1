//! Checkpoints: all of a run at a step, so that it can go on from there as if nothing had happened.
//!
//! `RUN/checkpoints/step-00001234` is a model directory with the optimiser's state, the trainer's and the recipe beside
//! the weights, and a list of all files with their hashes. It is written whole or not at all.

mod adapters;
mod differences;
mod manifest;
mod state;
mod weights;

pub(crate) use differences::{check_data, check_recipe};
pub(crate) use state::{FORMAT, PlateauState, SkippedState, TrainerState, WindowState};
pub(crate) use weights::{adopt, sum_of_weights};

use crate::error::TrainError;
use hearth_hub::{HubError, replace_directory};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The optimiser's file in a checkpoint.
pub(crate) const OPTIMIZER: &str = "optimizer.safetensors";

/// The file of a checkpoint's adapters, where there are any.
pub(crate) const ADAPTERS: &str = "adapters.safetensors";

/// The recipe's file in a checkpoint, and in a run's folder.
pub(crate) const RECIPE: &str = "config.toml";

/// Without these a checkpoint is none.
const NEEDED: [&str; 4] = ["config.json", OPTIMIZER, state::NAME, RECIPE];

/// What the names of checkpoints begin with, and those of what is being written or removed.
const PREFIX: &str = "step-";
const HIDDEN: &str = ".step-";

/// A checkpoint that was found to be whole.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) path: PathBuf,
    pub(crate) state: TrainerState,
}

impl Checkpoint {
    /// Reads and checks a checkpoint.
    ///
    /// # Errors
    /// Why it is damaged.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        manifest::damage(path, &NEEDED)?;
        Ok(Self {
            path: path.to_owned(),
            state: TrainerState::read(path)?,
        })
    }
}

/// The checkpoints of a run.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// Of the run in a folder.
    pub(crate) fn of(run: &Path) -> Self {
        Self {
            folder: run.join("checkpoints"),
        }
    }

    /// Steps and places of what is called a checkpoint, the newest first.
    fn all(&self) -> Result<Vec<(u64, PathBuf)>, TrainError> {
        let mut all: Vec<_> = self
            .entries()?
            .into_iter()
            .filter_map(|(name, path)| Some((step_of(&name)?, path)))
            .collect();
        all.sort();
        all.reverse();
        Ok(all)
    }

    fn entries(&self) -> Result<Vec<(String, PathBuf)>, TrainError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(TrainError::file("read", &self.folder)(error)),
        };
        let name = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.map_err(TrainError::file("read", &self.folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Ok((name, entry.path()))
        };
        entries.map(name).collect()
    }

    /// The newest whole checkpoint; `damaged` hears of those that are passed over, and why.
    pub(crate) fn newest(
        &self,
        damaged: &mut dyn FnMut(&Path, String),
    ) -> Result<Option<Checkpoint>, TrainError> {
        for (_, path) in self.all()? {
            match Checkpoint::open(&path) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(why) => damaged(&path, why),
            }
        }
        Ok(None)
    }

    /// Removes what a process left that was killed while it wrote or removed a checkpoint.
    pub(crate) fn sweep(&self) -> Result<(), TrainError> {
        for (name, path) in self.entries()? {
            if is_left_over(&name) {
                fs::remove_dir_all(&path).map_err(TrainError::file("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Writes a checkpoint, whole or not at all, and then removes older ones beyond the last `keep`.
    ///
    /// - `write`: puts the model, the optimiser and the recipe into a folder
    /// - `n_bytes`: about how many that will be
    pub(crate) fn save(
        &self,
        state: &TrainerState,
        keep: usize,
        n_bytes: u64,
        write: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let path = self.folder.join(format!("{PREFIX}{:08}", state.step));
        let saved = remove_damaged(&path).and_then(|()| {
            replace_directory(&path, |staging| {
                write(staging)?;
                state.write(staging)?;
                manifest::write(staging)
            })
        });
        saved.map_err(|error| TrainError::checkpoint(&path, n_bytes, error))?;
        self.prune(state.step, keep)?;
        Ok(path)
    }

    /// Those of later steps are another run's future, or damaged: they are replaced when their step comes.
    fn prune(&self, newest: u64, keep: usize) -> Result<(), TrainError> {
        let past = self.all()?.into_iter().filter(|&(step, _)| step <= newest);
        for (step, path) in past.skip(keep) {
            // Under another name first, so that one that is half removed is no checkpoint.
            let hidden = self.folder.join(format!("{HIDDEN}{step:08}.old"));
            fs::rename(&path, &hidden)
                .and_then(|()| fs::remove_dir_all(&hidden))
                .map_err(TrainError::file("remove", &path))?;
        }
        Ok(())
    }
}

/// The step of a checkpoint by its name.
fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Whether a name is that of a checkpoint with something behind it, hidden.
fn is_left_over(name: &str) -> bool {
    let rest = name
        .strip_prefix(HIDDEN)
        .and_then(|rest| rest.split_once('.'));
    rest.is_some_and(|(step, _)| step_of(&format!("{PREFIX}{step}")).is_some())
}

/// Makes room where a damaged checkpoint stands that is not even a model directory any more. What holds anything else
/// than the files of a checkpoint is left alone: writing there will fail.
fn remove_damaged(path: &Path) -> Result<(), TrainError> {
    let Ok(entries) = fs::read_dir(path) else {
        return Ok(());
    };
    if Checkpoint::open(path).is_ok() {
        return Ok(());
    }
    for entry in entries {
        let entry = entry.map_err(TrainError::file("read", path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = NEEDED.contains(&name.as_str())
            || name == manifest::NAME
            || name.ends_with(".safetensors")
            || name.ends_with(".json");
        if !ours || entry.path().is_dir() {
            return Ok(());
        }
    }
    fs::remove_dir_all(path).map_err(TrainError::file("remove", path))
}

impl TrainError {
    /// A checkpoint that could not be written.
    fn checkpoint(path: &Path, n_bytes: u64, error: Self) -> Self {
        let source = match &error {
            Self::File { source, .. } | Self::Hub(HubError::Io { source, .. }) => Some(source),
            _ => None,
        };
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
        let is_full = source.is_some_and(|source| full.contains(&source.kind()));
        Self::Checkpoint {
            path: path.to_owned(),
            needed: is_full.then_some(n_bytes),
            source: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn write(folder: &Path) -> Result<(), TrainError> {
        for name in [OPTIMIZER, RECIPE, "model.safetensors"] {
            fs::write(folder.join(name), name).map_err(TrainError::file("write", folder))?;
        }
        let config = r#"{"model_type": "x"}"#;
        fs::write(folder.join("config.json"), config).map_err(TrainError::file("write", folder))
    }

    fn save(checkpoints: &Checkpoints, step: u64) -> Result<PathBuf, TrainError> {
        let state = TrainerState {
            step,
            ..state::tests::state(1.0)
        };
        checkpoints.save(&state, 2, 100, write)
    }

    fn steps(checkpoints: &Checkpoints) -> Vec<u64> {
        let all = checkpoints.all().expect("a folder");
        all.into_iter().map(|(step, _)| step).collect()
    }

    #[test]
    fn the_last_ones_are_kept_and_the_newest_whole_one_is_found() {
        let run = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::of(run.path());
        let newest = |why: &mut Vec<String>| {
            let found = checkpoints.newest(&mut |_, reason| why.push(reason));
            found.expect("a folder").map(|found| found.state.step)
        };
        assert_eq!(newest(&mut Vec::new()), None);
        for step in [1, 2, 3, 100_000_000] {
            save(&checkpoints, step).expect("saved");
        }
        assert_eq!(steps(&checkpoints), [100_000_000, 3]);
        let mut why = Vec::new();
        fs::write(
            run.path().join("checkpoints/step-100000000").join(RECIPE),
            "?",
        )
        .expect("written");
        assert_eq!(newest(&mut why), Some(3));
        assert!(why[0].contains(RECIPE), "{why:?}");
        // What is damaged is not kept in the place of what is whole.
        save(&checkpoints, 4).expect("saved");
        save(&checkpoints, 5).expect("saved");
        assert_eq!(steps(&checkpoints), [100_000_000, 5, 4]);
    }

    #[test]
    fn a_damaged_one_is_replaced_whatever_is_left_of_it() {
        let run = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::of(run.path());
        let path = save(&checkpoints, 1).expect("saved");
        fs::remove_file(path.join("config.json")).expect("removed");
        save(&checkpoints, 1).expect("replaced");
        assert!(Checkpoint::open(&path).is_ok());
        fs::remove_file(path.join("config.json")).expect("removed");
        fs::write(path.join("thesis.tex"), "years of work").expect("written");
        let error = save(&checkpoints, 1).expect_err("not ours").to_string();
        assert!(error.contains("step-00000001"), "{error}");
        assert!(path.join("thesis.tex").exists());
    }

    #[test]
    fn a_save_that_fails_leaves_the_former_ones_and_names_what_it_needs() {
        let run = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::of(run.path());
        let state = |step| TrainerState {
            step,
            ..state::tests::state(1.0)
        };
        for step in [1, 2] {
            save(&checkpoints, step).expect("saved");
        }
        for step in [2, 3] {
            let full = |folder: &Path| {
                write(folder)?;
                let full = io::Error::from(ErrorKind::StorageFull);
                Err(TrainError::file("write", folder)(full))
            };
            let error = checkpoints.save(&state(step), 2, 12_345, full);
            let error = error.expect_err("no room").to_string();
            assert!(error.contains(&format!("step-0000000{step}")), "{error}");
            assert!(error.contains("12345 bytes"), "{error}");
        }
        assert_eq!(steps(&checkpoints), [2, 1]);
        let found = checkpoints.newest(&mut |_, why| panic!("{why}"));
        assert_eq!(found.expect("a folder").expect("whole").state, state(2));
    }

    #[test]
    fn only_what_a_killed_process_left_is_swept_away() {
        let run = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::of(run.path());
        let names = [
            ".step-00000003.aB3x",
            ".step-00000003.old",
            ".step-mine.x",
            ".step-00000003",
            "step-00000004.x",
            "mine",
        ];
        for name in names {
            fs::create_dir_all(run.path().join("checkpoints").join(name)).expect("made");
        }
        checkpoints.sweep().expect("swept");
        let mut left: Vec<_> = checkpoints.entries().expect("a folder");
        left.sort();
        let left: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            left,
            [".step-00000003", ".step-mine.x", "mine", "step-00000004.x"]
        );
    }
}
