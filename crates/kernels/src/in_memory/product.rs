//! Products of matrices that lie in memory row by row.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Numbers as the rows of a matrix.
///
/// # Panics
/// If they are not so many.
pub(super) fn matrix(numbers: &[f32], [n_rows, n_columns]: [usize; 2]) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(numbers, n_rows, n_columns)
}

/// The product of two matrices, in place of numbers or in addition to them, by the thread that asks for it.
///
/// # Panics
/// If it does not have as many.
pub(super) fn multiply(out: &mut [f32], [left, right]: [MatRef<'_, f32>; 2], accum: Accum) {
    let out = MatMut::from_row_major_slice_mut(out, left.nrows(), right.ncols());
    matmul(out, accum, left, right, 1.0, Par::Seq);
}
