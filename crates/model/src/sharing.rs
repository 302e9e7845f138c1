//! What several rows of a batch have in common is held once: the beams of a search all read the same source.

use burn::tensor::{Int, Tensor, backend::Backend};

/// Which rows of a memory are to be kept when the rows of a batch are reordered. Each row of the memory serves as many
/// neighbouring rows of the batch as any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// None if the memory stays as it is.
    rows: Option<Vec<usize>>,
}

impl Kept {
    /// - `n_memory`: rows of the memory
    /// - `n_batch`: rows of the batch so far, a multiple of them
    /// - `rows`: row `i` of the batch becomes what row `rows[i]` was
    pub(crate) fn of(n_memory: usize, n_batch: usize, rows: &[usize]) -> Self {
        let group = (n_batch / n_memory.max(1)).max(1);
        let sources: Vec<usize> = rows.iter().map(|row| row / group).collect();
        let mut distinct = sources.clone();
        distinct.dedup();
        let n = distinct.len();
        let is_even = n > 0
            && sources.len().is_multiple_of(n)
            && sources
                .chunks(sources.len() / n)
                .zip(&distinct)
                .all(|(chunk, source)| chunk.iter().all(|other| other == source));
        let kept = if is_even { distinct } else { sources };
        let is_same = kept.iter().copied().eq(0..n_memory);
        Self {
            rows: (!is_same).then_some(kept),
        }
    }

    /// The rows as indices; none if the memory stays as it is.
    pub(crate) fn indices<B: Backend>(&self, device: &B::Device) -> Option<Tensor<B, 1, Int>> {
        let rows = self.rows.as_ref()?;
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        Some(Tensor::from_data(rows.as_slice(), device))
    }
}

/// Rows that read the same memory side by side, as so many positions of one row.
///
/// - `x`: `[n_memory * group, seq, width]`
/// - returns `[n_memory, group * seq, width]`
pub(crate) fn side_by_side<B: Backend>(x: Tensor<B, 3>, n_memory: usize) -> Tensor<B, 3> {
    let [rows, seq, width] = x.dims();
    if rows == n_memory {
        return x;
    }
    assert!(
        rows.is_multiple_of(n_memory),
        "{rows} rows cannot share {n_memory} sources alike"
    );
    x.reshape([n_memory, rows / n_memory * seq, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(n_memory: usize, n_batch: usize, rows: &[usize]) -> Option<Vec<usize>> {
        Kept::of(n_memory, n_batch, rows).rows
    }

    #[test]
    fn beams_that_change_places_leave_their_sources_where_they_are() {
        assert_eq!(kept(2, 2, &[0, 0, 0, 1, 1, 1]), None);
        assert_eq!(kept(2, 6, &[2, 0, 0, 5, 5, 3]), None);
    }

    #[test]
    fn a_source_that_is_done_is_dropped() {
        assert_eq!(kept(3, 6, &[0, 1, 5, 4]), Some(vec![0, 2]));
        assert_eq!(kept(2, 4, &[]), Some(vec![]));
    }

    #[test]
    fn where_sources_have_different_numbers_of_rows_each_row_has_its_own() {
        assert_eq!(kept(2, 4, &[0, 1, 2]), Some(vec![0, 0, 1]));
        assert_eq!(kept(3, 3, &[2, 0, 1]), Some(vec![2, 0, 1]));
        // One source twice, apart: four rows in groups of one.
        assert_eq!(kept(2, 2, &[0, 1, 0, 1]), Some(vec![0, 1, 0, 1]));
    }
}
