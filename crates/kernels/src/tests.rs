//! Each short way against Burn's own operations, with gradients, on both backends in Rust.

mod update;

use crate::{
    Hidden, InMemoryWithLinear, Reader, attention, gelu, install, join_heads, layer_norm, linear,
    softmax_weights, split_heads,
};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
use burn::tensor::activation::softmax;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Bool, Distribution, Tensor, TensorData, Tolerance};
use burn_flex::Flex;
use burn_ndarray::NdArray;

/// One of both backends.
trait InMemoryBackend: Backend {
    type Reader: Reader<Backend = Self>;
}

impl InMemoryBackend for Flex {
    type Reader = OnFlex;
}

impl InMemoryBackend for NdArray {
    type Reader = OnNdArray;
}

struct OnFlex;

crate::read_flex!(OnFlex);

struct OnNdArray;

crate::read_ndarray!(OnNdArray);

/// More rows than a piece of work has, and not a whole number of vectors wide.
const SHAPE: [usize; 4] = [3, 5, 40, 71];

/// What a function makes of some numbers, and its gradients by each of them.
type Computed = Vec<TensorData>;

/// - `function`: of `x` and of two rows
fn computed<B: AutodiffBackend>(
    function: impl Fn(Tensor<B, 4>, [Tensor<B, 1>; 2]) -> Tensor<B, 4>,
    x: &TensorData,
) -> Computed {
    let device = B::Device::default();
    let x = Tensor::<B, 4>::from_data(x.clone(), &device).require_grad();
    let rows = [0.5, -1.5].map(|first| {
        let row = (0..SHAPE[3]).map(|i| first + i as f32 / 50.0);
        Tensor::<B, 1>::from_floats(row.collect::<Vec<_>>().as_slice(), &device).require_grad()
    });
    let y = function(x.clone(), rows.clone());
    let shape = y.dims();
    let n: usize = shape.iter().product();
    let factors: Vec<f32> = (0..n)
        .map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0)
        .collect();
    let factors = Tensor::<B, 4>::from_data(TensorData::new(factors, shape), &device);
    let gradients = (y.clone() * factors).sum().backward();
    let mut all = vec![y.into_data()];
    all.extend(x.grad(&gradients).map(Tensor::into_data));
    all.extend(
        rows.iter()
            .filter_map(|row| Some(row.grad(&gradients)?.into_data())),
    );
    all
}

/// Checkpointing keeps Burn's operations: the same function the long way and the short way.
fn assert_same<I: InMemoryBackend>(
    long: impl Fn(
        Tensor<Autodiff<I, BalancedCheckpointing>, 4>,
        [Tensor<Autodiff<I, BalancedCheckpointing>, 1>; 2],
    ) -> Tensor<Autodiff<I, BalancedCheckpointing>, 4>,
    short: impl Fn(Tensor<Autodiff<I>, 4>, [Tensor<Autodiff<I>, 1>; 2]) -> Tensor<Autodiff<I>, 4>,
    n: usize,
    tolerance: f32,
) {
    install::<InMemoryWithLinear<I::Reader>>();
    I::seed(&Default::default(), 3);
    let x = Tensor::<I, 4>::random(SHAPE, Distribution::Normal(0.3, 2.0), &Default::default());
    let x = x.into_data();
    let (long, short) = (computed(long, &x), computed(short, &x));
    assert_eq!((long.len(), short.len()), (n, n));
    for (long, short) in long.iter().zip(&short) {
        short.assert_approx_eq::<f32>(long, Tolerance::absolute(tolerance));
    }
}

macro_rules! on_both {
    ($long:expr, $short:expr, $n:expr, $tolerance:expr) => {
        assert_same::<Flex>($long, $short, $n, $tolerance);
        assert_same::<NdArray>($long, $short, $n, $tolerance);
    };
}

#[test]
fn gelu_is_gelu() {
    // Burn's own gradient on ndarray is an approximation, which is what is off.
    assert_same::<Flex>(|x, _| gelu(x), |x, _| gelu(x), 2, 2e-6);
    assert_same::<NdArray>(|x, _| gelu(x), |x, _| gelu(x), 2, 2e-3);
}

