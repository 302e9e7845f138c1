//! Products of matrices that lie in memory row by row.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, NullaryFnOnce};
use std::hint::black_box;

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
    Arch::new().dispatch(Narrow);
}

/// What a thread does behind a product. That leaves the upper halves of vector registers in use, and as long as they are, every
/// operation of a processor with AVX on the lower halves waits for them: code that is compiled for any processor, Burn's and the
/// mathematical functions', takes nine times as long. A function for wide vectors that has used them clears them as it returns.
struct Narrow;

impl NullaryFnOnce for Narrow {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let wide = black_box([1.0f32; 16]);
        black_box(wide.map(|x| x + 1.0));
    }
}
