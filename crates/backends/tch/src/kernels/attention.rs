//! Attention at once, on the processor and by CUDA. Dao et al. 2022 <https://arxiv.org/abs/2205.14135>; Rabe and Staats 2021
//! <https://arxiv.org/abs/2112.05682>.

use super::{Libtorch, all, sizes};
use burn_tch::TchTensor;
use hearth_kernels::{AttentionKernel, Kept};
use tch::{Device, Tensor};

const NO_DROPOUT: f64 = 0.0;
const NONE: Option<Tensor> = None;
/// Queries come scaled.
const SCALED: f64 = 1.0;

/// How many numbers CUDA's kernel reads at once of the narrowest type.
const AT_ONCE: i64 = 8;

/// The processor and CUDA have each their own.
pub(super) fn kernel(query: &TchTensor) -> Option<AttentionKernel<Libtorch>> {
    let [_, _, _, d_head] = sizes(query);
    match query.tensor.device() {
        Device::Cpu => Some(AttentionKernel {
            forward: on_processor,
            backward: on_processor_backward,
        }),
        Device::Cuda(_) if d_head % AT_ONCE == 0 => Some(AttentionKernel {
            forward: on_cuda,
            backward: on_cuda_backward,
        }),
        _ => None,
    }
}

/// - `is_causal`: whether each position sees those up to its own alone
fn on_processor(of: [TchTensor; 3], is_causal: bool, keep: bool) -> Kept<Libtorch> {
    let of = of.map(in_one_piece);
    let [query, key, value] = of.each_ref().map(|x| &x.tensor);
    let (y, log_sums) = Tensor::internal_scaled_dot_product_flash_attention_for_cpu(
        query, key, value, NO_DROPOUT, is_causal, NONE, SCALED,
    );
    kept(of, y, [log_sums], keep)
}

fn on_processor_backward(
    kept: Vec<TchTensor>,
    is_causal: bool,
    gradient: TchTensor,
) -> [TchTensor; 3] {
    let [query, key, value, y, log_sums] = all(kept).map(|kept| kept.tensor);
    let found = Tensor::internal_scaled_dot_product_flash_attention_for_cpu_backward(
        &gradient.tensor,
        &query,
        &key,
        &value,
        &y,
        &log_sums,
        NO_DROPOUT,
        is_causal,
        NONE,
        SCALED,
    );
    [found.0, found.1, found.2].map(TchTensor::new)
}

fn on_cuda(of: [TchTensor; 3], is_causal: bool, keep: bool) -> Kept<Libtorch> {
    let of = of.map(in_one_piece);
    let [query, key, value] = of.each_ref().map(|x| &x.tensor);
    let (y, log_sums, seed, offset) = Tensor::internal_scaled_dot_product_efficient_attention(
        query, key, value, NONE, keep, NO_DROPOUT, is_causal, SCALED,
    );
    kept(of, y, [log_sums, seed, offset], keep)
}

/// Its own name takes heads behind positions, and knows what is hidden by number.
fn on_cuda_backward(kept: Vec<TchTensor>, is_causal: bool, gradient: TchTensor) -> [TchTensor; 3] {
    let [query_seq, key_seq] = [&kept[0], &kept[1]].map(|x| sizes::<4>(x)[2]);
    let [query, key, value, y, log_sums, seed, offset] = all(kept).map(|kept| kept.tensor);
    let gradient = in_one_piece(gradient).tensor;
    let [gradient, query, key, value, y] =
        [gradient, query, key, value, y].map(|x| x.transpose(1, 2));
    let found = Tensor::internal_efficient_attention_backward(
        &gradient,
        &query,
        &key,
        &value,
        NONE,
        &y,
        NONE,
        NONE,
        query_seq,
        key_seq,
        &log_sums,
        NO_DROPOUT,
        &seed,
        &offset,
        // 0 is nothing, 1 what comes later.
        i64::from(is_causal),
        false,
        SCALED,
        None,
        None,
        false,
    );
    [found.0, found.1, found.2].map(|x| TchTensor::new(x.transpose(1, 2)))
}

/// Kernels take it for granted that vectors lie in one piece.
fn in_one_piece(x: TchTensor) -> TchTensor {
    match x.tensor.stride().last() {
        Some(1) => x,
        _ => TchTensor::new(x.tensor.contiguous()),
    }
}

/// Of queries, keys and values others may know, which is why they stay what they are.
fn kept<const N: usize>(
    of: [TchTensor; 3],
    y: Tensor,
    besides: [Tensor; N],
    keep: bool,
) -> Kept<Libtorch> {
    let y = TchTensor::new(y);
    if !keep {
        return (y, Vec::new());
    }
    let besides = besides.map(TchTensor::new);
    (
        y.clone(),
        of.into_iter().chain([y]).chain(besides).collect(),
    )
}
