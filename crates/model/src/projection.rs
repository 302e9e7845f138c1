//! Linear layers. A product is computed in the type of its matrix, and becomes what the vectors were.

use crate::precision::cast_to;
use burn::nn::Linear;
use burn::tensor::{DType, Tensor, backend::Backend, s};
use hearth_kernels::linear;

/// A product of so few rows is made in parts. All of the weights are read for a token that is decoded, and nothing else
/// takes time; backends on processors run such a product on one thread, but the products of a batch on all of them, so
/// that memory is read faster.
const FEW_ROWS: usize = 16;

/// Into so many parts the inner dimension of a layer is cut: two threads read nearly as fast as memory can be read.
const LAYER_PARTS: usize = 2;

/// Into so many parts the outputs of a head are cut: burn-flex runs batches of four and more in parallel.
const HEAD_PARTS: usize = 4;

/// A linear layer over vectors.
///
/// - `x`: `[batch, seq, d_input]`
/// - returns `[batch, seq, d_output]`
pub(crate) fn project<B: Backend>(layer: &Linear<B>, x: Tensor<B, 3>) -> Tensor<B, 3> {
    let [output] = project_all([layer], x);
    output
}

/// Several layers over the same vectors.
///
/// - `x`: `[batch, seq, d_input]`
/// - returns `[batch, seq, d_output]` of each layer
pub(crate) fn project_all<B: Backend, const N: usize>(
    layers: [&Linear<B>; N],
    x: Tensor<B, 3>,
) -> [Tensor<B, 3>; N] {
    let [batch, seq, d_input] = x.dims();
    let shape = |layer: &Linear<B>| [batch, seq, layer.weight.dims()[1]];
    let (outer, inner) = (x.dtype(), layers[0].weight.val().dtype());
    if is_few(&x) && d_input.is_multiple_of(LAYER_PARTS) {
        let rows = inputs_in_parts(cast_to(x, inner));
        return layers.map(|layer| {
            let product = multiply_by_inputs(rows.clone(), layer.weight.val());
            let product = cast_to(product, outer);
            let product = match batch {
                1 => product,
                _ => product.reshape(shape(layer)),
            };
            match &layer.bias {
                Some(bias) => product + bias.val().unsqueeze::<3>(),
                None => product,
            }
        });
    }
    let x = cast_to(x, inner);
    layers.map(|layer| multiply(layer, x.clone(), outer))
}

/// A linear layer over rows.
///
/// - `rows`: `[n_rows, d_input]`
/// - returns `[n_rows, d_output]`
pub(crate) fn project_rows<B: Backend>(layer: &Linear<B>, rows: Tensor<B, 2>) -> Tensor<B, 2> {
    let outer = rows.dtype();
    multiply(layer, cast_to(rows, layer.weight.val().dtype()), outer)
}

/// - `x`: of the type of the layer's matrix
/// - `outer`: the type of what comes out
fn multiply<B: Backend, const D: usize>(
    layer: &Linear<B>,
    x: Tensor<B, D>,
    outer: DType,
) -> Tensor<B, D> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    if x.dtype() == outer {
        return linear(x, layer.weight.val(), bias);
    }
    let product = linear(x, layer.weight.val(), None).cast(outer);
    match bias {
        Some(bias) => product + bias.unsqueeze::<D>(),
        None => product,
    }
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
    let (is_few, outer) = (is_few(&x), x.dtype());
    let rows = cast_to(x.reshape([batch * seq, d_input]), weight.dtype());
    let rows = if is_few && d_output >= HEAD_PARTS {
        multiply_by_outputs(rows, weight)
    } else {
        rows.matmul(weight.transpose())
    };
    cast_to(rows, outer).reshape([batch, seq, d_output])
}

/// Whether a product is made in parts.
fn is_few<B: Backend>(x: &Tensor<B, 3>) -> bool {
    let [batch, seq, _] = x.dims();
    batch * seq <= FEW_ROWS && !B::ad_enabled(&x.device())
}

/// - `x`: `[batch, seq, d_input]`
/// - returns `[LAYER_PARTS, batch * seq, d_input / LAYER_PARTS]`
fn inputs_in_parts<B: Backend>(x: Tensor<B, 3>) -> Tensor<B, 3> {
    let [batch, seq, d_input] = x.dims();
    let d_part = d_input / LAYER_PARTS;
    match batch * seq {
        1 => x.reshape([LAYER_PARTS, 1, d_part]),
        n_rows => x.reshape([n_rows, LAYER_PARTS, d_part]).swap_dims(0, 1),
    }
}

/// The sum of the products of the parts of the inner dimension.
///
/// - `rows`: what [`inputs_in_parts`] gives
/// - `weight`: `[d_input, d_output]`
/// - returns `[1, batch * seq, d_output]`
fn multiply_by_inputs<B: Backend>(rows: Tensor<B, 3>, weight: Tensor<B, 2>) -> Tensor<B, 3> {
    let ([_, _, d_part], [_, d_output]) = (rows.dims(), weight.dims());
    // A view: the parts lie one behind the other.
    let parts = weight.reshape([LAYER_PARTS, d_part, d_output]);
    rows.matmul(parts).sum_dim(0)
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
