//! `cargo xtask campaign`: what a training run survives, tried on a release program.
//!
//! Runs are killed at random instants and in the midst of saving, asked to end, starved of disk space and given damaged
//! checkpoints; each must go on from a whole checkpoint, and those that reach their end must have trained, to the last
//! byte, the model that a run without a break trains. Steps are spoiled, and must be caught. By hand, since it takes minutes.

mod run;
mod spoiled;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::{programs::Programs, setup, workspace::Workspace};
use run::{Run, newest};

#[derive(Args)]
pub(crate) struct CampaignArgs {
    /// The backend whose program is tried
    #[arg(long, default_value = "flex")]
    backend: String,
    /// Runs to kill, a third of them while they save
    #[arg(long, value_name = "N", default_value_t = 200)]
    kills: u32,
    /// Runs to end by SIGTERM
    #[arg(long, value_name = "N", default_value_t = 20)]
    terms: u32,
    /// Sizes of the disk to run out of
    #[arg(long, value_name = "N", default_value_t = 50)]
    disks: u32,
    /// Steps to spoil
    #[arg(long, value_name = "N", default_value_t = 20)]
    spoiled: u32,
    /// Begins the sequence of random instants
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Take the program as it lies in the target folder
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    setup: setup::SetupArgs,
}

/// A row of the table.
struct Row {
    what: &'static str,
    n_tried: u32,
    n_held: u32,
    note: String,
}

/// Tries everything and prints the table; true if everything held.
pub(crate) fn run(workspace: &Workspace, args: &CampaignArgs) -> anyhow::Result<bool> {
    let setup = setup::run(workspace, &args.setup)?;
    let backends = [args.backend.clone()];
    let program = Programs::get(&setup, &backends, !args.no_build)?.path(&args.backend);
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let campaign = Campaign::new(program, folder.path())?;
    let mut random = Random(args.seed);
    let mut rows = vec![
        campaign.kills(args.kills, &mut random)?,
        campaign.terms(args.terms, &mut random)?,
        campaign.damages()?,
        campaign.disks(args.disks)?,
    ];
    if args.spoiled > 0 {
        rows.push(spoiled::spoiled(&setup, args.spoiled, &mut random)?);
    }
    println!("| what was done to a run | tried | held | |");
    println!("|---|---|---|---|");
    for row in &rows {
        println!(
            "| {} | {} | {} | {} |",
            row.what, row.n_tried, row.n_held, row.note
        );
    }
    Ok(rows.iter().all(|row| row.n_tried == row.n_held))
}

struct Campaign {
    run: Run,
    /// The weights that a run without a break ends with.
    expected: Vec<u8>,
    /// How long it takes.
    duration: Duration,
}

impl Campaign {
    fn new(program: PathBuf, folder: &Path) -> anyhow::Result<Self> {
        let run = Run::new(program, folder)?;
        let began = std::time::Instant::now();
        let finished = run.start(&run.folder, &[])?.wait()?;
        ensure!(
            finished.code == Some(0),
            "a run without a break fails:\n{}",
            finished.told
        );
        let duration = began.elapsed();
        let expected = run.weights()?;
        run.clear()?;
        Ok(Self {
            run,
            expected,
            duration,
        })
    }

    /// Kills runs, each of which goes on where the one before was killed. One that ends must have learnt what it should.
    fn kills(&self, n: u32, random: &mut Random) -> anyhow::Result<Row> {
        let (mut n_held, mut n_saving, mut n_ended) = (0, 0, 0);
        for number in 1..=n {
            let before = newest(&self.run.folder)?;
            let left_over = self.run.hidden();
            let running = self.run.start(&self.run.folder, &[])?;
            let in_a_save = number % 3 == 0;
            let finished = if in_a_save {
                let instant = Duration::from_micros(random.below(4000));
                let begins = || {
                    self.run
                        .hidden()
                        .iter()
                        .any(|name| !left_over.contains(name))
                };
                running.kill_when(begins, instant)?
            } else {
                running.kill_behind(self.duration.mul_f64(random.part()))?
            };
            let held = match finished.code {
                // It was killed: whatever it had saved is there and whole.
                None => newest(&self.run.folder)? >= before,
                Some(0) => {
                    n_ended += 1;
                    let same = self.run.weights()? == self.expected;
                    self.run.clear()?;
                    same
                }
                Some(_) => false,
            };
            let passed_over = finished.told.contains("passed over");
            if finished.code.is_some() && finished.code != Some(0) {
                eprintln!("{}", finished.told);
            }
            n_held += u32::from(held && !passed_over);
            n_saving += u32::from(in_a_save && finished.code.is_none());
            if number % 20 == 0 {
                eprintln!("killed {number} of {n}");
            }
        }
        // Behind the last kill it goes on to its end.
        let finished = self.run.start(&self.run.folder, &[])?.wait()?;
        ensure!(
            finished.code == Some(0),
            "behind all kills:\n{}",
            finished.told
        );
        ensure!(
            self.run.weights()? == self.expected,
            "behind all kills the model is another"
        );
        self.run.clear()?;
        Ok(Row {
            what: "kill -9 at a random instant, then resumed",
            n_tried: n,
            n_held,
            note: format!(
                "{n_saving} while saving; {} runs reached their end, all with the same weights",
                n_ended + 1
            ),
        })
    }

