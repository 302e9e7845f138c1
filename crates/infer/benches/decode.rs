//! What one more token costs behind a short and behind a long past: with a cache, nearly the same.
//!
//! `cargo bench -p hearth-infer`

#![allow(clippy::print_stdout, reason = "a table for people")]

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use hearth_model::{Autoregressive, Gpt, GptConfig, StackSize};
use std::time::Instant;

const VOCAB: usize = 65;
const POSITIONS: usize = 1024;
const STEPS: usize = 24;
const REPETITIONS: usize = 15;
/// A longer past may cost this much more.
const TARGET: f64 = 1.5;

fn main() {
    println!(
        "4 layers, 4 heads, 128 wide; ms a token, the median of {REPETITIONS} runs of {STEPS}"
    );
    println!("| backend | batch | at 50 | at 1000 | ratio (target {TARGET}) |");
    println!("|---|---|---|---|---|");
    for batch in [1, 4] {
        measure::<burn_flex::Flex>("flex", batch);
        measure::<burn_ndarray::NdArray>("ndarray", batch);
    }
}

fn measure<B: Backend>(backend: &str, batch: usize) {
    let size = StackSize {
        d_model: 128,
        n_heads: 4,
        n_layers: 4,
    };
    let gpt: Gpt<B> = GptConfig::gpt2(VOCAB, POSITIONS, size).init(&Default::default());
    // Turn and turn about, so that a busy machine is as unkind to one as to the other.
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        short.push(ms_a_token(&gpt, batch, 50 - STEPS / 2));
        long.push(ms_a_token(&gpt, batch, 1000 - STEPS / 2));
    }
    let (short, long) = (median(short), median(long));
    let ratio = long / short;
    println!("| {backend} | {batch} | {short:.3} | {long:.3} | {ratio:.2} |");
}

fn ms_a_token<B: Backend>(gpt: &Gpt<B>, batch: usize, n_prompt: usize) -> f64 {
    let mut state = gpt.start(&vec![0; batch]);
    gpt.predict(tokens(batch, n_prompt), &mut state);
    // The first step behind a prompt warms up what a decoder runs many times.
    gpt.predict(tokens(batch, 1), &mut state).into_data();
    let begin = Instant::now();
    for _ in 0..STEPS {
        gpt.predict(tokens(batch, 1), &mut state).into_data();
    }
    begin.elapsed().as_secs_f64() * 1e3 / STEPS as f64
}

/// - returns `[batch, seq]`
fn tokens<B: Backend>(batch: usize, seq: usize) -> Tensor<B, 2, Int> {
    let ids: Vec<i64> = (0..batch * seq).map(|i| (i * 7 % VOCAB) as i64).collect();
    Tensor::from_data(TensorData::new(ids, [batch, seq]), &Default::default())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
