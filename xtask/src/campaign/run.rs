//! A training run as a campaign sees it: a program, a recipe and a folder.

use std::{
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

const RECIPE: &str = r#"[model]
architecture = "gpt"
d_model = 32
n_heads = 2
n_layers = 1
max_positions = 32
dropout = 0.1

[data]
embedded = "cicero"

[tokenizer]
kind = "characters"

[train]
steps = 300
batch_size = 4
lr = 1e-3
validate_every = 100
checkpoint_every = 5
log_every = 5
replicas = 1
"#;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Run {
    program: PathBuf,
    recipe: PathBuf,
    /// Where it is written.
    pub(super) folder: PathBuf,
}

/// How a program ended.
pub(super) struct Finished {
    /// None if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) told: String,
}

impl Run {
    pub(super) fn new(program: PathBuf, folder: &Path) -> anyhow::Result<Self> {
        let recipe = folder.join("recipe.toml");
        fs::write(&recipe, RECIPE)?;
        Ok(Self {
            program,
            recipe,
            folder: folder.join("run"),
        })
    }

    /// Begins, or goes on.
    pub(super) fn start(&self, folder: &Path, set: &[&str]) -> anyhow::Result<Running> {
        let mut command = Command::new(&self.program);
        command
            .args(["train", "--resume", "auto", "--config"])
            .arg(&self.recipe);
        command.arg("--out").arg(folder);
        for value in set {
            command.args(["--set", value]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let child = child.with_context(|| format!("cannot run {}", self.program.display()))?;
        Ok(Running(child))
    }

    pub(super) fn weights(&self) -> anyhow::Result<Vec<u8>> {
        let path = self.folder.join("last/model.safetensors");
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    pub(super) fn clear(&self) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }

    /// The names of checkpoints that are being written, or were when their writer was killed.
    pub(super) fn hidden(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("checkpoints"));
        let names = entries.into_iter().flatten().filter_map(Result::ok);
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with('.')).collect()
    }

    /// The step of the last line of the metrics.
    pub(super) fn last_step(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("metrics.jsonl")).unwrap_or_default();
        let last = text.rsplit('\n').find_map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            value["step"].as_u64()
        });
        last.unwrap_or(0)
    }

    pub(super) fn wait_for_steps(&self, n: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.last_step() < n {
            ensure!(began.elapsed() < PATIENCE, "no step is made");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

pub(super) struct Running(Child);

impl Running {
    pub(super) fn wait(mut self) -> anyhow::Result<Finished> {
        let mut told = String::new();
        let stderr = self.0.stderr.as_mut().context("its words are piped")?;
        stderr.read_to_string(&mut told)?;
        let status = self.0.wait()?;
        ensure!(
            status.code().is_some() || status.signal() == Some(9),
            "ended by {status}:\n{told}"
        );
        Ok(Finished {
            code: status.code(),
            told,
        })
    }

    /// Kills it after a while, if it has not ended by then.
    pub(super) fn kill_behind(mut self, instant: Duration) -> anyhow::Result<Finished> {
        sleep(instant);
        self.0.kill()?;
        self.wait()
    }

    /// Kills it a little after something begins, or lets it end where that does not.
    pub(super) fn kill_when(
        mut self,
        begins: impl Fn() -> bool,
        instant: Duration,
    ) -> anyhow::Result<Finished> {
        while !begins() {
            if self.0.try_wait()?.is_some() {
                return self.wait();
            }
        }
        self.kill_behind(instant)
    }

    pub(super) fn signal(self, name: &str) -> anyhow::Result<Finished> {
        let number = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &number]).status();
        ensure!(
            status.context("cannot run kill")?.success(),
            "cannot send {name}"
        );
        self.wait()
    }
}

/// The step of a run's newest checkpoint by its name; 0 if there is none.
pub(super) fn newest(run: &Path) -> anyhow::Result<u64> {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else {
        return Ok(0);
    };
    let mut newest = 0;
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let step = name
            .strip_prefix("step-")
            .and_then(|step| step.parse().ok());
        newest = newest.max(step.unwrap_or(0));
    }
    Ok(newest)
}

/// KiB that a checkpoint takes about: weights and two moments.
pub(super) fn size(weights: &[u8]) -> u64 {
    (3 * weights.len() as u64).div_ceil(1024)
}

pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