#[test]
fn gelu_is_the_formula_far_out_too() {
    install::<InMemoryWithLinear<OnFlex>>();
    let x: Vec<f32> = (-1300..=1300).map(|i| i as f32 / 100.0).collect();
    let device = Default::default();
    let found = gelu(Tensor::<Flex, 1>::from_floats(x.as_slice(), &device)).into_data();
    for (x, found) in x.into_iter().zip(found.iter::<f64>()) {
        let expected = by_an_integral(f64::from(x));
        // The square in the exponent is rounded.
        let share = 5e-7 + f64::from(f32::EPSILON) * f64::from(x * x) / 2.0;
        let error = (found - expected).abs();
        assert!(
            error <= share * expected.abs() + 1e-36,
            "{x}: {found} {expected}"
        );
    }
}

/// `x Φ(x)`: the tail as an integral of the normal density, by Simpson's rule.
fn by_an_integral(x: f64) -> f64 {
    const N: usize = 4000;
    let (a, h) = (x.abs(), 12.0 / N as f64);
    // e^(-(a+s)²/2) = e^(-a²/2) e^(-as - s²/2): relative accuracy far out.
    let at = |i: usize| {
        let s = i as f64 * h;
        (-a * s - s * s / 2.0).exp()
    };
    let inner = (1..N).map(|i| at(i) * if i % 2 == 1 { 4.0 } else { 2.0 });
    let sum = at(0) + at(N) + inner.sum::<f64>();
    let tail = sum * h / 3.0 * (-a * a / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    x * if x < 0.0 { tail } else { 1.0 - tail }
}

#[test]
fn layer_norm_is_layer_norm() {
    // The gradients of both rows are sums over 600 others.
    on_both!(
        |x, [gamma, beta]| layer_norm(x, gamma, beta, 1e-5),
        |x, [gamma, beta]| layer_norm(x, gamma, beta, 1e-5),
        4,
        1e-4
    );
}

#[test]
fn softmax_is_softmax() {
    on_both!(
        |x, _| match softmax_weights(x, Hidden::Keys) {
            (weights, Some(total)) => weights / total,
            (weights, None) => weights,
        },
        |x, _| {
            let (weights, total) = softmax_weights(x, Hidden::Keys);
            assert!(total.is_none());
            weights
        },
        2,
        1e-6
    );
}

#[test]
fn a_query_that_sees_nothing_has_no_weights_and_a_finite_gradient() {
    fn check<B: AutodiffBackend>() {
        let device = Default::default();
        let hidden = Tensor::<B, 4>::full([1, 1, 2, 3], f32::NEG_INFINITY, &device);
        let hidden = hidden.require_grad();
        let weights = match softmax_weights(hidden.clone(), Hidden::Rows) {
            (weights, Some(total)) => weights / total,
            (weights, None) => weights,
        };
        assert_eq!(weights.to_data().iter::<f32>().sum::<f32>(), 0.0);
        let gradient = hidden.grad(&weights.sum().backward()).expect("a gradient");
        assert!(gradient.into_data().iter::<f32>().all(f32::is_finite));
    }
    install::<InMemoryWithLinear<OnFlex>>();
    check::<Autodiff<Flex>>();
    check::<Autodiff<Flex, BalancedCheckpointing>>();
}

#[test]
fn heads_come_apart_and_together() {
    fn apart<B: Backend>(x: Tensor<B, 4>, _: [Tensor<B, 1>; 2]) -> Tensor<B, 4> {
        let [batch, seq, n_heads, d_head] = x.dims();
        split_heads(x.reshape([batch, seq, n_heads * d_head]), n_heads)
    }
    fn together<B: Backend>(x: Tensor<B, 4>, _: [Tensor<B, 1>; 2]) -> Tensor<B, 4> {
        join_heads(x).unsqueeze()
    }
    on_both!(apart, apart, 2, 0.0);
    on_both!(together, together, 2, 0.0);
    // They are each other's inverse, and a turned view is read as it is seen.
    let x = Tensor::<Flex, 3>::random([2, 6, 5], Distribution::Default, &Default::default());
    let turned = x.clone().swap_dims(1, 2);
    let back = join_heads(split_heads(turned.clone(), 3));
    assert_eq!(back.into_data(), turned.into_data());
}

#[test]
fn what_is_frozen_has_no_gradient() {
    install::<InMemoryWithLinear<OnFlex>>();
    let device = Default::default();
    let x = Tensor::<Autodiff<Flex>, 2>::ones([2, 3], &device).require_grad();
    let gamma = Tensor::<Autodiff<Flex>, 1>::ones([3], &device);
    let beta = Tensor::<Autodiff<Flex>, 1>::zeros([3], &device).require_grad();
    let y = layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5);
    let gradients = y.sum().backward();
    assert!(gamma.grad(&gradients).is_none());
    assert!(x.grad(&gradients).is_some() && beta.grad(&gradients).is_some());
}