    fn terms(&self, n: u32, random: &mut Random) -> anyhow::Result<Row> {
        let (mut n_held, mut most) = (0, 0);
        for _ in 0..n {
            self.run.clear()?;
            let slow = ["model.d_model=256", "model.n_layers=3", "train.log_every=1"];
            let running = self.run.start(&self.run.folder, &slow)?;
            self.run.wait_for_steps(2)?;
            sleep(Duration::from_millis(random.below(300)));
            let step = self.run.last_step();
            let finished = running.signal("TERM")?;
            let saved = newest(&self.run.folder)?;
            most = most.max(saved.saturating_sub(step));
            n_held += u32::from(finished.code == Some(143) && saved >= step && saved <= step + 2);
        }
        self.run.clear()?;
        Ok(Row {
            what: "SIGTERM: saves and exits with 143",
            n_tried: n,
            n_held,
            note: format!("at most {most} steps later than the last line of its metrics"),
        })
    }

    /// Spoils each file of the newest checkpoint in three ways: the one before is taken, and the end is the same.
    fn damages(&self) -> anyhow::Result<Row> {
        let whole = self.run.folder.with_extension("whole");
        let finished = self.run.start(&self.run.folder, &[])?.wait()?;
        ensure!(finished.code == Some(0), "{}", finished.told);
        fs::rename(&self.run.folder, &whole)?;
        let last = newest(&whole)?;
        let name = format!("checkpoints/step-{last:08}");
        let mut files = Vec::new();
        for entry in fs::read_dir(whole.join(&name))? {
            files.push(entry?.file_name());
        }
        let (mut n_tried, mut n_held) = (0, 0);
        for file in &files {
            for harm in ["cut", "flipped", "deleted"] {
                run::copy(&whole, &self.run.folder)?;
                let path = self.run.folder.join(&name).join(file);
                let mut bytes = fs::read(&path)?;
                match harm {
                    "cut" => fs::write(&path, &bytes[..bytes.len() / 2])?,
                    "flipped" => {
                        let middle = bytes.len() / 2;
                        bytes[middle] ^= 1;
                        fs::write(&path, &bytes)?;
                    }
                    _ => fs::remove_file(&path)?,
                }
                let finished = self.run.start(&self.run.folder, &[])?.wait()?;
                let told = finished.told.contains("passed over");
                let resumed = finished.told.contains("going on behind step");
                let same = finished.code == Some(0) && self.run.weights()? == self.expected;
                if !(told && resumed && same) {
                    eprintln!("{} {harm}:\n{}", file.display(), finished.told);
                }
                n_tried += 1;
                n_held += u32::from(told && resumed && same);
                self.run.clear()?;
            }
        }
        fs::remove_dir_all(&whole)?;
        Ok(Row {
            what: "a file of the newest checkpoint damaged",
            n_tried,
            n_held,
            note: format!("{} files cut, with a bit flipped, deleted", files.len()),
        })
    }

    /// Lets runs write to disks of growing size until each is full; with more room they go on from a whole checkpoint.
    fn disks(&self, n: u32) -> anyhow::Result<Row> {
        let what = "disk full at another byte of the files, then more room";
        let disk = self.run.folder.with_extension("disk");
        fs::create_dir_all(&disk)?;
        let row = |n_tried, n_held, note: String| Row {
            what,
            n_tried,
            n_held,
            note,
        };
        if mount(&disk, 64, false).is_err() {
            return Ok(row(
                0,
                0,
                "skipped: only root may mount a disk of its own".to_owned(),
            ));
        }
        unmount(&disk)?;
        let size = run::size(&self.expected);
        let (mut n_held, mut n_full) = (0, 0);
        for number in 0..n {
            // From room for no checkpoint at all to room for nearly all of them.
            let kibibytes = size + u64::from(number) * (9 * size / u64::from(n)).max(4);
            mount(&disk, kibibytes, false)?;
            let folder = disk.join("run");
            let finished = self.run.start(&folder, &[])?.wait()?;
            let before = newest(&folder)?;
            let was_full = finished.code == Some(5);
            n_full += u32::from(was_full);
            mount(&disk, 40 * size, true)?;
            let again = self.run.start(&folder, &[])?.wait()?;
            let from = format!("going on behind step {before},");
            let held = (was_full || finished.code == Some(0))
                && again.code == Some(0)
                && !again.told.contains("passed over")
                && (before == 0 || again.told.contains(&from))
                && fs::read(folder.join("last/model.safetensors"))? == self.expected;
            if !held {
                eprintln!("{kibibytes} KiB:\n{}\n{}", finished.told, again.told);
            }
            n_held += u32::from(held);
            unmount(&disk)?;
        }
        Ok(row(
            n,
            n_held,
            format!("{n_full} ran out of room and exited with 5"),
        ))
    }
}

/// A disk in memory of so many KiB, or another size for one that is there.
fn mount(place: &Path, kibibytes: u64, again: bool) -> anyhow::Result<()> {
    let remount = if again { "remount," } else { "" };
    let mut mount = Command::new("mount");
    mount.args([
        "-t",
        "tmpfs",
        "-o",
        &format!("{remount}size={kibibytes}k"),
        "tmpfs",
    ]);
    let output = mount.arg(place).output().context("cannot run mount")?;
    if !output.status.success() {
        bail!("cannot mount: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn unmount(place: &Path) -> anyhow::Result<()> {
    let status = Command::new("umount").arg(place).status();
    ensure!(
        status.context("cannot run umount")?.success(),
        "cannot unmount {}",
        place.display()
    );
    Ok(())
}

/// SplitMix64: the same instants for the same seed, as far as the machine lets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
