//! The laws of a model that reads sound, by its decoder, by its encoder's own head, and by both.

use crate::support::{
    assert_close, assert_same, floats, frames, go_on, ids, on_both_backends, options, row, speech,
};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend, s};
use hearth_infer::{BeamSearch, InferError, SpeechEnsemble, Strategy, transcribe};
use hearth_model::{Conditional, CtcTokens, DecodingState, SpeechToText, SpeechWriter, ctc_loss};

on_both_backends!(
    stepping_in_any_pieces_is_one_full_pass,
    a_reordered_state_goes_on_as_the_rows_it_was_made_of,
    padding_beyond_the_kernels_changes_nothing,
    recordings_of_one_length_are_heard_together_as_alone,
    models_hear_together_the_mean_of_what_each_hears,
    a_writer_weighs_its_decoder_and_its_ear,
    what_cannot_be_heard_is_refused,
);

/// A model's three ways to write: nothing is 0, a text ends with 2.
fn ways<B: Backend>(model: &SpeechToText<B>) -> [SpeechWriter<'_, B>; 3] {
    let tokens = CtcTokens { blank: 0, end: 2 };
    [0.0, 0.4, 1.0].map(|weight| SpeechWriter::new(model, weight, tokens))
}

fn stepping_in_any_pieces_is_one_full_pass<B: Backend>() {
    let model = speech::<B>(1);
    ways(&model).iter().for_each(steps_in_any_pieces);
    steps_in_any_pieces(&model);
}

fn steps_in_any_pieces<B: Backend, M: Conditional<B, Source = Tensor<B, 3>>>(model: &M) {
    // Fifteen vectors: enough for an ear to hear all of it, and no token that it never hears.
    let (sound, ids) = (frames::<B>(2, 60), [1, 5, 3, 9, 4, 7, 1, 6, 8, 3, 10, 5]);
    let whole = floats(model.forward(sound.clone(), None, row(&ids)));
    for pieces in [&[1; 12][..], &[5, 1, 6], &[11, 1], &[12]] {
        let (mut state, mut begin) = (model.start(sound.clone(), None), 0);
        let mut found = Vec::new();
        for piece in pieces {
            let end = begin + piece;
            found.extend(floats(model.step(row(&ids[begin..end]), &mut state)));
            begin = end;
        }
        assert_eq!(state.n_past(), 12);
        assert_close(&found, &whole);
    }
}

fn a_reordered_state_goes_on_as_the_rows_it_was_made_of<B: Backend>() {
    let model = speech::<B>(4);
    ways(&model).iter().for_each(goes_on_when_reordered);
    goes_on_when_reordered(&model);
}

fn goes_on_when_reordered<B: Backend, M: Conditional<B, Source = Tensor<B, 3>>>(model: &M) {
    let sounds = [frames::<B>(5, 60), frames(6, 60)];
    let texts = [vec![4, 1, 9, 9], vec![8, 3, 7, 7]];
    let mut state = model.start(Tensor::cat(sounds.to_vec(), 0), None);
    let both = Tensor::cat(vec![row(&texts[0]), row(&texts[1])], 0);
    model.step(both, &mut state);
    let order = [1, 0, 1];
    state.reorder(&order);
    let next = Tensor::cat(vec![row::<B>(&[1]), row(&[2]), row(&[3])], 0);
    let found = floats(model.predict(next, &mut state));
    let mut expected = Vec::new();
    for (parent, next) in order.into_iter().zip(1..) {
        let text = [texts[parent].as_slice(), &[next]].concat();
        let mut state = model.start(sounds[parent].clone(), None);
        expected.extend(floats(model.predict(row(&text), &mut state)));
    }
    assert_close(&found, &expected);
}

fn padding_beyond_the_kernels_changes_nothing<B: Backend>() {
    let model = speech::<B>(9);
    let target = row::<B>(&ids(10, 5));
    // Two recordings that agree in their first 23 frames, of which 16 are visible: no kernel reaches farther.
    let one = frames::<B>(11, 32);
    let other = Tensor::cat(vec![one.clone().slice(s![.., ..23, ..]), frames(12, 9)], 1);
    let hidden: Vec<bool> = (0..32).map(|frame| frame >= 16).collect();
    let hidden = TensorData::new(hidden, [1, 32]);
    let hidden = Tensor::<B, 2, Bool>::from_data(hidden, &Default::default());
    for model in ways(&model) {
        let read = |sound: &Tensor<B, 3>| {
            floats(model.forward(sound.clone(), Some(hidden.clone()), target.clone()))
        };
        assert_close(&read(&one), &read(&other));
    }
}

