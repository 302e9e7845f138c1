//! What a rehearsal says of memory is what steps allocate.

use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use hearth_train::{Alone, Recipe, Stage, rehearse};
use peak_alloc::PeakAlloc;
use std::path::Path;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Large enough for the bytes of tensors to be most of all.
const COMMON: &str = "d_model = 64
    n_layers = 2
    max_positions = 48
    dropout = 0.1
    [tokenizer]
    vocab = 300
    [train]
    batch_size = 8
    [data]
    ";

/// Bytes as they are foretold and as they were, over those before.
fn memory<B: AutodiffBackend>(recipe: &Recipe) -> [f64; 2] {
    let mut before = 0;
    let hear = &mut |stage: &Stage| match stage {
        Stage::Ready { .. } => before = ALLOCATED.current_usage(),
        Stage::Validated => ALLOCATED.reset_peak_usage(),
        Stage::Stepped(_) => {}
    };
    let rehearsal = rehearse::<B>(recipe, &Alone, &Default::default(), hear);
    let foretold = rehearsal.expect("a rehearsal").memory;
    let found = ALLOCATED.peak_usage() - before;
    // The weights were there before.
    [foretold.total() - foretold.weights, found as u64].map(|bytes| bytes as f64)
}

/// One test a process: bytes are counted for all of it.
#[test]
fn steps_allocate_what_a_rehearsal_foretells() {
    let folder = tempfile::tempdir().expect("a folder");
    let pairs = folder.path().join("pairs.tsv");
    // As long as each other, so that no batch is larger than another.
    let line = |n: usize| {
        format!(
            "{}\t{}\n",
            n.to_string().repeat(12),
            n.to_string().repeat(9)
        )
    };
    let lines: String = (10..90).map(line).collect();
    std::fs::write(&pairs, lines).expect("a file");
    let pairs = &format!("paths = [{pairs:?}]\nvalidation_paths = [{pairs:?}]");
    let text = "embedded = 'cicero'\nvalidation_fraction = 0.02";
    for (model, data) in [
        ("architecture = 'gpt'\nn_heads = 4", text),
        ("architecture = 'lstm'", text),
        ("architecture = 'gru'", text),
        ("architecture = 'transformer'\nn_heads = 4", pairs),
        ("architecture = 'rnn-seq2seq'", pairs),
    ] {
        let text = format!("[model]\n{model}\n{COMMON}{data}");
        let recipe = Recipe::parse(&text, Path::new("r.toml"), &[], &[]).expect("a recipe");
        // The first steps of a process allocate what its products share from then on.
        memory::<Autodiff<Flex>>(&recipe);
        for [foretold, found] in [
            memory::<Autodiff<Flex>>(&recipe),
            memory::<Autodiff<NdArray>>(&recipe),
        ] {
            let ratio = foretold / found;
            assert!((0.67..1.5).contains(&ratio), "{model}: {ratio}");
        }
    }
}
