//! `completions`: a script for a shell.

use crate::arguments::Completions;
use crate::error::CliError;
use std::io::Write;

pub(crate) fn run(
    options: &Completions,
    command: &mut clap::Command,
    program: &str,
) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, program, &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(CliError::Output)
}
