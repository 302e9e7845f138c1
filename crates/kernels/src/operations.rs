//! The doors: what models call.

use crate::installed::{float, plain_linear, primitive, ways, ways_of_any_type};
use burn::tensor::activation::{self, softmax};
use burn::tensor::{Tensor, backend::Backend};

/// `x Φ(x)`, with `Φ` the distribution function of the normal distribution. Hendrycks and Gimpel 2016
/// <https://arxiv.org/abs/1606.08415>.
///
/// - `x`: any shape
/// - returns the same shape
pub fn gelu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    match ways(&x) {
        Some(ways) => float((ways.gelu)(primitive(x))),
        None => activation::gelu(x),
    }
}

/// What an attention mask hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Every query sees every key alike.
    Nothing,
    /// Some keys, and from no query all of them.
    Keys,
    /// From some query perhaps all keys.
    Rows,
}

/// The softmax of scores over their last axis, and what it is yet to be divided by, if it is: behind the product that it goes
/// into, which may be narrower.
///
/// - `x`: `[batch, n_heads, query_seq, key_seq]`
/// - `hidden`: what has a score of `-inf`; a row of nothing else has zeros, not NaN
/// - returns the same shape, and `[batch, n_heads, query_seq, 1]`
pub fn softmax_weights<B: Backend>(
    x: Tensor<B, 4>,
    hidden: Hidden,
) -> (Tensor<B, 4>, Option<Tensor<B, 4>>) {
    if let Some(ways) = ways(&x) {
        return (
            float((ways.softmax)(primitive(x), hidden == Hidden::Rows)),
            None,
        );
    }
    if hidden == Hidden::Nothing {
        return (softmax(x, 3), None);
    }
    let highest = x.clone().detach().max_dim(3).clamp_min(f32::MIN);
    let exponentials = (x - highest).exp();
    let total = exponentials.clone().sum_dim(3).clamp_min(f32::MIN_POSITIVE);
    (exponentials, Some(total))
}

/// The heads of attention apart. Laid out anew where that is the short way: a product would read a turned view number by
/// number.
///
/// - `x`: `[batch, seq, n_heads * d_head]`
/// - returns `[batch, n_heads, seq, d_head]`
///
/// # Panics
/// If the heads do not fill the width.
pub fn split_heads<B: Backend>(x: Tensor<B, 3>, n_heads: usize) -> Tensor<B, 4> {
    let [batch, seq, width] = x.dims();
    assert_eq!(width % n_heads, 0, "{n_heads} heads in {width}");
    match ways(&x) {
        Some(ways) => float((ways.split_heads)(primitive(x), n_heads)),
        None => x
            .reshape([batch, seq, n_heads, width / n_heads])
            .swap_dims(1, 2),
    }
}

/// The heads of attention side by side.
///
/// - `x`: `[batch, n_heads, seq, d_head]`
/// - returns `[batch, seq, n_heads * d_head]`
pub fn join_heads<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 3> {
    let [batch, n_heads, seq, d_head] = x.dims();
    match ways(&x) {
        Some(ways) => float((ways.join_heads)(primitive(x))),
        None => x.swap_dims(1, 2).reshape([batch, seq, n_heads * d_head]),
    }
}

/// `(x - mean) / √(variance + ε) · γ + β` over the last axis. Ba et al. 2016 <https://arxiv.org/abs/1607.06450>.
///
/// - `x`: `[…, width]`
/// - `gamma`, `beta`: `[width]`
/// - returns `[…, width]`
///
/// # Panics
/// If they are not of one width.
pub fn layer_norm<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    epsilon: f64,
) -> Tensor<B, D> {
    let width = x.dims()[D - 1];
    assert_eq!(
        [gamma.dims(), beta.dims()],
        [[width]; 2],
        "the widths of γ and β"
    );
    let is_same = gamma.dtype() == x.dtype() && beta.dtype() == x.dtype();
    let ways = ways(&x).filter(|_| is_same);
    let of = [primitive(x), primitive(gamma), primitive(beta)];
    float(match ways {
        Some(ways) => (ways.layer_norm)(of, epsilon),
        None => {
            let [x, gamma, beta] = of;
            B::layer_norm(x, gamma, Some(beta), epsilon)
        }
    })
}

/// `x w + b` over the last axis.
///
/// - `x`: `[…, d_input]`
/// - `weight`: `[d_input, d_output]`
/// - `bias`: `[d_output]`
/// - returns `[…, d_output]`
///
/// # Panics
/// If their widths do not fit.
pub fn linear<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
) -> Tensor<B, D> {
    let [d_input, d_output] = weight.dims();
    assert_eq!(x.dims()[D - 1], d_input, "the width of rows");
    if let Some(bias) = &bias {
        assert_eq!(bias.dims(), [d_output], "the width of a bias");
    }
    let is_same = weight.dtype() == x.dtype();
    let is_same = is_same && bias.as_ref().is_none_or(|bias| bias.dtype() == x.dtype());
    let ways = ways(&x).filter(|_| is_same);
    let (of, bias) = ([primitive(x), primitive(weight)], bias.map(primitive));
    float(match ways {
        Some(ways) => (ways.linear)(of, bias),
        None => plain_linear::<B>(of, bias),
    })
}

