//! The commands of every hearth binary, generic over the backend.
//!
//! A binary implements [`Platform`] for its backend and calls [`main`]. Results go to stdout (as JSON lines with
//! `--json`), everything for people to stderr, and the exit code says what kind of thing went wrong: 0 success, 2 usage
//! or config, 3 numeric failure, 4 bad model or data file, 5 I/O, 130 and 143 stopped by a signal.

mod arguments;
mod commands;
mod console;
mod error;
mod interrupt;
mod launcher;
mod memory;
mod output;
mod platform;
mod progress;
mod ranks;
mod replicas;
mod shard;

pub use platform::{DeviceEntry, Notice, Platform, Unavailable};
pub use replicas::n_processors;

use arguments::{Arguments, Bench, Command};
use clap::{CommandFactory, FromArgMatches};
use console::Console;
use error::CliError;
use ranks::Ranks;
use std::process::ExitCode;

/// What every command needs: where to compute, and where to speak.
pub(crate) struct Context<'a, P: Platform> {
    pub(crate) device: platform::Device<P>,
    /// As `--device` calls it.
    pub(crate) device_name: String,
    pub(crate) console: Console,
    pub(crate) seed: Option<u64>,
    /// The processes that a launcher started to train together.
    pub(crate) ranks: Option<&'a Ranks>,
}

impl<P: Platform> Context<'_, P> {
    /// Whether this process chooses, writes and tells, of those that train together.
    pub(crate) fn is_first(&self) -> bool {
        self.ranks.is_none_or(Ranks::is_first) && replicas::share().is_none()
    }
}

/// Runs the command line of a binary.
pub fn main<P: Platform>() -> ExitCode {
    let program = program_name::<P>();
    let command = arguments::with_examples(Arguments::command(), &program);
    let arguments = match command
        .clone()
        .try_get_matches()
        .and_then(|found| Arguments::from_arg_matches(&found))
    {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let common = &arguments.common;
    let trains = matches!(
        arguments.command,
        Command::Quickstart(_) | Command::Train(_) | Command::Bench(Bench::Train(_))
    );
    // Of processes that train together the first one speaks.
    let is_silent = replicas::share().is_some() || (trains && ranks::is_silent());
    let console = match is_silent {
        false => Console::new(common.json, common.quiet, common.verbose),
        true => Console::new(false, true, false),
    };
    P::prepare(Box::new(move |line| progress::say_above(console, line)));
    let mut met = None;
    let joined = match trains {
        true => Ranks::join().map(|ranks| met = ranks),
        false => Ok(()),
    };
    let result = joined.and_then(|()| run::<P>(arguments, command, console, met.as_ref()));
    if trains {
        return ranks::end(met, result, |error| console.error(error));
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console.error(&error);
            ExitCode::from(error.code())
        }
    }
}

/// `hearth-flex` and the like.
fn program_name<P: Platform>() -> String {
    format!("hearth-{}", P::NAME)
}

/// The program as it was called, for commands that a person may copy: `target/release/hearth-flex` where it is not
/// installed.
pub(crate) fn called<P: Platform>() -> String {
    std::env::args().next().unwrap_or_else(program_name::<P>)
}

fn run<P: Platform>(
    arguments: Arguments,
    mut command: clap::Command,
    console: Console,
    ranks: Option<&Ranks>,
) -> Result<(), CliError> {
    let context = || {
        let found = platform::find_device::<P>(arguments.common.device.as_deref())?;
        let seed = arguments.common.seed;
        Ok::<_, CliError>(Context::<P> {
            device: found.device,
            device_name: found.name,
            console,
            seed,
            ranks,
        })
    };
    match &arguments.command {
        Command::Quickstart(options) => commands::quickstart::run(options, &context()?),
        Command::Train(options) if options.print_config => {
            commands::train::print_config::<P>(options, arguments.common.seed, console)
        }
        Command::Train(options) if options.dry_run => commands::dry_run::run(options, &context()?),
        Command::Train(options) => commands::train::run(options, &context()?),
        Command::Generate(options) => commands::generate::run(options, &context()?),
        Command::Translate(options) => commands::translate::run(options, &context()?),
        Command::Transcribe(options) => commands::transcribe::run(options, &context()?),
        Command::Classify(options) => commands::classify::run(options, &context()?),
        Command::FillMask(options) => commands::fill_mask::run(options, &context()?),
        Command::Embed(options) => commands::embed::run(options, &context()?),
        Command::Score(options) => commands::score::run(options, &context()?),
        Command::Evaluate(options) => match &options.files.hypotheses {
            Some(hypotheses) => commands::evaluate::files(options, hypotheses, console),
            None => commands::evaluate::models(options, &context()?),
        },
        Command::Forward(options) => commands::forward::run(options, &context()?),
        Command::Bench(Bench::Train(options)) => commands::bench::train::run(options, &context()?),
        Command::Bench(Bench::Decode(options)) => {
            commands::bench::decode::run(options, &context()?)
        }
        Command::Bench(Bench::Forward(options)) => {
            commands::bench::forward::run(options, &context()?)
        }
        Command::Parity(options) => commands::parity::run(options, &context()?),
        Command::Inspect(options) => commands::inspect::run(options, &context()?),
        Command::Convert(options) => commands::convert::convert(options, &context()?),
        Command::Average(options) => commands::convert::average(options, &context()?),
        // What computes nothing needs no device.
        Command::Devices => {
            if arguments.common.device.is_some() {
                context()?;
            }
            commands::devices::run::<P>(console)
        }
        Command::Plot(options) => commands::plot::run(options, console),
        Command::Completions(options) => {
            commands::completions::run(options, &mut command, &program_name::<P>())
        }
    }
}
