//! `--shard`: one of several parts of what a command reads, so that many processes share the work.
//!
//! A part is neighbouring batches of the whole input, whole ones: what is in a batch, and so every number to the last bit,
//! is what it is where one process does all, and the outputs of all parts in their order are the output of the whole.

use crate::error::CliError;
use crate::launcher;
use clap::Args;
use hearth_batch::Share;
use std::ops::Range;

/// The option that all commands share that read many inputs.
#[derive(Debug, Args)]
pub(crate) struct Sharding {
    /// Do the I-th of N parts of the inputs, counted from 0: 0/4 … 3/4. The outputs of all parts, one behind the other, are the
    /// output of the whole. Parts are whole batches. auto: as a scheduler says. In a Slurm array the task's place in it
    /// (SLURM_ARRAY_TASK_ID, _MIN, _STEP, _COUNT), among ranks of mpirun or srun the rank, in both one part for each rank of
    /// each task; in an indexed job of Kubernetes JOB_COMPLETION_INDEX of JOB_COMPLETIONS, which the manifest sets
    #[arg(long, value_name = "I/N|auto", value_parser = choice)]
    shard: Option<Choice>,
}

/// What was said of parts.
#[derive(Debug, Clone, Copy)]
enum Choice {
    This(Shard),
    Auto,
}

/// One of several parts of many inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard(Share);

impl Sharding {
    /// The part to do; without the option all there is.
    pub(crate) fn shard(&self) -> Result<Shard, CliError> {
        match self.shard {
            None => Ok(Shard(Share::WHOLE)),
            Some(Choice::This(shard)) => Ok(shard),
            Some(Choice::Auto) => launcher::part()?.map(Shard).ok_or_else(|| {
                CliError::Usage(
                    "--shard auto: nothing here says which part this is, expected SLURM_ARRAY_TASK_ID with \
                     SLURM_ARRAY_TASK_COUNT, the ranks of mpirun or srun, or JOB_COMPLETION_INDEX with JOB_COMPLETIONS: say \
                     it as in --shard 0/4"
                        .to_owned(),
                )
            }),
        }
    }
}

impl Shard {
    /// Which of `n` inputs are its own.
    ///
    /// - `batch`: inputs at once
    pub(crate) fn of(self, n: usize, batch: usize) -> Range<usize> {
        let n_batches = n.div_ceil(batch) as u128;
        let count = self.0.count() as u128;
        let cut = |index: usize| {
            // No more than there are batches.
            let n_before = (n_batches * index as u128 / count) as usize;
            n_before.saturating_mul(batch).min(n)
        };
        cut(self.0.index())..cut(self.0.index() + 1)
    }

    /// Whether it is all there is.
    pub(crate) fn is_whole(self) -> bool {
        self.0 == Share::WHOLE
    }
}

fn choice(text: &str) -> Result<Choice, String> {
    if text == "auto" {
        return Ok(Choice::Auto);
    }
    let expected = || "expected auto or I/N, counted from 0, as 0/4 or 3/4".to_owned();
    let (index, count) = text.split_once('/').ok_or_else(expected)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| expected());
    let (index, count) = (number(index)?, number(count)?);
    match index < count {
        true => Ok(Choice::This(Shard(Share::new(index, count)))),
        false => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_batches_and_together_everything() {
        for (n, batch, count) in [(100, 32, 3), (7, 1, 3), (5, 8, 4), (0, 4, 2), (64, 4, 1)] {
            let mut end = 0;
            for index in 0..count {
                let part = Shard(Share::new(index, count)).of(n, batch);
                assert_eq!(part.start, end);
                assert!(part.start.is_multiple_of(batch) || part.start == n);
                end = part.end;
            }
            assert_eq!(end, n);
        }
        let sizes = |n, batch| [0, 1, 2].map(|i| Shard(Share::new(i, 3)).of(n, batch).len());
        assert_eq!(sizes(100, 10), [30, 30, 40]);
        assert_eq!(sizes(9, 1), [3, 3, 3]);
    }

    #[test]
    fn a_part_is_read_and_what_is_none_is_refused() {
        let this = |text| match choice(text) {
            Ok(Choice::This(shard)) => Some(shard),
            _ => None,
        };
        assert_eq!(this("2/3"), Some(Shard(Share::new(2, 3))));
        for wrong in ["3/3", "0/0", "1", "a/b", "-1/2", "", "1/2/3"] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
        assert!(matches!(choice("auto"), Ok(Choice::Auto)));
    }
}