/// `softmax(q kᵀ) v`, if the backend has a kernel for it that knows gradients. Vaswani et al. 2017, §3.2
/// <https://arxiv.org/abs/1706.03762>.
///
/// - `query`: `[batch, n_heads, query_seq, d_head]`, scaled
/// - `key`, `value`: `[batch, n_heads, key_seq, d_head]`
/// - `is_causal`: whether each position sees those up to its own alone, of as many
/// - returns `[batch, n_heads, query_seq, d_head]`
///
/// # Panics
/// If the shapes do not fit.
pub fn attention<B: Backend>(
    query: &Tensor<B, 4>,
    key: &Tensor<B, 4>,
    value: &Tensor<B, 4>,
    is_causal: bool,
) -> Option<Tensor<B, 4>> {
    let [batch, n_heads, query_seq, d_head] = query.dims();
    let key_seq = key.dims()[2];
    let memory = [batch, n_heads, key_seq, d_head];
    assert_eq!([key.dims(), value.dims()], [memory; 2], "keys and values");
    assert!(
        !is_causal || query_seq == key_seq,
        "{query_seq} queries that see those up to their own of {key_seq} keys"
    );
    let is_same = [key, value].iter().all(|x| x.dtype() == query.dtype());
    let ways = ways_of_any_type::<B>().filter(|_| is_same)?;
    let of = [query, key, value].map(|x| primitive(x.clone()));
    (ways.attention)(of, is_causal).map(float)
}

/// The numbers of an update by [`adam`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// What the gradient is multiplied by first.
    pub scale: f64,
    /// What is left of the weight, `1 - lr λ`.
    pub kept: f64,
    /// The decay of the mean of gradients.
    pub beta_1: f64,
    /// The decay of the mean of their squares.
    pub beta_2: f64,
    /// The learning rate, with both moments' corrections.
    pub length: f64,
    /// What is added to the root, with the second moment's correction.
    pub epsilon: f64,
}

/// An update by Adam, with its corrections worked out beforehand. Kingma and Ba 2015, end of section 2
/// <https://arxiv.org/abs/1412.6980>; Loshchilov and Hutter 2019 <https://arxiv.org/abs/1711.05101>.
///
/// ```text
/// g ← scale · g
/// m ← β₁ m + (1 - β₁) g
/// v ← β₂ v + (1 - β₂) g²
/// w ← kept · w - length · m / (√v + ε)
/// ```
///
/// - `weight`, `gradient`, `moments`: `w`, `g`, and `m` and `v`, of one shape
/// - returns `w`, `m` and `v`
///
/// # Panics
/// If they are not of one shape.
pub fn adam<B: Backend, const D: usize>(
    weight: Tensor<B, D>,
    gradient: Tensor<B, D>,
    moments: [Tensor<B, D>; 2],
    step: &AdamStep,
) -> [Tensor<B, D>; 3] {
    let [mean, mean_of_squares] = moments;
    let of = [weight, gradient, mean, mean_of_squares];
    let shapes = of.each_ref().map(Tensor::dims);
    assert_eq!(shapes, [shapes[0]; 4], "the shapes of w, g, m and v");
    let is_same = of.iter().all(|x| x.dtype() == of[0].dtype());
    let ways = ways(&of[0]).filter(|_| is_same);
    if let Some(kernel) = ways.and_then(|ways| ways.adam) {
        return kernel(of.map(primitive), step).map(float);
    }
    let [weight, gradient, mean, mean_of_squares] = of;
    let gradient = match step.scale {
        1.0 => gradient,
        scale => gradient.mul_scalar(scale),
    };
    let squares = gradient.clone().square();
    let mean = running_mean(mean, gradient, step.beta_1);
    let mean_of_squares = running_mean(mean_of_squares, squares, step.beta_2);
    let spread = mean_of_squares.clone().sqrt().add_scalar(step.epsilon);
    let change = mean.clone().mul_scalar(step.length) / spread;
    let weight = match step.kept {
        1.0 => weight,
        kept => weight.mul_scalar(kept),
    };
    [weight - change, mean, mean_of_squares]
}

/// The sum of the squares of all numbers, and those numbers: a backend in memory adds up where they lie.
///
/// - `x`: any shape
/// - returns `x`, and `[1]`
pub fn sum_of_squares<B: Backend, const D: usize>(x: Tensor<B, D>) -> (Tensor<B, D>, Tensor<B, 1>) {
    if let Some(kernel) = ways(&x).and_then(|ways| ways.sum_of_squares) {
        let [x, sum] = kernel(primitive(x));
        return (float(x), float(sum));
    }
    let sum = x.clone().square().sum();
    (x, sum)
}

/// The running mean `decay · mean + (1 - decay) · new`.
///
/// - `mean`, `new`: any one shape
/// - returns the same shape
pub fn running_mean<B: Backend, const D: usize>(
    mean: Tensor<B, D>,
    new: Tensor<B, D>,
    decay: f64,
) -> Tensor<B, D> {
    mean.mul_scalar(decay) + new.mul_scalar(1.0 - decay)
}
