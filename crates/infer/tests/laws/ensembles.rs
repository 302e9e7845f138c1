//! Several models as one.

use crate::subjects::{additive, lstm, transformer};
use crate::support::{
    SPECIAL, VOCAB, assert_close, floats, go_on, gpt, ids, on_both_backends, options, row,
};
use burn::tensor::backend::Backend;
use hearth_infer::{
    BeamSearch, ConditionalEnsemble, InferError, LanguageEnsemble, Mixture, ScoreWindow, Strategy,
    generate, score_text, translate,
};
use hearth_model::{Conditional, GptConfig, LanguageModel};

on_both_backends!(
    a_prediction_is_the_mean_worked_out_by_hand,
    one_model_is_itself,
    networks_and_transformers_write_together,
    models_that_do_not_fit_are_refused,
);

/// Probabilities in double precision.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let exponentials: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
    let total: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|x| x / total).collect()
}

fn a_prediction_is_the_mean_worked_out_by_hand<B: Backend>() {
    let (gpt, lstm) = (gpt::<B>(1), lstm::<B>(2).0);
    let text = ids(3, 9);
    let both = |mixture| {
        let all = LanguageEnsemble::of(&gpt)
            .and(&lstm, 3.0)
            .expect("one vocabulary");
        all.averaging(mixture)
    };
    let logits = [
        floats(gpt.forward(row(&text))),
        floats(LanguageModel::forward(&lstm, row(&text))),
    ];
    for mixture in [Mixture::Probabilities, Mixture::LogProbabilities] {
        let rows = logits[0].chunks(VOCAB).zip(logits[1].chunks(VOCAB));
        let expected: Vec<f64> = rows
            .flat_map(|(a, b)| {
                let (a, b) = (softmax(a), softmax(b));
                let mean = |(p, q): (f64, f64)| match mixture {
                    Mixture::Probabilities => (0.25 * p + 0.75 * q).ln(),
                    Mixture::LogProbabilities => 0.25 * p.ln() + 0.75 * q.ln(),
                };
                a.into_iter().zip(b).map(mean).collect::<Vec<_>>()
            })
            .collect();
        let expected: Vec<f32> = expected.into_iter().map(|x| x as f32).collect();
        let ensemble = both(mixture);
        assert_close(&floats(ensemble.forward(row(&text))), &expected);
        // What is scored is what was predicted, normalised.
        let window = ScoreWindow {
            context: 16,
            stride: 16,
        };
        let scores = score_text(&ensemble, &text, window, 2, &Default::default()).expect("scores");
        let by_hand: Vec<f32> = expected
            .chunks(VOCAB)
            .zip(&text[1..])
            .map(|(row, &id)| softmax(row)[id as usize].ln() as f32)
            .collect();
        assert_close(&scores.log_probs, &by_hand);
    }
}

fn one_model_is_itself<B: Backend>() {
    let (gpt, device) = (gpt::<B>(4), Default::default());
    let (prompts, options) = ([ids(5, 4), ids(6, 2)], options(Strategy::Greedy, 10, &[3]));
    let alone = generate(&gpt, &prompts, &options, &device, &mut go_on).expect("texts");
    let ensemble = LanguageEnsemble::of(&gpt);
    let found = generate(&ensemble, &prompts, &options, &device, &mut go_on).expect("texts");
    assert_eq!(found, alone);
    // So do two that are the same.
    let twice = LanguageEnsemble::of(&gpt)
        .and(&gpt, 0.3)
        .expect("one vocabulary");
    let found = generate(&twice, &prompts, &options, &device, &mut go_on).expect("texts");
    for (found, alone) in found.iter().zip(&alone) {
        assert_eq!(found[0].ids, alone[0].ids);
        assert_close(&found[0].log_probs, &alone[0].log_probs);
    }
}

fn networks_and_transformers_write_together<B: Backend>() {
    let (transformer, network, device) = (
        transformer::<B>(7).0,
        additive::<B>(8).0,
        Default::default(),
    );
    let ensemble = ConditionalEnsemble::of(&transformer)
        .and(&network, 1.0)
        .expect("one vocabulary");
    let sources = [ids(9, 5), ids(10, 3), ids(11, 7)];
    for strategy in [Strategy::Greedy, Strategy::Beam(BeamSearch::new(3))] {
        let options = options(strategy, 8, &[3]);
        let write = |sources: &[Vec<_>]| {
            translate(&ensemble, sources, SPECIAL, &options, &device, &mut go_on).expect("texts")
        };
        let together = write(&sources);
        for (source, texts) in sources.iter().zip(&together) {
            let alone = write(std::slice::from_ref(source));
            assert_eq!(alone[0][0].ids, texts[0].ids);
        }
    }
    // The first token by hand.
    let options = options(Strategy::Greedy, 1, &[]);
    let text = translate(
        &ensemble,
        &sources[..1],
        SPECIAL,
        &options,
        &device,
        &mut go_on,
    );
    let start = || row::<B>(&[SPECIAL.start]);
    let logits = [
        floats(Conditional::forward(
            &transformer,
            row(&sources[0]),
            None,
            start(),
        )),
        floats(Conditional::forward(
            &network,
            row(&sources[0]),
            None,
            start(),
        )),
    ];
    let mean = softmax(&logits[0])
        .into_iter()
        .zip(softmax(&logits[1]))
        .map(|(p, q)| (p + q) / 2.0);
    let best = mean
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("a token");
    let text = &text.expect("a text")[0][0];
    assert_eq!(text.ids, [best.0 as u32]);
    assert_close(&text.log_probs, &[best.1.ln() as f32]);
}

fn models_that_do_not_fit_are_refused<B: Backend>() {
    let device = Default::default();
    let (gpt, other) = (gpt::<B>(12), GptConfig::tiny(VOCAB + 1).init(&device));
    let error = LanguageEnsemble::of(&gpt).and(&other, 1.0).err();
    let (index, what) = (1, "tokens");
    let (found, expected) = (VOCAB + 1, VOCAB);
    assert_eq!(
        error,
        Some(InferError::Ensemble {
            index,
            what,
            found,
            expected
        })
    );
    assert!(LanguageEnsemble::of(&gpt).and(&gpt, -1.0).is_err());
}
