//! What one more token costs behind a short and behind a long past: with a cache, nearly the same.
//!
//! `cargo bench -p hearth-infer`

#![allow(clippy::print_stdout, reason = "a table for people")]

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use hearth_model::{Autoregressive, Gpt, GptConfig, GptState, LanguageModel, StackSize};
use std::time::Instant;

const STEPS: usize = 24;
/// A longer past may cost this much more, for a model whose weights are more than its past.
const TARGET: f64 = 1.5;

struct Case {
    name: &'static str,
    size: StackSize,
    vocab: usize,
    repetitions: usize,
}

const CASES: [Case; 2] = [
    Case {
        name: "GPT-2 small: 12 layers, 768 wide, 124 M parameters",
        size: StackSize {
            d_model: 768,
            n_heads: 12,
            n_layers: 12,
        },
        vocab: 50_257,
        repetitions: 3,
    },
    Case {
        name: "nanoGPT on a CPU: 4 layers, 128 wide, 0.9 M parameters",
        size: StackSize {
            d_model: 128,
            n_heads: 4,
            n_layers: 4,
        },
        vocab: 65,
        repetitions: 15,
    },
];

fn main() {
    println!("ms a token, the median of runs of {STEPS} tokens, one row and 1,024 positions");
    println!("| model | backend | at 50 | at 1000 | ratio (target {TARGET}) |");
    println!("|---|---|---|---|---|");
    for case in &CASES {
        measure::<burn_flex::Flex>(case, "flex");
        measure::<burn_ndarray::NdArray>(case, "ndarray");
    }
}

fn measure<B: Backend>(case: &Case, backend: &str) {
    let gpt: Gpt<B> = GptConfig::gpt2(case.vocab, 1024, case.size).init(&Default::default());
    let (near, far) = (past(&gpt, 50 - STEPS / 2), past(&gpt, 1000 - STEPS / 2));
    // Turn and turn about, so that a busy machine is as unkind to one as to the other.
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..case.repetitions {
        short.push(ms_a_token(&gpt, near.clone()));
        long.push(ms_a_token(&gpt, far.clone()));
    }
    let (short, long) = (median(short), median(long));
    let ratio = long / short;
    println!(
        "| {} | {backend} | {short:.3} | {long:.3} | {ratio:.2} |",
        case.name
    );
}

/// The state behind a prompt.
fn past<B: Backend>(gpt: &Gpt<B>, n_prompt: usize) -> GptState<B> {
    let mut state = gpt.start(&[0]);
    gpt.predict(tokens(n_prompt), &mut state);
    state
}

fn ms_a_token<B: Backend>(gpt: &Gpt<B>, mut state: GptState<B>) -> f64 {
    // The first step behind a prompt warms up what a decoder runs many times.
    gpt.predict(tokens(1), &mut state).into_data();
    let begin = Instant::now();
    for _ in 0..STEPS {
        gpt.predict(tokens(1), &mut state).into_data();
    }
    begin.elapsed().as_secs_f64() * 1e3 / STEPS as f64
}

/// - returns `[1, seq]`
fn tokens<B: Backend>(seq: usize) -> Tensor<B, 2, Int> {
    let ids: Vec<i64> = (0..seq).map(|i| (i * 7 % 65) as i64).collect();
    Tensor::from_data(TensorData::new(ids, [1, seq]), &Default::default())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
