//! Lists of numbers as one.

use std::io::{self, Read, Write};
use std::ops::Range;

/// Numbers are read so many at a time.
const PART: usize = 1 << 11;

/// Lists of numbers that lie apart, such as the gradients of parameters, as one list.
#[derive(Debug, Default)]
pub struct Numbers<'a> {
    lists: Vec<&'a mut [f32]>,
}

impl<'a> Numbers<'a> {
    /// The numbers of the first list, then those of the second, and so on.
    pub fn of(lists: impl IntoIterator<Item = &'a mut [f32]>) -> Self {
        Self {
            lists: lists.into_iter().collect(),
        }
    }

    /// How many there are in all.
    pub fn len(&self) -> usize {
        self.lists.iter().map(|list| list.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lists, in their order.
    pub fn lists(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.lists.iter_mut().map(|list| &mut **list)
    }

    /// Writes a part, each number as the bytes that it is here.
    pub(super) fn write(&mut self, part: Range<usize>, to: &mut impl Write) -> io::Result<()> {
        self.within(part)
            .try_for_each(|list| to.write_all(bytemuck::cast_slice(list)))
    }

    /// Changes a part by as many others, which are read as they were written.
    pub(super) fn read(
        &mut self,
        part: Range<usize>,
        from: &mut impl Read,
        change: impl Fn(&mut f32, f32),
    ) -> io::Result<()> {
        let mut others = [0.0; PART];
        for list in self.within(part) {
            for numbers in list.chunks_mut(PART) {
                let others = &mut others[..numbers.len()];
                from.read_exact(bytemuck::cast_slice_mut(others))?;
                for (number, &mut other) in numbers.iter_mut().zip(others) {
                    change(number, other);
                }
            }
        }
        Ok(())
    }

    /// What lies in a part, list by list.
    fn within(&mut self, part: Range<usize>) -> impl Iterator<Item = &mut [f32]> {
        let mut end = 0;
        self.lists().filter_map(move |list| {
            let begin = end;
            end += list.len();
            let [from, to] = [part.start, part.end].map(|at| at.clamp(begin, end) - begin);
            (from < to).then(|| &mut list[from..to])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_across_lists() {
        let mut lists = [vec![1.0, 2.0], vec![], vec![3.0], vec![4.0, 5.0]];
        let mut numbers = Numbers::of(lists.iter_mut().map(Vec::as_mut_slice));
        assert_eq!(numbers.len(), 5);
        let mut part = [0f32; 3];
        let mut bytes = bytemuck::cast_slice_mut(&mut part);
        numbers.write(1..4, &mut bytes).expect("room for three");
        assert_eq!(part, [2.0, 3.0, 4.0]);
        let others = [10f32, 20.0, 30.0];
        let mut bytes = bytemuck::cast_slice(&others);
        let found = numbers.read(2..5, &mut bytes, |number, other| *number += other);
        found.expect("three");
        assert_eq!(lists.concat(), [1.0, 2.0, 13.0, 24.0, 35.0]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut lists = [vec![0.5; PART], vec![0.25; 7]];
        let mut numbers = Numbers::of(lists.iter_mut().map(Vec::as_mut_slice));
        let (part, mut bytes) = (PART - 3..PART + 5, Vec::new());
        numbers.write(part.clone(), &mut bytes).expect("memory");
        assert_eq!(bytes.len(), 32);
        let found = numbers.read(part.clone(), &mut bytes.as_slice(), |number, read| {
            *number += read;
        });
        found.expect("all of it");
        let too_few = numbers.read(part, &mut &bytes[..8], |number, read| *number = read);
        assert!(too_few.is_err());
        assert_eq!(lists[0][PART - 4..], [0.5, 1.0, 1.0, 1.0]);
        assert_eq!(lists[1], [0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]);
    }
}
