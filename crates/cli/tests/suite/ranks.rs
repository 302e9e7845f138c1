//! `mpirun -n N hearth-X train`: ranks are as good as one process, and none of them outlives the others.

use super::program::{Program, text};
use super::replicas::{is_alive, kill, pairs, wait_for};
use super::shared::skip;
use super::train::{losses, metrics};
use super::trained::{recipe, song};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The launcher, with what tests want of it. Nothing, and why, where the program or the machine cannot.
fn launcher(program: Program) -> Option<Command> {
    let version = program.run(["--version"]).success().stdout;
    if !version.contains("built with: mpi") {
        skip(&format!("{} is built without mpi", program.name()));
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("mpirun"));
    let Some(mpirun) = places.find(|file| file.is_file()) else {
        skip("there is no mpirun");
        return None;
    };
    let mut command = Command::new(mpirun);
    // Open MPI's, old and new: as root, and more ranks than processors.
    for (name, value) in [
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
        ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
        ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
    ] {
        command.env(name, value);
    }
    command.stdin(Stdio::null());
    Some(command)
}

/// A recipe and its data.
fn write(folder: &Path, architecture: &str) -> [PathBuf; 2] {
    let [config, data] = ["toml", "data"].map(|kind| folder.join(format!("{architecture}.{kind}")));
    // Dropout is drawn by each rank for itself.
    let recipe = recipe(architecture).replace("dropout = 0.1", "dropout = 0.0");
    fs::write(&config, recipe).expect("a file");
    let lines = match architecture {
        "gpt" => song(),
        _ => pairs(),
    };
    fs::write(&data, lines).expect("a file");
    [config, data]
}

fn arguments<'a>([config, data]: &'a [PathBuf; 2], out: &'a Path) -> [&'a str; 8] {
    let paths = [config, data, out].map(text);
    let [config, data, out] = paths;
    [
        "train", "-q", "--config", config, "--data", data, "--out", out,
    ]
}

pub(crate) fn ranks_train_what_one_process_would(program: Program) {
    if launcher(program).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for architecture in ["gpt", "transformer"] {
        let files = write(folder.path(), architecture);
        let out = |n: usize| folder.path().join(format!("{architecture}-{n}"));
        let one = out(1);
        let alone = arguments(&files, &one)
            .into_iter()
            .chain(["--replicas", "1"]);
        program.run(alone).success();
        for n in [2, 4] {
            let several = out(n);
            let mut command = launcher(program).expect("it was there");
            command.args(["-n", &n.to_string(), program.path]);
            command.args(arguments(&files, &several));
            let output = command.output().expect("mpirun starts");
            assert!(output.status.success(), "{output:?}");
            for split in ["train", "validation"] {
                let [one, several] = [&one, &several].map(|run| losses(&metrics(run), split));
                assert_eq!(one.len(), several.len());
                for (one, several) in one.iter().zip(&several) {
                    let off = (one / several - 1.0).abs();
                    assert!(off < 1e-5, "{n} ranks, {split}: {one} {several}");
                }
            }
            let recipe = fs::read_to_string(several.join("config.toml")).expect("a recipe");
            assert!(recipe.contains(&format!("replicas = {n}")), "{recipe}");
        }
    }
}

#[cfg(target_os = "linux")]
pub(crate) fn a_lost_rank_ends_all(program: Program) {
    let Some(mut command) = launcher(program) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (files, out) = (write(folder.path(), "gpt"), folder.path().join("run"));
    command.args(["-n", "2", program.path]);
    command.args(arguments(&files, &out));
    let endless = ["train.steps=1000000000", "train.log_every=1"];
    command.args(endless.iter().flat_map(|set| ["--set", set]));
    let child = command
        .stderr(Stdio::piped())
        .spawn()
        .expect("mpirun starts");
    let is_at_work = || fs::read(out.join("metrics.jsonl")).is_ok_and(|lines| !lines.is_empty());
    wait_for("the first step", is_at_work);
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let children = fs::read_to_string(children).expect("its children");
    let ranks: Vec<u32> = children
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    assert_eq!(ranks.len(), 2, "{children}");
    kill(ranks[1]);
    let output = child.wait_with_output().expect("an end");
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("signal 9"), "{told}");
    wait_for("the end of the others", || {
        !ranks.iter().any(|&rank| is_alive(rank))
    });
}

pub(crate) fn an_error_of_one_rank_ends_all_with_its_exit_code(program: Program) {
    let Some(mut command) = launcher(program) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (files, out) = (write(folder.path(), "gpt"), folder.path().join("run"));
    let absent = [files[0].clone(), folder.path().join("absent")];
    command.args(["-n", "1", program.path]);
    command.args(arguments(&files, &out));
    command.args([":", "-n", "1", program.path]);
    command.args(arguments(&absent, &out));
    let output = command.output().expect("mpirun starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("absent"), "{told}");
}

pub(crate) fn ranks_of_unlike_recipes_do_not_begin(program: Program) {
    let Some(mut command) = launcher(program) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (files, out) = (write(folder.path(), "gpt"), folder.path().join("run"));
    command.args(["-n", "1", program.path]);
    command.args(arguments(&files, &out));
    command.args([":", "-n", "1", program.path]);
    command.args(arguments(&files, &out));
    // What one of them would wait for in vain.
    command.args(["--set", "train.validate_every=3"]);
    let output = command.output().expect("mpirun starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("has another recipe"), "{told}");
}

/// What launchers say that are not there.
pub(crate) fn an_environment_that_cannot_be_is_told(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, out) = (write(folder.path(), "gpt"), folder.path().join("run"));
    let run = |variables: &[(&str, &str)]| {
        let mut command = Command::new(program.path);
        command.args(arguments(&files, &out));
        command.envs(variables.iter().copied());
        let output = command
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        let told = String::from_utf8(output.stderr).expect("text in UTF-8");
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(!out.exists());
        told
    };
    let told = run(&[("PMI_RANK", "one"), ("PMI_SIZE", "2")]);
    assert!(told.contains("PMI_RANK is \"one\""), "{told}");
    let version = program.run(["--version"]).success().stdout;
    if !version.contains("built with: mpi") {
        let told = run(&[("PMI_RANK", "0"), ("PMI_SIZE", "2")]);
        assert!(told.contains("built without MPI"), "{told}");
        assert!(told.contains("2 ranks"), "{told}");
    }
    // One rank is a process like any other.
    let one = [("PMI_RANK", OsStr::new("0")), ("PMI_SIZE", OsStr::new("1"))];
    let mut command = Command::new(program.path);
    let command = command.args(arguments(&files, &out)).envs(one);
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{output:?}");
}