#[test]
fn half_precision_goes_the_long_way() {
    install::<InMemoryWithLinear<OnFlex>>();
    let device = Default::default();
    let x = Tensor::<Flex, 1>::from_floats([-1.0, 2.0], &device);
    let half = gelu(x.clone().cast(burn::tensor::DType::F16));
    assert_eq!(half.dtype(), burn::tensor::DType::F16);
    let whole = gelu(x).into_data();
    half.into_data()
        .convert::<f32>()
        .assert_approx_eq::<f32>(&whole, Tolerance::absolute(2e-3));
}

/// Rows times a weight, plus a bias, and all gradients; of those that are not frozen.
fn linear_with_gradients<B: AutodiffBackend>(
    [x, weight, bias]: &[TensorData; 3],
    has_bias: bool,
    frozen: Option<usize>,
) -> Vec<Option<TensorData>> {
    let device = B::Device::default();
    let is_wanted = |i: usize| frozen != Some(i);
    // Turned views, as gradients may be.
    let turned = |data: &TensorData, i: usize| {
        let tensor = Tensor::<B, 2>::from_data(data.clone(), &device).transpose();
        let turned = Tensor::<B, 2>::from_data(tensor.into_data(), &device);
        turned.set_require_grad(is_wanted(i))
    };
    let (x, weight) = (turned(x, 0), turned(weight, 1));
    let bias = Tensor::<B, 1>::from_data(bias.clone(), &device).set_require_grad(is_wanted(2));
    let of_layer = has_bias.then(|| bias.clone());
    let y = linear(
        x.clone().transpose().unsqueeze::<3>(),
        weight.clone().transpose(),
        of_layer,
    );
    let y = y.squeeze_dim::<2>(0);
    let factors = y.clone().detach().mul_scalar(37.0).sin().transpose();
    let gradients = (y.clone().transpose() * factors).sum().backward();
    vec![
        Some(y.into_data()),
        x.grad(&gradients).map(Tensor::into_data),
        weight.grad(&gradients).map(Tensor::into_data),
        bias.grad(&gradients).map(Tensor::into_data),
    ]
}

