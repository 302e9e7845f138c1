//! Lists of numbers as one.

use std::io::{self, Read, Write};
use std::ops::Range;

/// Numbers are read so many at a time.
const PART: usize = 1 << 11;

/// Lists of numbers that lie apart, such as the gradients of parameters, as one list. Each is the business of one process, its owner.
#[derive(Debug, Default)]
pub struct Numbers<'a> {
    /// With their owners, in the order of these.
    lists: Vec<(usize, &'a mut [f32])>,
    /// What they are yet to be multiplied by.
    factor: Option<f32>,
}

impl<'a> Numbers<'a> {
    /// The numbers of the first list, then those of the second, and so on.
    ///
    /// - `lists`: each behind the index of its owner
    ///
    /// # Panics
    /// If they are not in the order of their owners.
    pub fn of(lists: impl IntoIterator<Item = (usize, &'a mut [f32])>) -> Self {
        let lists: Vec<_> = lists.into_iter().collect();
        assert!(
            lists.is_sorted_by_key(|(owner, _)| *owner),
            "lists in the order of their owners"
        );
        Self {
            lists,
            factor: None,
        }
    }

    /// So many times these numbers: they are multiplied on their way into a sum of several processes, and what is not summed here is left as it is.
    #[must_use]
    pub fn times(self, factor: f32) -> Self {
        Self {
            factor: Some(factor),
            ..self
        }
    }

    /// How many there are in all.
    pub fn len(&self) -> usize {
        self.before(usize::MAX)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lists, in their order.
    pub fn lists(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.lists.iter_mut().map(|(_, list)| &mut **list)
    }

    /// Where an owner's numbers are.
    pub fn part(&self, owner: usize) -> Range<usize> {
        self.before(owner)..self.before(owner + 1)
    }

    /// How many numbers owners of lower indices have.
    fn before(&self, owner: usize) -> usize {
        let lists = self.lists.iter().take_while(|(of, _)| *of < owner);
        lists.map(|(_, list)| list.len()).sum()
    }

    /// Writes a part, each number as the bytes that it is here.
    pub(super) fn write(&mut self, part: Range<usize>, to: &mut impl Write) -> io::Result<()> {
        let Some(factor) = self.factor else {
            return self
                .within(part)
                .try_for_each(|list| to.write_all(bytemuck::cast_slice(list)));
        };
        let mut products = [0.0; PART];
        let mut lists = self.within(part).flat_map(|list| list.chunks(PART));
        lists.try_for_each(|numbers| {
            let products = &mut products[..numbers.len()];
            for (product, number) in products.iter_mut().zip(numbers) {
                *product = number * factor;
            }
            to.write_all(bytemuck::cast_slice(products))
        })
    }

    /// Adds as many others to a part, which are read as they were written. Behind this nothing is multiplied any more.
    pub(super) fn add(&mut self, part: Range<usize>, from: &mut impl Read) -> io::Result<()> {
        let factor = self.factor.take().unwrap_or(1.0);
        let mut others = [0.0; PART];
        for list in self.within(part) {
            for numbers in list.chunks_mut(PART) {
                let others = &mut others[..numbers.len()];
                from.read_exact(bytemuck::cast_slice_mut(others))?;
                for (number, &mut other) in numbers.iter_mut().zip(others) {
                    *number = *number * factor + other;
                }
            }
        }
        Ok(())
    }

    /// Puts as many others in place of a part.
    pub(super) fn replace(&mut self, part: Range<usize>, from: &mut impl Read) -> io::Result<()> {
        self.within(part)
            .try_for_each(|list| from.read_exact(bytemuck::cast_slice_mut(list)))
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
        let owned = [0, 1, 1, 3].into_iter();
        let mut numbers = Numbers::of(owned.zip(lists.iter_mut().map(Vec::as_mut_slice)));
        assert_eq!(numbers.len(), 5);
        let parts = [0, 1, 2, 3, 4].map(|owner| numbers.part(owner));
        assert_eq!(parts, [0..2, 2..3, 3..3, 3..5, 5..5]);
        let mut part = [0f32; 3];
        let mut bytes = bytemuck::cast_slice_mut(&mut part);
        numbers.write(1..4, &mut bytes).expect("room for three");
        assert_eq!(part, [2.0, 3.0, 4.0]);
        let others = [10f32, 20.0, 30.0];
        let mut bytes = bytemuck::cast_slice(&others);
        numbers.add(2..5, &mut bytes).expect("three");
        assert_eq!(lists.concat(), [1.0, 2.0, 13.0, 24.0, 35.0]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut lists = [vec![0.5; PART], vec![0.25; 7]];
        let mut numbers = Numbers::of(lists.iter_mut().map(|list| (0, list.as_mut_slice())));
        let (part, mut bytes) = (PART - 3..PART + 5, Vec::new());
        numbers.write(part.clone(), &mut bytes).expect("memory");
        assert_eq!(bytes.len(), 32);
        let found = numbers.add(part.clone(), &mut bytes.as_slice());
        found.expect("all of it");
        assert!(numbers.replace(part, &mut &bytes[..8]).is_err());
        assert_eq!(lists[0][PART - 4..], [0.5, 1.0, 1.0, 1.0]);
        assert_eq!(lists[1], [0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn what_is_to_be_multiplied_is_once() {
        let mut list = [1.0, 2.0, 3.0];
        let mut numbers = Numbers::of([(0, list.as_mut_slice())]).times(2.0);
        let mut bytes = Vec::new();
        numbers.write(1..3, &mut bytes).expect("memory");
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes), [4.0, 6.0]);
        numbers.add(0..2, &mut bytes.as_slice()).expect("two");
        numbers.add(0..2, &mut bytes.as_slice()).expect("two");
        numbers.replace(2..3, &mut bytes.as_slice()).expect("one");
        assert_eq!(list, [10.0, 16.0, 4.0]);
    }
}
