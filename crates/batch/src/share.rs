//! Which rows of every batch are one's own, where several processes train one model.

/// One of `count` shares of every batch: of its rows, or of all batches of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    index: usize,
    count: usize,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// # Panics
    /// If there are not so many shares.
    pub fn new(index: usize, count: usize) -> Self {
        assert!(index < count, "share {index} of {count}");
        Self { index, count }
    }

    /// Which one it is, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// Whether a row is one's own. Neighbours, which are alike where rows are sorted, go to different shares.
    pub fn has(self, row: usize) -> bool {
        row % self.count == self.index
    }

    /// Those of the rows that are one's own.
    pub fn of<T: Copy>(self, rows: &[T]) -> Vec<T> {
        rows.iter()
            .copied()
            .skip(self.index)
            .step_by(self.count)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_share() {
        let rows = [10, 11, 12, 13, 14];
        assert_eq!(Share::WHOLE.of(&rows), rows);
        let parts = [0, 1, 2].map(|index| Share::new(index, 3));
        let found = parts.map(|part| part.of(&rows));
        assert_eq!(found, [vec![10, 13], vec![11, 14], vec![12]]);
        for (part, found) in parts.iter().zip(&found) {
            let own = (0..5).filter(|&row| part.has(row)).map(|row| rows[row]);
            assert_eq!(&own.collect::<Vec<_>>(), found);
        }
        assert!(Share::new(5, 6).of(&rows).is_empty());
    }
}
