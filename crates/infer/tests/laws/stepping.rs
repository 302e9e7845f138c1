//! A model's own laws: causality, and a cache that changes nothing.

use crate::subjects::{State, Subject, Writer, laws};
use crate::support::{VOCAB, assert_close, floats, ids, on_both_backends, row, rows, transformer};
use burn::tensor::{Bool, Tensor, backend::Backend, s};
use hearth_data::TokenId;
use hearth_model::{Autoregressive, Conditional, DecodingState, LanguageModel};
use proptest::prelude::*;

laws! {
    every model:
        a_later_token_never_changes_an_earlier_prediction,
        stepping_in_any_pieces_is_one_full_pass,
        a_batch_predicts_what_its_rows_alone_predict,
        a_reordered_state_goes_on_as_the_rows_it_was_made_of;
    language models:
        left_padding_changes_nothing;
}

on_both_backends!(right_padding_of_a_source_changes_nothing);

fn a_later_token_never_changes_an_earlier_prediction<B: Backend, S: Subject<B>>(
    subject: fn(u64) -> S,
) {
    let (subject, text) = (subject(1), ids(2, 8));
    let mut changed = text.clone();
    changed[5] = (changed[5] + 1) % 11;
    let read = |ids: &[TokenId]| subject.forward(row(ids), &[0]);
    let past = |ids: &[TokenId]| floats(read(ids).slice(s![.., ..5, ..]));
    assert_close(&past(&changed), &past(&text));
    assert_ne!(floats(read(&changed)), floats(read(&text)));
}

/// Feeds `ids` in the given pieces, and what is left at the end.
fn in_pieces<B: Backend, S: Subject<B>>(
    subject: &S,
    mut state: State<B, S>,
    ids: &[TokenId],
    pieces: &[usize],
) -> Vec<f32> {
    let (mut found, mut begin) = (Vec::new(), 0);
    for piece in pieces.iter().chain(&[ids.len()]) {
        let end = (begin + piece).min(ids.len());
        if begin < end {
            let step = subject.model().step(row(&ids[begin..end]), &mut state);
            found.extend(floats(step));
        }
        begin = end;
    }
    assert_eq!(state.n_past(), ids.len());
    found
}

fn stepping_in_any_pieces_is_one_full_pass<B: Backend, S: Subject<B>>(subject: fn(u64) -> S) {
    let subject = subject(2);
    let config = ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..Default::default()
    };
    let cases = (
        proptest::collection::vec(0..VOCAB as TokenId, 1..20),
        proptest::collection::vec(1usize..6, 0..20),
    );
    proptest!(config, |((ids, pieces) in cases)| {
        let full = floats(subject.forward(row(&ids), &[0]));
        let stepped = in_pieces(&subject, subject.start(&[0]), &ids, &pieces);
        assert_close(&stepped, &full);
    });
}

fn a_batch_predicts_what_its_rows_alone_predict<B: Backend, S: Subject<B>>(subject: fn(u64) -> S) {
    let subject = subject(3);
    let texts = [ids(1, 7), ids(2, 1), ids(3, 12), ids(4, 4)];
    let together = subject.forward(rows(&texts), &[0, 1, 2, 3]);
    for (i, text) in texts.iter().enumerate() {
        let found = together.clone().slice(s![i, ..text.len(), ..]);
        assert_close(&floats(found), &floats(subject.forward(row(text), &[i])));
    }
}

/// Rows with and without padding, read at once and in two pieces, and single tokens behind them.
fn left_padding_changes_nothing<B: Backend, M: LanguageModel<B>>(subject: fn(u64) -> Writer<M>) {
    let Writer(model) = subject(4);
    let (texts, n_hidden) = ([ids(5, 6), ids(6, 9), ids(7, 1)], [3, 0, 8]);
    let padded = texts
        .iter()
        .zip(n_hidden)
        .map(|(text, n)| [&vec![7; n], text.as_slice()].concat())
        .collect::<Vec<_>>();
    let more = ids(8, 3);
    for split in [0, 1, 3, 4, 8] {
        let mut state = model.start(&n_hidden);
        let tokens = rows::<B>(&padded);
        let mut parts = Vec::new();
        for range in [0..split, split..9] {
            if !range.is_empty() {
                let piece = tokens.clone().slice(s![.., range]);
                parts.push(model.step(piece, &mut state));
            }
        }
        for &id in &more {
            parts.push(model.step(rows(&vec![vec![id]; 3]), &mut state));
        }
        let found = Tensor::cat(parts, 1);
        for (i, (text, n)) in texts.iter().zip(n_hidden).enumerate() {
            let alone = model.forward(row(&[text.as_slice(), &more].concat()));
            let found = found.clone().slice(s![i, n.., ..]);
            assert_close(&floats(found), &floats(alone));
        }
    }
}

fn right_padding_of_a_source_changes_nothing<B: Backend>() {
    let model = transformer::<B>(4);
    let (source, target) = (ids(5, 4), row::<B>(&ids(6, 5)));
    let alone = floats(model.forward(row(&source), None, target.clone()));
    let padded = [source.as_slice(), &[8, 8]].concat();
    let hidden = [[false, false, false, false, true, true]];
    let hidden = Tensor::<B, 2, Bool>::from_data(hidden, &Default::default());
    let found = model.forward(row(&padded), Some(hidden.clone()), target.clone());
    assert_close(&floats(found), &alone);
    let mut state = model.start(row(&padded), Some(hidden));
    assert_close(&floats(model.step(target, &mut state)), &alone);
}

fn a_reordered_state_goes_on_as_the_rows_it_was_made_of<B: Backend, S: Subject<B>>(
    subject: fn(u64) -> S,
) {
    let subject = subject(5);
    let (model, texts, order) = (subject.model(), [ids(1, 4), ids(2, 4)], [1, 0, 1]);
    let mut state = subject.start(&[0, 1]);
    // Settled at once, and one by one.
    let tokens = rows::<B>(&texts);
    model.step(tokens.clone().slice(s![.., ..3]), &mut state);
    model.step(tokens.slice(s![.., 3..]), &mut state);
    state.reorder(&order);
    let next = rows(&[vec![1], vec![2], vec![3]]);
    let found = floats(model.predict(next, &mut state));
    let mut expected = Vec::new();
    for (parent, next) in order.into_iter().zip(1..) {
        let text = [texts[parent].as_slice(), &[next]].concat();
        let mut state = subject.start(&[parent]);
        expected.extend(floats(model.predict(row(&text), &mut state)));
    }
    assert_close(&found, &expected);
}
