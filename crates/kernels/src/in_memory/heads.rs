//! The heads of attention, apart and side by side.

/// The numbers of `[batch, n_rows, n_columns, width]` as those of `[batch, n_columns, n_rows, width]`.
pub(super) fn swapped(x: &[f32], [n_rows, n_columns, width]: [usize; 3]) -> Vec<f32> {
    let mut found = Vec::with_capacity(x.len());
    for x in x.chunks_exact((n_rows * n_columns * width).max(1)) {
        for column in 0..n_columns {
            for row in x.chunks_exact(n_columns * width) {
                found.extend_from_slice(&row[column * width..][..width]);
            }
        }
    }
    found
}
