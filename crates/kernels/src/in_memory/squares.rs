//! Sums of squares.

use super::work::{PIECE, work};
use pulp::NullaryFnOnce;

/// Sums beside each other: the widest vectors have sixteen numbers, and four of them hide how long an addition takes.
const SUMS: usize = 64;

/// The sum of the squares of some numbers, the same on any number of threads.
pub(super) fn sum(numbers: &[f32]) -> f32 {
    let mut sums = vec![0.0; numbers.len().div_ceil(PIECE)];
    let pieces = numbers.chunks(PIECE).zip(&mut sums);
    work(
        pieces
            .map(|(numbers, sum)| Piece { numbers, sum })
            .collect(),
    );
    sums.iter().sum::<f64>() as f32
}

struct Piece<'a> {
    numbers: &'a [f32],
    sum: &'a mut f64,
}

impl NullaryFnOnce for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut sums = [0f32; SUMS];
        let mut rows = self.numbers.chunks_exact(SUMS);
        for row in &mut rows {
            for (sum, number) in sums.iter_mut().zip(row) {
                *sum += number * number;
            }
        }
        for (sum, number) in sums.iter_mut().zip(rows.remainder()) {
            *sum += number * number;
        }
        *self.sum = sums.iter().copied().map(f64::from).sum();
    }
}