fn recordings_of_one_length_are_heard_together_as_alone<B: Backend>() {
    let model = speech::<B>(13);
    let sounds = [frames::<B>(14, 20), frames(15, 20), frames(16, 20)];
    for model in ways(&model) {
        for strategy in [Strategy::Greedy, Strategy::Beam(BeamSearch::new(3))] {
            let options = options(strategy, 8, &[2]);
            let hear = |sound| transcribe(&model, sound, None, 1, &options, &mut go_on);
            let together = hear(Tensor::cat(sounds.to_vec(), 0)).expect("texts");
            for (sound, together) in sounds.iter().zip(&together) {
                let alone = hear(sound.clone()).expect("a text");
                assert_same(together, &alone[0]);
            }
        }
    }
}

fn models_hear_together_the_mean_of_what_each_hears<B: Backend>() {
    let models = [speech::<B>(21), speech(22)];
    let both = SpeechEnsemble::of(&models[0])
        .and(&models[1], 3.0)
        .expect("one vocabulary");
    let (sound, target) = (frames::<B>(23, 20), row::<B>(&ids(24, 4)));
    let of =
        |model: &SpeechToText<B>| softmax(model.forward(sound.clone(), None, target.clone()), 2);
    let mean = of(&models[0]).mul_scalar(0.25) + of(&models[1]).mul_scalar(0.75);
    let found = both.forward(sound.clone(), None, target.clone());
    assert_close(&floats(found), &floats(mean.log()));
    let options = options(Strategy::Beam(BeamSearch::new(3)), 8, &[2]);
    let heard = transcribe(&both, sound, None, 1, &options, &mut go_on).expect("a text");
    assert_eq!(heard.len(), 1);
}

fn a_writer_weighs_its_decoder_and_its_ear<B: Backend>() {
    let model = speech::<B>(25);
    let (sound, target) = (frames::<B>(26, 20), row::<B>(&[1, 5, 3]));
    let [decoder, both, ear] = ways(&model)
        .map(|writer| writer.forward(sound.clone(), None, target.clone()))
        .map(|logits| log_softmax(logits, 2));
    let of_model = log_softmax(model.forward(sound.clone(), None, target.clone()), 2);
    assert_close(&floats(decoder.clone()), &floats(of_model));
    let mean = decoder.mul_scalar(0.6) + ear.clone().mul_scalar(0.4);
    assert_close(&floats(both), &floats(log_softmax(mean, 2)));
    // A wide beam by the ear alone finds the likeliest of all texts of up to two tokens that end.
    let [_, _, writer] = ways(&model);
    let beam = BeamSearch {
        length_penalty: 0.0,
        n_best: 99,
        ..BeamSearch::new(99)
    };
    let options = options(Strategy::Beam(beam), 3, &[2]);
    let heard = transcribe(&writer, sound.clone(), None, 1, &options, &mut go_on).expect("texts");
    let mut ended = heard[0].iter().filter(|text| text.ids.ends_with(&[2]));
    let found = ended.next().expect("a text that ends");
    let encoded = model.encode(sound, None);
    let logits = model.ctc_logits(&encoded).expect("a head");
    // Nobody says the end.
    let logits = logits.slice_fill(s![.., .., 2..3], -1e30);
    let n_frames = [logits.dims()[1]];
    let cost = |text: &[u32]| floats(ctc_loss(logits.clone(), &n_frames, &[text.to_vec()], 0))[0];
    let names = || (1..11).filter(|&id| id != 2);
    let pairs = names().flat_map(|a| names().map(move |b| vec![a, b]));
    let texts = std::iter::once(vec![])
        .chain(names().map(|a| vec![a]))
        .chain(pairs);
    let best = texts
        .map(|text| (cost(&text), text))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let (cost, text) = best.expect("texts");
    assert_eq!(found.ids, [text.as_slice(), &[2]].concat());
    assert!(
        (found.score + f64::from(cost)).abs() < 1e-3,
        "{} and -{cost}",
        found.score
    );
}

fn what_cannot_be_heard_is_refused<B: Backend>() {
    let model = speech::<B>(17);
    let options = options(Strategy::Greedy, 8, &[]);
    let hear = |sound, start| {
        let heard = transcribe(&model, sound, None, start, &options, &mut go_on);
        heard.expect_err("it cannot be heard")
    };
    // 16 positions of four frames.
    let (found, max_frames) = (65, 64);
    let expected = InferError::TooManyFrames { found, max_frames };
    assert_eq!(hear(frames::<B>(18, 65), 1), expected);
    let narrow = frames::<B>(19, 8).slice(s![.., .., ..7]);
    let (found, n_mels) = (7, 8);
    assert_eq!(hear(narrow, 1), InferError::FrameWidth { found, n_mels });
    let unknown = InferError::UnknownToken { id: 11, vocab: 11 };
    assert_eq!(hear(frames::<B>(20, 8), 11), unknown);
}
