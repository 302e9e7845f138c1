//! Finds libtorch, then becomes `hearth-tch-engine`, which needs it to start at all.
#![allow(clippy::print_stderr)]

mod libtorch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Usage or configuration, by the contract of all commands.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    match engine() {
        Ok(command) => become_it(command),
        Err(problem) => refuse(&problem),
    }
}

/// What makes the C library keep the memory that libtorch gives back, for the next step: a quarter of a small model's training step
/// went into pages that the system had just taken away. Freed blocks up to 32 MiB, the most it allows, stay in the heap, and the heap
/// does not shrink. Other C libraries than GNU's ignore it.
const KEEP_MEMORY: [(&str, &str); 2] = [
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TRIM_THRESHOLD_", "8589934592"),
];

/// How often a thread of GNU OpenMP's looks for work before it sleeps, if nothing is said: a fifteenth of its own choice. A core that
/// looks for work is a core that another program does not get: with two others at work, a step that takes 0.3 s by threads that sleep
/// at once took 14 s by the usual choice. On a quiet machine sleeping at once doubles a step, and this choice adds a twentieth at most.
const SLEEP_SOON: [(&str, &str); 1] = [("GOMP_SPINCOUNT", "20000")];

/// Single precision is what it says: cuDNN would round what a convolution multiplies to ten bits, and products come out 3e-4 off.
const NO_TF32: [(&str, &str); 1] = [("NVIDIA_TF32_OVERRIDE", "0")];

/// Who says this has chosen.
const WAIT_POLICY: &str = "OMP_WAIT_POLICY";

/// The engine beside this program, with this program's name, arguments and libtorch.
fn engine() -> Result<Command, String> {
    let folder = libtorch::Places::of_this_machine()
        .find()
        .map_err(|error| error.to_string())?;
    let program = std::env::current_exe()
        .map_err(|error| format!("the system does not say where this program lies: {error}"))?;
    let engine =
        program.with_file_name(format!("hearth-tch-engine{}", std::env::consts::EXE_SUFFIX));
    if !engine.is_file() {
        return Err(format!(
            "{} is missing\n  to mend it: build or install both programs of the package hearth-tch",
            engine.display()
        ));
    }
    let mut command = Command::new(engine);
    command.args(std::env::args_os().skip(1));
    let variable = libtorch::SEARCHED;
    let before = std::env::var_os(variable);
    let before = before.iter().flat_map(std::env::split_paths);
    let searched = std::iter::once(folder).chain(before);
    let searched: OsString = std::env::join_paths(searched.collect::<Vec<PathBuf>>())
        .map_err(|error| format!("{variable}: {error}"))?;
    command.env(variable, searched);
    let unsaid = |(name, _): &(&str, &str)| std::env::var_os(name).is_none();
    let always = KEEP_MEMORY.into_iter().chain(NO_TF32);
    command.envs(always.filter(unsaid));
    if std::env::var_os(WAIT_POLICY).is_none() {
        command.envs(SLEEP_SOON.into_iter().filter(unsaid));
    }
    Ok(command)
}

#[cfg(unix)]
fn become_it(mut command: Command) -> ExitCode {
    use std::os::unix::process::CommandExt;
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    // Comes back only if it failed.
    let error = command.exec();
    refuse(&format!("{}: {error}", command.get_program().display()))
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
        ),
        Err(error) => refuse(&format!("{}: {error}", command.get_program().display())),
    }
}

fn refuse(problem: &str) -> ExitCode {
    eprintln!("error: tch cannot compute here: {problem}");
    ExitCode::from(UNUSABLE)
}
