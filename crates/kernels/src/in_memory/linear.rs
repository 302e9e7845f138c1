//! Linear layers.

use super::product::multiply;
use super::work::{rows_a_piece, work};
use faer::{Accum, MatRef};
use pulp::NullaryFnOnce;

/// So many products of numbers are worth a second thread.
const LARGE: usize = 1 << 20;

/// A thread has a multiple of so many rows, but for the last, which is what products are fast with.
const ROWS: usize = 32;

/// `x w + b`.
pub(super) fn forward(of: [MatRef<'_, f32>; 2], bias: Option<&[f32]>) -> Vec<f32> {
    let Some(bias) = bias else {
        return product(of);
    };
    let mut y = bias.repeat(of[0].nrows());
    divide(&mut y, of, Accum::Add);
    y
}

/// The product of two matrices, row by row.
pub(super) fn product(of: [MatRef<'_, f32>; 2]) -> Vec<f32> {
    let mut found = vec![0.0; of[0].nrows() * of[1].ncols()];
    divide(&mut found, of, Accum::Replace);
    found
}

/// The sum of rows, in an order that does not depend on the threads.
pub(super) fn sum_of_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for piece in rows.chunks((rows_a_piece(width) * width).max(1)) {
        let mut of_piece = vec![0.0; width];
        for row in piece.chunks(width) {
            for (sum, number) in of_piece.iter_mut().zip(row) {
                *sum += number;
            }
        }
        for (sum, number) in sums.iter_mut().zip(of_piece) {
            *sum += number;
        }
    }
    sums
}

/// Some rows of the product for each thread.
fn divide(out: &mut [f32], [left, right]: [MatRef<'_, f32>; 2], accum: Accum) {
    let (n_rows, n_columns) = (left.nrows(), right.ncols());
    let n_pieces = match n_rows * n_columns * left.ncols() {
        0..LARGE => 1,
        _ => rayon::current_num_threads(),
    };
    let n_rows = n_rows.div_ceil(n_pieces).next_multiple_of(ROWS).max(ROWS);
    let pieces = out.chunks_mut((n_rows * n_columns).max(1)).enumerate();
    let pieces = pieces.map(|(i, out)| Piece {
        of: [left.subrows(i * n_rows, out.len() / n_columns), right],
        out,
        accum,
    });
    work(pieces.collect());
}

struct Piece<'a> {
    of: [MatRef<'a, f32>; 2],
    out: &'a mut [f32],
    accum: Accum,
}

impl NullaryFnOnce for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        multiply(self.out, self.of, self.accum);
    }
}
