//! A model's own laws: causality, and a cache that changes nothing.

use crate::support::{assert_close, floats, gpt, ids, on_both_backends, row, transformer};
use burn::tensor::{Bool, Tensor, backend::Backend, s};
use hearth_data::TokenId;
use hearth_model::{Autoregressive, Conditional, DecodingState, LanguageModel};
use proptest::prelude::*;

on_both_backends!(
    a_later_token_never_changes_an_earlier_prediction,
    stepping_in_any_pieces_is_one_full_pass,
    left_padding_changes_nothing_for_a_gpt,
    right_padding_of_a_source_changes_nothing,
    a_reordered_state_goes_on_as_the_rows_it_was_made_of,
);

fn a_later_token_never_changes_an_earlier_prediction<B: Backend>() {
    let (gpt, translator) = (gpt::<B>(1), transformer::<B>(1));
    let source = row::<B>(&ids(9, 4));
    let mut changed = ids(2, 8);
    changed[5] = (changed[5] + 1) % 11;
    let past = |logits: Tensor<B, 3>| floats(logits.slice(s![.., ..5, ..]));
    let both = |ids: &[TokenId]| {
        let translated = translator.forward(source.clone(), None, row(ids));
        (past(gpt.forward(row(ids))), past(translated))
    };
    let (found, expected) = (both(&changed), both(&ids(2, 8)));
    assert_close(&found.0, &expected.0);
    assert_close(&found.1, &expected.1);
}

/// Feeds `ids` in the given pieces, and what is left at the end.
fn in_pieces<B: Backend, M: Autoregressive<B>>(
    model: &M,
    mut state: M::State,
    ids: &[TokenId],
    pieces: &[usize],
) -> Vec<f32> {
    let (mut found, mut begin) = (Vec::new(), 0);
    for piece in pieces.iter().chain(&[ids.len()]) {
        let end = (begin + piece).min(ids.len());
        if begin < end {
            found.extend(floats(model.step(row(&ids[begin..end]), &mut state)));
        }
        begin = end;
    }
    assert_eq!(state.n_past(), ids.len());
    found
}

fn stepping_in_any_pieces_is_one_full_pass<B: Backend>() {
    let (gpt, translator) = (gpt::<B>(2), transformer::<B>(2));
    let source = row::<B>(&ids(9, 5));
    let config = ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..Default::default()
    };
    let cases = (
        proptest::collection::vec(0..VOCAB_IDS, 1..20),
        proptest::collection::vec(1usize..6, 0..20),
    );
    proptest!(config, |((ids, pieces) in cases)| {
        let full = floats(gpt.forward(row(&ids)));
        let stepped = in_pieces(&gpt, gpt.start(&[0]), &ids, &pieces);
        assert_close(&stepped, &full);
        let full = floats(translator.forward(source.clone(), None, row(&ids)));
        let state = translator.start(source.clone(), None);
        assert_close(&in_pieces(&translator, state, &ids, &pieces), &full);
    });
}

const VOCAB_IDS: TokenId = crate::support::VOCAB as TokenId;

fn left_padding_changes_nothing_for_a_gpt<B: Backend>() {
    let gpt = gpt::<B>(3);
    let ids = ids(4, 6);
    let alone = floats(gpt.forward(row(&ids)));
    let padded = [&[7, 7, 7], ids.as_slice()].concat();
    for split in [1, 2, 3, 4, 8] {
        let mut state = gpt.start(&[3]);
        let first = gpt.step(row(&padded[..split]), &mut state);
        let second = gpt.step(row(&padded[split..]), &mut state);
        let logits = Tensor::cat(vec![first, second], 1);
        assert_close(&floats(logits.slice(s![.., 3.., ..])), &alone);
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

fn a_reordered_state_goes_on_as_the_rows_it_was_made_of<B: Backend>() {
    let (gpt, model) = (gpt::<B>(5), transformer::<B>(5));
    let texts = [ids(1, 4), ids(2, 4)];
    let sources = [ids(3, 3), ids(4, 3)];
    let pair = |texts: &[Vec<TokenId>; 2]| Tensor::cat(vec![row(&texts[0]), row(&texts[1])], 0);
    let next = Tensor::cat(vec![row::<B>(&[1]), row(&[2]), row(&[3])], 0);
    let order = [1, 0, 1];

    let mut state = gpt.start(&[0, 0]);
    gpt.step(pair(&texts), &mut state);
    state.reorder(&order);
    let found = floats(gpt.predict(next.clone(), &mut state));
    let mut expected = Vec::new();
    for (parent, next) in order.into_iter().zip(1..) {
        let text = [texts[parent].as_slice(), &[next]].concat();
        expected.extend(floats(gpt.predict(row(&text), &mut gpt.start(&[0]))));
    }
    assert_close(&found, &expected);

    let mut state = model.start(pair(&sources), None);
    model.step(pair(&texts), &mut state);
    state.reorder(&order);
    let found = floats(model.predict(next, &mut state));
    let mut expected = Vec::new();
    for (parent, next) in order.into_iter().zip(1..) {
        let text = [texts[parent].as_slice(), &[next]].concat();
        let mut state = model.start(row(&sources[parent]), None);
        expected.extend(floats(model.predict(row(&text), &mut state)));
    }
    assert_close(&found, &expected);
}
