//! Attention as a whole, a head at a time.

use super::product::{matrix, multiply};
use super::softmax::{slope_row, weigh_row};
use super::work::work;
use faer::Accum;
use pulp::NullaryFnOnce;

/// Queries, keys and values, `[n, seq, d_head]` each, with `n` a head of a row of the batch.
pub(super) struct Of<'a> {
    pub(super) query: &'a [f32],
    pub(super) key: &'a [f32],
    pub(super) value: &'a [f32],
    /// Of a head: how many queries there are, how many keys, and how wide both are.
    pub(super) size: [usize; 3],
}

/// - `is_causal`: whether each position sees those up to its own alone, of as many
/// - returns the contexts `[n, query_seq, d_head]` and the weights `[n, query_seq, key_seq]`
pub(super) fn forward(of: &Of<'_>, is_causal: bool) -> [Vec<f32>; 2] {
    let [query_seq, key_seq, d_head] = of.size;
    let n = of.query.len() / (query_seq * d_head).max(1);
    let mut contexts = vec![0.0; of.query.len()];
    let mut weights = vec![0.0; n * query_seq * key_seq];
    let pieces = of.heads().zip(chunks(&mut contexts, query_seq * d_head));
    let pieces = pieces.zip(chunks(&mut weights, query_seq * key_seq));
    let pieces = pieces.map(|((of, context), weights)| Forward {
        of,
        is_causal,
        context,
        weights,
    });
    work(pieces.collect());
    [contexts, weights]
}

/// From the weights and the gradient by the contexts those by queries, keys and values.
pub(super) fn backward(of: &Of<'_>, weights: &[f32], gradient: &[f32]) -> [Vec<f32>; 3] {
    let [query_seq, key_seq, d_head] = of.size;
    let mut by = [of.query, of.key, of.value].map(|x| vec![0.0; x.len()]);
    let [by_query, by_key, by_value] = &mut by;
    let outer = weights.chunks((query_seq * key_seq).max(1));
    let outer = outer.zip(gradient.chunks((query_seq * d_head).max(1)));
    let found = chunks(by_query, query_seq * d_head).zip(chunks(by_key, key_seq * d_head));
    let found = found.zip(chunks(by_value, key_seq * d_head));
    let pieces = of.heads().zip(outer).zip(found);
    let pieces = pieces.map(
        |((of, (weights, gradient)), ((query, key), value))| Backward {
            of,
            weights,
            gradient,
            by: [query, key, value],
        },
    );
    work(pieces.collect());
    by
}

fn chunks(numbers: &mut [f32], n: usize) -> std::slice::ChunksMut<'_, f32> {
    numbers.chunks_mut(n.max(1))
}

impl Of<'_> {
    /// Each alone.
    fn heads(&self) -> impl Iterator<Item = Of<'_>> {
        let [query_seq, key_seq, d_head] = self.size;
        let memory = |x| <[f32]>::chunks(x, (key_seq * d_head).max(1));
        let queries = self.query.chunks((query_seq * d_head).max(1));
        let heads = queries.zip(memory(self.key)).zip(memory(self.value));
        heads.map(|((query, key), value)| Of {
            query,
            key,
            value,
            size: self.size,
        })
    }
}

/// Of one head.
struct Forward<'a> {
    of: Of<'a>,
    is_causal: bool,
    context: &'a mut [f32],
    weights: &'a mut [f32],
}

impl NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [query_seq, key_seq, d_head] = self.of.size;
        let query = matrix(self.of.query, [query_seq, d_head]);
        let key = matrix(self.of.key, [key_seq, d_head]);
        multiply(self.weights, [query, key.transpose()], Accum::Replace);
        for (i, row) in self.weights.chunks_mut(key_seq).enumerate() {
            let n_seen = if self.is_causal { i + 1 } else { key_seq };
            let (seen, hidden) = row.split_at_mut(n_seen);
            weigh_row(seen);
            hidden.fill(0.0);
        }
        let weights = matrix(self.weights, [query_seq, key_seq]);
        let value = matrix(self.of.value, [key_seq, d_head]);
        multiply(self.context, [weights, value], Accum::Replace);
    }
}

/// Of one head.
struct Backward<'a> {
    of: Of<'a>,
    weights: &'a [f32],
    gradient: &'a [f32],
    by: [&'a mut [f32]; 3],
}

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [query_seq, key_seq, d_head] = self.of.size;
        let [by_query, by_key, by_value] = self.by;
        let weights = matrix(self.weights, [query_seq, key_seq]);
        let gradient = matrix(self.gradient, [query_seq, d_head]);
        multiply(by_value, [weights.transpose(), gradient], Accum::Replace);
        let mut by_scores = vec![0.0; query_seq * key_seq];
        let value = matrix(self.of.value, [key_seq, d_head]);
        multiply(
            &mut by_scores,
            [gradient, value.transpose()],
            Accum::Replace,
        );
        let rows = by_scores.chunks_mut(key_seq);
        for (gradient, weights) in rows.zip(self.weights.chunks(key_seq)) {
            slope_row(gradient, weights);
        }
        let by_scores = matrix(&by_scores, [query_seq, key_seq]);
        let query = matrix(self.of.query, [query_seq, d_head]);
        let key = matrix(self.of.key, [key_seq, d_head]);
        multiply(by_query, [by_scores, key], Accum::Replace);
        multiply(by_key, [by_scores.transpose(), query], Accum::Replace);
    }
}
