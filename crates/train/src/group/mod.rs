//! Processes that train one model together: each has a share of every batch, and updates a part of the parameters.
//!
//! What they have to tell each other in a step is sums, of gradients, losses and numbers of tokens, and the new weights. Everything
//! else follows, because data, first weights and dropout are functions of the seed. The first process alone writes files.

mod board;
#[cfg_attr(not(unix), path = "without_poll.rs")]
mod incoming;
#[cfg_attr(not(feature = "mpi"), path = "without_mpi.rs")]
mod mpi;
mod numbers;
#[cfg_attr(
    not(all(target_os = "linux", target_pointer_width = "64")),
    path = "without_shared_memory.rs"
)]
mod shared_memory;
mod streams;

pub use incoming::Incoming;
pub use mpi::Mpi;
pub use numbers::Numbers;
pub use shared_memory::SharedMemory;
pub use streams::Streams;

use hearth_batch::Share;

/// A process's view of those that train with it.
pub trait Group {
    /// Which of every batch's rows are its own.
    fn share(&self) -> Share;

    /// Adds up over all processes: all of them get the same sums, to the last bit.
    ///
    /// # Errors
    /// If one of them is gone, or adds up something else.
    fn sum(&self, counts: &mut [f64]) -> Result<(), GroupError>;

    /// The same, and each process gets the sums of those lists that are its own. What other lists hold then means nothing.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    fn scatter(&self, numbers: &mut Numbers<'_>, counts: &mut [f64]) -> Result<(), GroupError>;

    /// All processes get each list as its owner has it.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    fn gather(&self, numbers: &mut Numbers<'_>) -> Result<(), GroupError>;
}

/// Why processes cannot go on together.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// One of them ended, or cannot be reached.
    #[error("replica {index} is gone")]
    Gone {
        /// Which one, from 0.
        index: usize,
        /// Why.
        source: std::io::Error,
    },
    /// They do not do the same.
    #[error(
        "replica {index} has another {what}: all must be the same program with the same options and data"
    )]
    Apart {
        /// Which one, from 0.
        index: usize,
        /// What differs.
        what: &'static str,
    },
    /// There is no memory that their numbers could go through.
    #[error("the memory that replicas have in common cannot be had")]
    Board(#[source] std::io::Error),
    /// The program cannot be a rank.
    #[error("this program was built without the feature mpi")]
    WithoutMpi,
    /// A process is a rank once.
    #[error("this process has met the other ranks before")]
    MetBefore,
}

impl<G: Group + ?Sized> Group for &G {
    fn share(&self) -> Share {
        (**self).share()
    }

    fn sum(&self, counts: &mut [f64]) -> Result<(), GroupError> {
        (**self).sum(counts)
    }

    fn scatter(&self, numbers: &mut Numbers<'_>, counts: &mut [f64]) -> Result<(), GroupError> {
        (**self).scatter(numbers, counts)
    }

    fn gather(&self, numbers: &mut Numbers<'_>) -> Result<(), GroupError> {
        (**self).gather(numbers)
    }
}

/// One process that trains a model by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Group for Alone {
    fn share(&self) -> Share {
        Share::WHOLE
    }

    fn sum(&self, _counts: &mut [f64]) -> Result<(), GroupError> {
        Ok(())
    }

    fn scatter(&self, _numbers: &mut Numbers<'_>, _counts: &mut [f64]) -> Result<(), GroupError> {
        Ok(())
    }

    fn gather(&self, _numbers: &mut Numbers<'_>) -> Result<(), GroupError> {
        Ok(())
    }
}

