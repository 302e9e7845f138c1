//! Linear layers over flattened rows.

use burn::nn::Linear;
use burn::tensor::{Tensor, backend::Backend, s};

/// A product of so few rows is made in parts. All of the weights are read for a token that is decoded, and nothing else
/// takes time; backends on processors run such a product on one thread, but the products of a batch on all of them, so
/// that memory is read faster.
const FEW_ROWS: usize = 16;

/// Into so many parts the inner dimension of a layer is cut: two threads read nearly as fast as memory can be read.
const LAYER_PARTS: usize = 2;

/// Into so many parts the outputs of a head are cut: burn-flex runs batches of four and more in parallel.
const HEAD_PARTS: usize = 4;

/// A linear layer over flattened rows: one matrix product, and one for the gradient of the weight, where a batched
/// product would make a gradient for every row of the batch and add them up.
///
/// - `x`: `[batch, seq, d_input]`
/// - returns `[batch, seq, d_output]`
pub(crate) fn project<B: Backend>(layer: &Linear<B>, x: Tensor<B, 3>) -> Tensor<B, 3> {
    let [batch, seq, d_input] = x.dims();
    let rows = x.reshape([batch * seq, d_input]);
    let rows = if is_few(&rows) && d_input.is_multiple_of(LAYER_PARTS) {
        // A view: the parts lie one behind the other.
        let [_, d_output] = layer.weight.dims();
        let parts = [LAYER_PARTS, d_input / LAYER_PARTS, d_output];
        let rows = multiply_by_inputs(rows, layer.weight.val().reshape(parts));
        match &layer.bias {
            Some(bias) => rows + bias.val().unsqueeze::<2>(),
            None => rows,
        }
    } else {
        layer.forward(rows)
    };
    let [_, d_output] = rows.dims();
    rows.reshape([batch, seq, d_output])
}

/// `x · weightᵀ` over flattened rows.
///
/// - `x`: `[batch, seq, d_input]`
/// - `weight`: `[d_output, d_input]`
/// - returns `[batch, seq, d_output]`
pub(crate) fn project_transposed<B: Backend>(
    weight: Tensor<B, 2>,
    x: Tensor<B, 3>,
) -> Tensor<B, 3> {
    let [batch, seq, d_input] = x.dims();
    let [d_output, _] = weight.dims();
    let rows = x.reshape([batch * seq, d_input]);
    let rows = if is_few(&rows) && d_output >= HEAD_PARTS {
        multiply_by_outputs(rows, weight)
    } else {
        rows.matmul(weight.transpose())
    };
    rows.reshape([batch, seq, d_output])
}

/// Whether a product is made in parts.
fn is_few<B: Backend>(rows: &Tensor<B, 2>) -> bool {
    let [n_rows, _] = rows.dims();
    n_rows <= FEW_ROWS && !B::ad_enabled(&rows.device())
}

/// The sum of the products of the parts of the inner dimension.
///
/// - `rows`: `[n_rows, d_input]`
/// - `parts`: `[LAYER_PARTS, d_input / LAYER_PARTS, d_output]`
/// - returns `[n_rows, d_output]`
fn multiply_by_inputs<B: Backend>(rows: Tensor<B, 2>, parts: Tensor<B, 3>) -> Tensor<B, 2> {
    let [n_rows, d_input] = rows.dims();
    let rows = rows.reshape([n_rows, LAYER_PARTS, d_input / LAYER_PARTS]);
    let products = rows.swap_dims(0, 1).matmul(parts);
    products.sum_dim(0).squeeze_dim::<2>(0)
}

/// The products with the parts of the outputs, side by side; what does not fill a part is short.
///
/// - `rows`: `[n_rows, d_input]`
/// - `weight`: `[d_output, d_input]`
/// - returns `[n_rows, d_output]`
fn multiply_by_outputs<B: Backend>(rows: Tensor<B, 2>, weight: Tensor<B, 2>) -> Tensor<B, 2> {
    let [n_rows, d_input] = rows.dims();
    let [d_output, _] = weight.dims();
    let d_part = d_output / HEAD_PARTS;
    let n_whole = d_part * HEAD_PARTS;
    let rest = (n_whole < d_output).then(|| weight.clone().slice(s![n_whole..]));
    let rest = rest.map(|rest| rows.clone().matmul(rest.transpose()));
    let whole = match &rest {
        Some(_) => weight.slice(s![..n_whole]),
        None => weight,
    };
    let parts = whole.reshape([HEAD_PARTS, d_part, d_input]).swap_dims(1, 2);
    let products = rows.unsqueeze::<3>().matmul(parts).swap_dims(0, 1);
    let products = products.reshape([n_rows, n_whole]);
    match rest {
        Some(rest) => Tensor::cat(vec![products, rest], 1),
        None => products,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;
    use burn::nn::LinearConfig;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn a_product_in_parts_is_the_product() {
        let device = Default::default();
        for (d_input, d_output, bias) in [(8, 5, true), (8, 8, false), (7, 3, true)] {
            let layer = LinearConfig::new(d_input, d_output)
                .with_bias(bias)
                .init::<TestBackend>(&device);
            for seq in [1, FEW_ROWS / 2, FEW_ROWS] {
                let x = Tensor::random([2, seq, d_input], Distribution::Default, &device);
                let expected = layer.forward(x.clone()).into_data();
                let found = project(&layer, x.clone()).into_data();
                found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
                let weight = layer.weight.val();
                let expected = x.clone().matmul(weight.clone().unsqueeze()).into_data();
                let found = project_transposed(weight.transpose(), x).into_data();
                found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
            }
        }
    }
}
