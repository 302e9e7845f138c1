//! What the program that started this one says of it: which of how many processes it is.
//!
//! Launchers and schedulers say so in the environment, each in variables of its own. A value that cannot be is an error
//! that names the variable, never a guess.

use crate::error::CliError;
use hearth_batch::Share;
use std::env;

/// Numbers are below it, so that a product of two does not overflow.
const LIMIT: usize = 1_000_000_000;

/// Looks a variable up; tests have an environment of their own.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One of the processes that a launcher started together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank {
    /// Which one of all.
    pub(crate) share: Share,
    /// Which one of those on this machine, where that is told.
    pub(crate) local: Option<Share>,
}

/// The variables in which a launcher counts: the number of a process, and how many there are.
struct Names {
    all: [&'static str; 2],
    local: [&'static str; 2],
}

const LAUNCHERS: [Names; 3] = [
    // Open MPI.
    Names {
        all: ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"],
        local: ["OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"],
    },
    // MPICH and what descends from it.
    Names {
        all: ["PMI_RANK", "PMI_SIZE"],
        local: ["MPI_LOCALRANKID", "MPI_LOCALNRANKS"],
    },
    // Slurm's srun. A batch script, which is one process, has a SLURM_PROCID and SLURM_NTASKS too, but no step.
    Names {
        all: ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
        local: ["SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"],
    },
];

/// Which rank this process is, if a launcher started it.
pub(crate) fn rank() -> Result<Option<Rank>, CliError> {
    rank_in(&variable)
}

/// Which part of a job this process is to do: of an array of jobs, of the ranks of a launcher, or of both.
pub(crate) fn part() -> Result<Option<Share>, CliError> {
    part_in(&variable)
}

/// The threads that a scheduler has reserved for each process, where it says so.
pub(crate) fn reserved_threads() -> Result<Option<usize>, CliError> {
    let name = "SLURM_CPUS_PER_TASK";
    let found = variable(name);
    found.map(|text| count(name, &text)).transpose()
}

fn variable(name: &str) -> Option<String> {
    // What is no text is no number either, and is told as such.
    Some(env::var_os(name)?.to_string_lossy().into_owned())
}

fn rank_in(environment: Environment<'_>) -> Result<Option<Rank>, CliError> {
    for names in &LAUNCHERS {
        let Some(share) = share_in(environment, names.all)? else {
            continue;
        };
        let local = share_in(environment, names.local)?;
        return Ok(Some(Rank { share, local }));
    }
    Ok(None)
}

fn part_in(environment: Environment<'_>) -> Result<Option<Share>, CliError> {
    let ranks = rank_in(environment)?.map(|rank| rank.share);
    let Some(array) = array_in(environment)? else {
        return Ok(ranks.or(share_in(
            environment,
            ["JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"],
        )?));
    };
    let ranks = ranks.unwrap_or(Share::WHOLE);
    let index = array.index() * ranks.count() + ranks.index();
    Ok(Some(Share::new(index, array.count() * ranks.count())))
}

/// A job of a Slurm array, whose numbers may begin anywhere and need not be neighbours.
fn array_in(environment: Environment<'_>) -> Result<Option<Share>, CliError> {
    let names = ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"];
    let (Some(id), Some(n)) = (environment(names[0]), environment(names[1])) else {
        return Ok(None);
    };
    let (id, n) = (number(names[0], &id)?, count(names[1], &n)?);
    let optional = |name, default| match environment(name) {
        Some(text) => number(name, &text),
        None => Ok(default),
    };
    let first = optional("SLURM_ARRAY_TASK_MIN", 0)?;
    let step = optional("SLURM_ARRAY_TASK_STEP", 1)?.max(1);
    let index = id.checked_sub(first).map(|behind| behind / step);
    match index.filter(|index| *index < n) {
        Some(index) => Ok(Some(Share::new(index, n))),
        None => Err(wrong(
            names[0],
            &id.to_string(),
            &format!("one of {n} numbers from {first} on in steps of {step}, as in --array=0-7"),
        )),
    }
}

/// - `names`: of the number, and of how many there are
fn share_in(
    environment: Environment<'_>,
    names: [&'static str; 2],
) -> Result<Option<Share>, CliError> {
    let (Some(index), Some(n)) = (environment(names[0]), environment(names[1])) else {
        return Ok(None);
    };
    let (index, n) = (number(names[0], &index)?, count(names[1], &n)?);
    if index >= n {
        let expected = format!("a number below {n}, which is {}", names[1]);
        return Err(wrong(names[0], &index.to_string(), &expected));
    }
    Ok(Some(Share::new(index, n)))
}

fn number(name: &str, text: &str) -> Result<usize, CliError> {
    let number = text.trim().parse::<usize>().ok();
    number
        .filter(|number| *number < LIMIT)
        .ok_or_else(|| wrong(name, text, "a whole number below a thousand million"))
}

/// A number above 0. Of Slurm's `4(x2),3`, which are tasks of each of several machines, the most.
fn count(name: &str, text: &str) -> Result<usize, CliError> {
    let machines = text.split(',').map(|part| {
        let part = part.split_once('(').map_or(part, |(n, _)| n);
        number(name, part)
    });
    let most = machines.collect::<Result<Vec<_>, _>>();
    let most = most.ok().and_then(|counts| counts.into_iter().max());
    most.filter(|n| *n > 0).ok_or_else(|| {
        wrong(
            name,
            text,
            "a whole number above 0 and below a thousand million",
        )
    })
}

fn wrong(name: &str, found: &str, expected: &str) -> CliError {
    CliError::Usage(format!(
        "the environment's {name} is {found:?}, expected {expected}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment of `NAME=value` words.
    fn of(line: &str) -> impl Fn(&str) -> Option<String> {
        let pairs = line.split(' ').filter_map(|word| word.split_once('='));
        let pairs: Vec<_> = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        move |name| {
            let pair = pairs.iter().find(|(own, _)| own == name)?;
            Some(pair.1.clone())
        }
    }

    #[test]
    fn each_launcher_is_understood() {
        let rank = |line| rank_in(&of(line)).expect("numbers");
        let share = |share, local| Some(Rank { share, local });
        assert_eq!(rank("SLURM_PROCID=0 SLURM_NTASKS=4 PMIX_RANK=0"), None);
        let open = "OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_LOCAL_RANK=1 \
                    OMPI_COMM_WORLD_LOCAL_SIZE=2 SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1";
        let local = Some(Share::new(1, 2));
        assert_eq!(rank(open), share(Share::new(3, 4), local));
        let mpich = "PMI_RANK=1 PMI_SIZE=2";
        assert_eq!(rank(mpich), share(Share::new(1, 2), None));
        let slurm = "SLURM_PROCID=7 SLURM_STEP_NUM_TASKS=11 SLURM_LOCALID=3 SLURM_STEP_TASKS_PER_NODE=4(x2),3";
        assert_eq!(
            rank(slurm),
            share(Share::new(7, 11), Some(Share::new(3, 4)))
        );
    }

    #[test]
    fn each_scheduler_says_which_part_is_ones_own() {
        let part = |line| part_in(&of(line)).expect("numbers");
        assert_eq!(part(""), None);
        let array = "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=4";
        assert_eq!(part(array), Some(Share::new(2, 4)));
        let both = format!("{array} SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2");
        assert_eq!(part(&both), Some(Share::new(5, 8)));
        let ranks = "SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2";
        assert_eq!(part(ranks), Some(Share::new(1, 2)));
        let pods = "JOB_COMPLETION_INDEX=4 JOB_COMPLETIONS=5";
        assert_eq!(part(pods), Some(Share::new(4, 5)));
        assert_eq!(part("JOB_COMPLETION_INDEX=4"), None);
    }

    #[test]
    fn a_value_that_cannot_be_is_told_with_its_variable() {
        let told = |line| match part_in(&of(line)) {
            Err(error) => error.to_string(),
            Ok(part) => panic!("{line} is {part:?}"),
        };
        for (line, parts) in [
            (
                "OMPI_COMM_WORLD_RANK=one OMPI_COMM_WORLD_SIZE=2",
                ["OMPI_COMM_WORLD_RANK is \"one\"", "whole number"],
            ),
            (
                "PMI_RANK=2 PMI_SIZE=2",
                ["PMI_RANK is \"2\"", "below 2, which is PMI_SIZE"],
            ),
            ("PMI_RANK=0 PMI_SIZE=0", ["PMI_SIZE is \"0\"", "above 0"]),
            (
                "SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=99999999999",
                ["SLURM_STEP_NUM_TASKS is", "a thousand million"],
            ),
            (
                "SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=1",
                ["SLURM_ARRAY_TASK_ID is \"9\"", "one of 3 numbers from 1"],
            ),
        ] {
            let told = told(line);
            assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        }
    }
}