/// Refuses to begin where something is not the same everywhere.
///
/// - `numbers`: whole ones, below 2⁴⁰
pub(crate) fn agree(group: &dyn Group, numbers: &[(&'static str, u64)]) -> Result<(), GroupError> {
    let n = group.share().count() as f64;
    let own: Vec<f64> = numbers.iter().map(|&(_, number)| number as f64).collect();
    let mut sums = own.clone();
    group.sum(&mut sums)?;
    let differs = |((_, own), sum): &((&(&'static str, u64), &f64), f64)| **own * n != *sum;
    match numbers.iter().zip(&own).zip(sums).find(differs) {
        None => Ok(()),
        Some(((&(what, _), _), _)) => Err(GroupError::Apart {
            index: group.share().index(),
            what,
        }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::thread;

    /// Runs each of `n` processes, here threads, to its end.
    pub(crate) fn together<T: Send>(
        n: usize,
        each: impl Fn(&dyn Group) -> T + Send + Sync,
    ) -> Vec<T> {
        by_streams(n, |streams| each(&streams))
    }

    /// The same with memory that they share, where there is such.
    fn through_memory<T: Send>(n: usize, each: impl Fn(&dyn Group) -> T + Send + Sync) -> Vec<T> {
        let memory = SharedMemory::new();
        let path = memory.as_ref().map(SharedMemory::path);
        let memory = Mutex::new(memory);
        by_streams(n, |streams| {
            let memory = match (streams.share().index(), &path) {
                (0, _) => memory.lock().expect("no panic").take(),
                (_, path) => path
                    .as_deref()
                    .map(|path| SharedMemory::open(path).expect("the same memory")),
            };
            match memory {
                Some(memory) => each(&streams.through(memory)),
                None => each(&streams),
            }
        })
    }

    fn by_streams<T: Send>(n: usize, each: impl Fn(Streams) -> T + Send + Sync) -> Vec<T> {
        let each = &each;
        thread::scope(|scope| {
            let (mut peers, mut others) = (Vec::new(), Vec::new());
            for index in 1..n {
                let (to_first, from_other) = std::io::pipe().map(|(r, w)| (w, r)).expect("a pipe");
                let (from_first, to_other) = std::io::pipe().expect("a pipe");
                peers.push((Box::new(from_other) as _, Box::new(to_other) as _));
                others.push(scope.spawn(move || {
                    let share = Share::new(index, n);
                    let (from, to) = (Box::new(from_first), Box::new(to_first));
                    each(Streams::other(share, from, to))
                }));
            }
            let first = each(Streams::first(peers));
            let others = others
                .into_iter()
                .map(|other| other.join().expect("no panic"));
            std::iter::once(first).chain(others).collect()
        })
    }

    /// What each of three processes holds at first and owns: the first a part of one list, the second two lists, the third none.
    fn lists(index: usize) -> [Vec<f32>; 3] {
        [(0, 70_000), (0, 301), (100_000, 40_000)].map(|(begin, length)| {
            (begin..begin + length)
                .map(|i| (i + index) as f32 / 7.0)
                .collect()
        })
    }

    #[test]
    fn each_gets_the_sums_that_are_its_own_and_all_get_the_same_counts() {
        fn sums(group: &dyn Group) -> ([Vec<f32>; 3], [f64; 2], [f32; 2]) {
            // What is written must not be what another still reads.
            (0..20).for_each(|_| drop(once(group)));
            once(group)
        }
        fn once(group: &dyn Group) -> ([Vec<f32>; 3], [f64; 2], [f32; 2]) {
            let index = group.share().index();
            let (mut lists, mut few) = (lists(index), [0.5, index as f32]);
            let mut counts = [index as f64, 0.1];
            let mut list = Numbers::of([(1, few.as_mut_slice())]).times(3.0);
            group.scatter(&mut list, &mut []).expect("all are there");
            for _ in 0..2 {
                lists = self::lists(index);
                let owned = [0, 1, 1].into_iter();
                let mut numbers = Numbers::of(owned.zip(lists.iter_mut().map(Vec::as_mut_slice)));
                let summed = group.scatter(&mut numbers, &mut counts);
                summed.expect("all are there");
            }
            group.sum(&mut counts).expect("all are there");
            (lists, counts, few)
        }
        let close = |sum: f32, i: usize| (sum * 7.0 / (3 * i + 3) as f32 - 1.0).abs() < 1e-6;
        for found in [together(3, sums), through_memory(3, sums)] {
            let of = |owner: usize, list: usize, begin: usize| {
                let list = &found[owner].0[list];
                assert!((begin..).zip(list).all(|(i, &sum)| close(sum, i)));
            };
            of(0, 0, 0);
            of(1, 1, 0);
            of(1, 2, 100_000);
            assert_eq!(found[1].2, [4.5, 9.0]);
            assert!(found.iter().all(|other| other.1 == found[0].1));
            assert_eq!(found[0].1[0], 27.0);
            assert!((found[0].1[1] - 2.7).abs() < 1e-12);
        }
    }

    #[test]
    fn all_get_each_list_as_its_owner_has_it() {
        fn gathered(group: &dyn Group) -> [Vec<f32>; 3] {
            (0..20).for_each(|_| drop(once(group, 1)));
            once(group, 0)
        }
        fn once(group: &dyn Group, more: usize) -> [Vec<f32>; 3] {
            let mut lists = lists(group.share().index() + more);
            let owned = [0, 1, 1].into_iter();
            let mut numbers = Numbers::of(owned.zip(lists.iter_mut().map(Vec::as_mut_slice)));
            group.gather(&mut numbers).expect("all are there");
            lists
        }
        let expected = || {
            let [zero, _, _] = lists(0);
            let [_, one, two] = lists(1);
            [zero, one, two]
        };
        for found in [together(3, gathered), through_memory(3, gathered)] {
            assert!(found.iter().all(|lists| lists == &expected()));
        }
    }

    #[test]
    fn one_that_is_gone_or_does_something_else_is_told() {
        let deserted = |group: &dyn Group| match group.share().index() {
            0 => group.scatter(&mut Numbers::of([(0, [1.0].as_mut_slice())]), &mut []),
            _ => Ok(()),
        };
        for found in [together(2, deserted), through_memory(2, deserted)] {
            assert!(matches!(found[0], Err(GroupError::Gone { index: 1, .. })));
        }
        let unlike = |group: &dyn Group| {
            let n = 1 + group.share().index();
            group.gather(&mut Numbers::of([(0, vec![0.0; n].as_mut_slice())]))
        };
        for found in [together(2, unlike), through_memory(2, unlike)] {
            assert!(matches!(found[0], Err(GroupError::Apart { index: 1, .. })));
            assert!(found[1].is_err());
        }
        let found = together(2, |group| {
            let own = group.share().index() as u64;
            agree(group, &[("seed", 5), ("data", own)])
        });
        assert!(
            found
                .iter()
                .all(|found| matches!(found, Err(GroupError::Apart { what: "data", .. })))
        );
        assert!(
            together(3, |group| agree(group, &[("seed", 1 << 39)]))
                .iter()
                .all(Result::is_ok)
        );
    }
}
