//! The heads of attention, apart and side by side.

use crate::installed::{float, kernels, primitive};
use crate::unary::{Unary, Values};
use burn::tensor::{Tensor, backend::Backend};

/// `[batch, seq, n_heads, d_head]` -> `[batch, n_heads, seq, d_head]`, and back. Laid out anew where that is the short way: a
/// product would read a turned view number by number.
pub fn swap_heads<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    match kernels(&x) {
        Some(kernels) => float((kernels.swap_heads)(primitive(x))),
        None => x.swap_dims(1, 2),
    }
}

/// Keeps nothing: it is its own inverse.
#[derive(Debug, Default)]
pub(crate) struct SwapHeads;

impl Unary for SwapHeads {
    fn forward(x: Vec<f32>, shape: Vec<usize>, _keep: bool) -> (Values, Vec<f32>) {
        (swapped((x, shape)), Vec::new())
    }

    fn backward(_kept: &[f32], gradient: Values) -> Values {
        swapped(gradient)
    }
}

fn swapped((x, shape): Values) -> Values {
    let [batch, n_rows, n_columns, width] = shape[..] else {
        unreachable!("the door takes four axes");
    };
    if n_rows == 1 || n_columns == 1 || x.is_empty() {
        return (x, vec![batch, n_columns, n_rows, width]);
    }
    let mut found = Vec::with_capacity(x.len());
    for x in x.chunks_exact(n_rows * n_columns * width) {
        for column in 0..n_columns {
            for row in x.chunks_exact(n_columns * width) {
                found.extend_from_slice(&row[column * width..][..width]);
            }
        }
    }
    (found, vec![batch, n_columns, n_rows, width])
}
