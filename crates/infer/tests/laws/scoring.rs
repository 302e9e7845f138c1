//! Scores are what a full pass gives by hand.

use crate::subjects::{Subject, laws};
use crate::support::{
    SPECIAL, VOCAB, assert_close, floats, gpt, ids, on_both_backends, options, row, transformer,
};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, backend::Backend};
use hearth_data::TokenId;
use hearth_infer::{InferError, Score, ScoreWindow, Strategy, score_pairs, score_text};
use hearth_model::{Conditional, LanguageModel};

laws! {
    every model:
        a_written_text_scores_as_it_was_written;
}

on_both_backends!(
    a_short_text_scores_what_the_hand_finds,
    windows_predict_each_token_once_behind_enough_context,
    pairs_score_what_the_hand_finds,
    wrong_windows_and_tokens_are_refused,
);

/// The log-probability of `targets[i]` behind position `i`.
fn by_hand<B: Backend>(logits: Tensor<B, 3>, targets: &[TokenId]) -> Vec<f32> {
    let log_probs = floats(log_softmax(logits, 2));
    log_probs
        .chunks(VOCAB)
        .zip(targets)
        .map(|(row, &target)| row[target as usize])
        .collect()
}

fn window(context: usize, stride: usize) -> ScoreWindow {
    ScoreWindow { context, stride }
}

fn a_short_text_scores_what_the_hand_finds<B: Backend>() {
    let (gpt, device) = (gpt::<B>(31), Default::default());
    let text = ids(1, 20);
    let expected = by_hand(gpt.forward(row(&text[..19])), &text[1..]);
    let found = score_text(&gpt, &text, window(32, 16), 4, &device).expect("scores");
    assert_close(&found.log_probs, &expected);
    let total = found.total();
    let sum: f32 = expected.iter().sum();
    assert_close(&[total.nll as f32], &[-sum]);
    assert_eq!(total.n_tokens, 19);
    let one = score_text(&gpt, &text[..1], window(32, 16), 4, &device).expect("no scores");
    assert_eq!(one.total(), Score::default());
}

fn windows_predict_each_token_once_behind_enough_context<B: Backend>() {
    let (gpt, device) = (gpt::<B>(32), Default::default());
    for (n, context, stride) in [
        (50, 8, 3),
        (50, 8, 8),
        (17, 16, 1),
        (18, 16, 5),
        (33, 32, 4),
    ] {
        let text = ids(n as u64, n);
        // Each target by itself, behind the context that its window gives it.
        let n_targets = n - 1;
        let mut expected = Vec::new();
        let mut end = context;
        for target in 1..=n_targets {
            if target > end {
                end = (end + stride).min(n_targets);
            }
            let begin = end - context;
            assert!(target - begin > context - stride || begin == 0);
            let behind = &text[begin..target];
            let logits = by_hand(gpt.forward(row(behind)), &text[begin + 1..=target]);
            expected.extend(logits.last());
        }
        for batch in [1, 3, 100] {
            let found = score_text(&gpt, &text, window(context, stride), batch, &device);
            assert_close(&found.expect("scores").log_probs, &expected);
        }
    }
}

fn pairs_score_what_the_hand_finds<B: Backend>() {
    let (model, device) = (transformer::<B>(33), Default::default());
    let pairs: Vec<_> = [(3, 6), (7, 2), (5, 0), (7, 9)]
        .into_iter()
        .zip(1..)
        .map(|((source, target), seed)| (ids(seed, source), ids(seed + 50, target)))
        .collect();
    let found = score_pairs(&model, &pairs, SPECIAL, &device).expect("four scores");
    assert_eq!(found.len(), 4);
    for ((source, target), found) in pairs.iter().zip(found) {
        let expected = if target.is_empty() {
            Vec::new()
        } else {
            let input = [&[SPECIAL.start], &target[..target.len() - 1]].concat();
            by_hand(model.forward(row(source), None, row(&input)), target)
        };
        assert_close(&found.log_probs, &expected);
    }
}

fn a_written_text_scores_as_it_was_written<B: Backend, S: Subject<B>>(subject: fn(u64) -> S) {
    let (subject, text) = (subject(34), ids(1, 5));
    let options = options(Strategy::Greedy, 12, &[3]);
    let written = subject.write(std::slice::from_ref(&text), &options);
    let written = &written[0][0];
    assert_close(&subject.score(&text, &written.ids), &written.log_probs);
}

fn wrong_windows_and_tokens_are_refused<B: Backend>() {
    let (gpt, device) = (gpt::<B>(35), Default::default());
    let run = |ids: &[TokenId], window| {
        let scores = score_text(&gpt, ids, window, 1, &device);
        scores.expect_err("a wrong request").to_string()
    };
    assert_eq!(
        run(&[1, 2], window(33, 1)),
        "context is 33, expected at least 1 and at most the model's positions"
    );
    assert_eq!(
        run(&[1, 2], window(8, 9)),
        "stride is 9, expected at least 1 and at most the context"
    );
    assert_eq!(
        run(&[1, 42], window(8, 8)),
        "token id 42 is outside the model's vocabulary of 11"
    );
    let model = transformer::<B>(35);
    let pairs = [(vec![1], ids(1, 33))];
    assert_eq!(
        score_pairs(&model, &pairs, SPECIAL, &device),
        Err(InferError::TooLong {
            what: "target",
            row: 0,
            found: 33,
            max_positions: 32
        })
    );
}