#[test]
fn a_linear_layer_is_a_product_and_a_sum() {
    fn check<I: InMemoryBackend>() {
        install::<InMemoryWithLinear<I::Reader>>();
        // Many rows and few, one, and a matrix worth several threads.
        for [n_rows, d_input, d_output] in [
            [131, 17, 23],
            [130, 1, 5],
            [5, 17, 23],
            [1, 17, 23],
            [300, 80, 96],
        ] {
            let random = |shape: [usize; 2]| {
                let distribution = Distribution::Uniform(-1.0, 1.0);
                Tensor::<I, 2>::random(shape, distribution, &Default::default())
            };
            let of = [
                random([d_input, n_rows]).transpose().into_data(),
                random([d_output, d_input]).transpose().into_data(),
                random([1, d_output]).reshape([d_output]).into_data(),
            ];
            for (has_bias, frozen) in [
                (true, None),
                (false, None),
                (true, Some(0)),
                (true, Some(1)),
            ] {
                type Long<I> = Autodiff<I, BalancedCheckpointing>;
                let long = linear_with_gradients::<Long<I>>(&of, has_bias, frozen);
                let short = linear_with_gradients::<Autodiff<I>>(&of, has_bias, frozen);
                for (i, (long, short)) in long.iter().zip(&short).enumerate() {
                    assert_eq!(long.is_some(), short.is_some());
                    assert_eq!(
                        long.is_some(),
                        frozen.is_none_or(|frozen| i != frozen + 1) && (i != 3 || has_bias)
                    );
                    if let (Some(long), Some(short)) = (long, short) {
                        short.assert_approx_eq::<f32>(long, Tolerance::absolute(2e-4));
                    }
                }
            }
        }
    }
    check::<Flex>();
    check::<NdArray>();
}

#[test]
fn attention_is_the_equation() {
    /// Contexts, and the gradients by queries, keys and values.
    fn by_kernel<I: Backend>(of: &[TensorData; 3], is_causal: bool) -> Vec<TensorData> {
        let device = Default::default();
        let of = of
            .clone()
            .map(|x| Tensor::<Autodiff<I>, 4>::from_data(x, &device).require_grad());
        // Keys as a turned view, as a cache may have them.
        let [query, key, value] = &of;
        let across = key.clone().swap_dims(2, 3).into_data();
        let across = Tensor::<Autodiff<I>, 4>::from_data(across, &device).swap_dims(2, 3);
        let seen = attention(query, &across, value, is_causal).expect("a kernel");
        let y = attention(query, key, value, is_causal).expect("a kernel");
        assert_eq!(seen.into_data(), y.to_data());
        all_of(y, of)
    }
    /// The same by Burn's operations.
    fn by_parts<I: Backend>(of: &[TensorData; 3], is_causal: bool) -> Vec<TensorData> {
        type Long<I> = Autodiff<I, BalancedCheckpointing>;
        let device = Default::default();
        let of = of
            .clone()
            .map(|x| Tensor::<Long<I>, 4>::from_data(x, &device).require_grad());
        let [query, key, value] = of.clone();
        let scores = query.matmul(key.swap_dims(2, 3));
        let [_, _, query_seq, key_seq] = scores.dims();
        let scores = match is_causal {
            true => {
                let future =
                    Tensor::<Long<I>, 2, Bool>::tril_mask([query_seq, key_seq], 0, &device);
                let future = future.unsqueeze::<4>().expand(scores.dims());
                scores.mask_fill(future, f32::NEG_INFINITY)
            }
            false => scores,
        };
        all_of(softmax(scores, 3).matmul(value), of)
    }
    fn all_of<B: AutodiffBackend>(y: Tensor<B, 4>, of: [Tensor<B, 4>; 3]) -> Vec<TensorData> {
        let factors = y.clone().detach().mul_scalar(37.0).sin();
        let gradients = (y.clone() * factors).sum().backward();
        let by = of.map(|x| x.grad(&gradients).expect("a gradient").into_data());
        [y.into_data()].into_iter().chain(by).collect()
    }
    fn check<I: InMemoryBackend>() {
        install::<InMemoryWithLinear<I::Reader>>();
        for (query_seq, key_seq, is_causal) in [(40, 40, true), (19, 19, false), (18, 33, false)] {
            let random = |seq| {
                let distribution = Distribution::Normal(0.0, 1.0);
                Tensor::<I, 4>::random([2, 3, seq, 10], distribution, &Default::default())
                    .into_data()
            };
            let of = [random(query_seq), random(key_seq), random(key_seq)];
            let long = by_parts::<I>(&of, is_causal);
            for (long, short) in long.iter().zip(by_kernel::<I>(&of, is_causal)) {
                short.assert_approx_eq::<f32>(long, Tolerance::absolute(5e-5));
            }
        }
    }
    check::<Flex>();
    check::<NdArray>();
}
