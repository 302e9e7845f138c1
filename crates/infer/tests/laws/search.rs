//! What greedy decoding, sampling and beam search find.

use crate::subjects::{Subject, laws};
use crate::support::{Markov, assert_same, ids, on_both_backends, options};
use burn::tensor::backend::Backend;
use hearth_data::TokenId;
use hearth_infer::{
    BeamSearch, DecodeOptions, EarlyStopping, Hypothesis, InferError, Rules, Sampling, Strategy,
};

laws! {
    every model:
        a_beam_of_one_is_greedy,
        one_token_to_draw_from_is_greedy,
        the_same_seed_writes_the_same_text;
}

on_both_backends!(
    a_wide_beam_finds_what_exhaustive_search_finds,
    groups_are_searches_of_their_own_until_they_are_kept_apart,
    a_search_obeys_the_rules,
    greedy_takes_the_lowest_id_of_equals,
    a_prediction_that_is_no_number_is_an_error,
);

/// Behind six texts of one to six tokens.
fn write<B: Backend, S: Subject<B>>(
    subject: fn(u64) -> S,
    strategy: Strategy,
    eos: &[TokenId],
) -> Vec<Vec<Hypothesis>> {
    let texts: Vec<_> = (30..36).zip(1..).map(|(seed, n)| ids(seed, n)).collect();
    subject(21).write(&texts, &options(strategy, 10, eos))
}

fn a_beam_of_one_is_greedy<B: Backend, S: Subject<B>>(subject: fn(u64) -> S) {
    let beam = BeamSearch {
        length_penalty: 0.0,
        ..BeamSearch::new(1)
    };
    let greedy = write(subject, Strategy::Greedy, &[3, 6]);
    let beam = write(subject, Strategy::Beam(beam), &[3, 6]);
    for (beam, greedy) in beam.iter().zip(&greedy) {
        assert_same(beam, greedy);
    }
}

fn one_token_to_draw_from_is_greedy<B: Backend, S: Subject<B>>(subject: fn(u64) -> S) {
    let greedy = write(subject, Strategy::Greedy, &[3]);
    let one = Sampling {
        top_k: Some(1),
        ..Sampling::new(5)
    };
    let little = Sampling {
        top_p: Some(1e-9),
        ..Sampling::new(5)
    };
    let cold = Sampling {
        temperature: 1e-6,
        ..Sampling::new(5)
    };
    for sampling in [one, little, cold] {
        let drawn = write(subject, Strategy::Sample(sampling), &[3]);
        assert_eq!(drawn, greedy);
    }
}

fn the_same_seed_writes_the_same_text<B: Backend, S: Subject<B>>(subject: fn(u64) -> S) {
    let draw = |seed| write(subject, Strategy::Sample(Sampling::new(seed)), &[]);
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

const TOY_VOCAB: usize = 5;
const TOY_LENGTH: usize = 6;
const TOY_EOS: TokenId = 0;

/// Every text of up to six tokens, best first.
fn exhaustive<B: Backend>(model: &Markov<B>, length_penalty: f64) -> Vec<(Vec<TokenId>, f64)> {
    // The log-probabilities behind any two tokens, asked of the model itself.
    let greedy = |last: [TokenId; 2]| -> Vec<f64> {
        let options = options(
            Strategy::Beam(BeamSearch {
                n_best: TOY_VOCAB,
                length_penalty: 0.0,
                ..BeamSearch::new(TOY_VOCAB)
            }),
            1,
            &[],
        );
        let mut log_probs = vec![0.0; TOY_VOCAB];
        for text in model.write(&last, &options).expect("five texts") {
            log_probs[text.ids[0] as usize] = text.score;
        }
        log_probs
    };
    let table: Vec<Vec<f64>> = (0..TOY_VOCAB as TokenId)
        .flat_map(|a| (0..TOY_VOCAB as TokenId).map(move |b| [a, b]))
        .map(greedy)
        .collect();

    let mut open = vec![(Vec::new(), 0.0f64)];
    let mut ended = Vec::new();
    for length in 1..=TOY_LENGTH {
        let mut longer = Vec::new();
        for (ids, sum) in open {
            let last: Vec<usize> = [1, 2]
                .into_iter()
                .chain(ids.iter().map(|&id| id as usize))
                .collect();
            let [a, b] = [last[last.len() - 2], last[last.len() - 1]];
            for (id, log_prob) in (0..).zip(&table[a * TOY_VOCAB + b]) {
                let mut ids: Vec<TokenId> = ids.clone();
                ids.push(id);
                let sum = sum + log_prob;
                if id == TOY_EOS || length == TOY_LENGTH {
                    let score = sum / (ids.len() as f64).powf(length_penalty);
                    ended.push((ids, score));
                } else {
                    longer.push((ids, sum));
                }
            }
        }
        open = longer;
    }
    ended.sort_by(|a, b| b.1.total_cmp(&a.1));
    ended
}

fn a_wide_beam_finds_what_exhaustive_search_finds<B: Backend>() {
    use EarlyStopping::{Never, No, Yes};
    let stops = [No, Never, Yes];
    let penalties = [0.0, 1.0, 2.0, 0.5, -0.5, 1.5];
    for ((seed, length_penalty), early_stopping) in
        (1..).zip(penalties).zip(stops.into_iter().cycle())
    {
        let model = Markov::<B>::random(TOY_VOCAB, seed);
        let expected = exhaustive(&model, length_penalty);
        let beam = BeamSearch {
            length_penalty,
            early_stopping,
            n_best: 10,
            ..BeamSearch::new(expected.len())
        };
        let options = options(Strategy::Beam(beam), TOY_LENGTH, &[TOY_EOS]);
        let found = model.write(&[1, 2], &options).expect("ten texts");
        assert_eq!(found.len(), 10);
        for (found, (ids, score)) in found.iter().zip(expected) {
            assert_eq!(found.ids, ids, "seed {seed}, penalty {length_penalty}");
            assert!((found.score - score).abs() < 1e-5);
        }
    }
}

fn groups_are_searches_of_their_own_until_they_are_kept_apart<B: Backend>() {
    let model = Markov::<B>::random(7, 8);
    let search = |width, n_groups, diversity_penalty| {
        let beam = BeamSearch {
            n_groups,
            diversity_penalty,
            n_best: width,
            ..BeamSearch::new(width)
        };
        let options = options(Strategy::Beam(beam), 6, &[0]);
        model.write(&[1, 2], &options).expect("texts")
    };
    let (alone, twice) = (search(2, 1, 0.0), search(4, 2, 0.0));
    assert_same(&twice[..1], &alone[..1]);
    assert_same(&twice[1..2], &alone[..1]);
    assert_same(&twice[2..3], &alone[1..]);
    // Kept apart by more than any likelihood: four groups of one begin with four tokens.
    let apart = search(4, 4, 1e3);
    let mut first: Vec<TokenId> = apart.iter().map(|text| text.ids[0]).collect();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), 4);
    // What is lost is told honestly: scores are the model's.
    for text in &apart {
        let sum: f64 = text.log_probs.iter().map(|&x| f64::from(x)).sum();
        assert!((text.score - sum / text.ids.len() as f64).abs() < 1e-5);
    }
}

fn a_search_obeys_the_rules<B: Backend>() {
    let model = Markov::<B>::random(7, 9);
    let rules = Rules {
        prefix: vec![3, 3],
        bad_words: vec![vec![5], vec![3, 4]],
        no_repeat_ngram: Some(3),
        min_new_tokens: 8,
        ..Rules::default()
    };
    let strategies = [
        Strategy::Greedy,
        Strategy::Sample(Sampling::new(4)),
        Strategy::Beam(BeamSearch {
            n_best: 3,
            ..BeamSearch::new(3)
        }),
    ];
    for strategy in strategies {
        let options = DecodeOptions {
            rules: rules.clone(),
            ..options(strategy, 12, &[0])
        };
        for text in model.write(&[1, 2], &options).expect("texts") {
            assert_eq!(text.ids[..2], [3, 3]);
            assert!(!text.ids.contains(&5));
            assert!(!text.ids.windows(2).any(|pair| pair == [3, 4]));
            assert!(!text.ids[..7].contains(&0));
            let all = [&[1, 2], &text.ids[..]].concat();
            let mut grams: Vec<&[TokenId]> = all.windows(3).collect();
            grams.sort_unstable();
            assert!(grams.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
        }
    }
    let nothing = DecodeOptions {
        rules: Rules {
            bad_words: (0..7).map(|id| vec![id]).collect(),
            ..Rules::default()
        },
        ..options(Strategy::Greedy, 3, &[0])
    };
    let error = model.write(&[1, 2], &nothing).expect_err("nothing is left");
    let (row, n_tokens) = (0, 2);
    assert_eq!(error, InferError::NothingAllowed { row, n_tokens });
}

fn greedy_takes_the_lowest_id_of_equals<B: Backend>() {
    let model = Markov::<B>::new(4, |i| if i % 4 == 0 { 0.0 } else { 1.0 });
    let text = model
        .write(&[2], &options(Strategy::Greedy, 3, &[]))
        .expect("a text");
    assert_eq!(text[0].ids, [1, 1, 1]);
    let beam = Strategy::Beam(BeamSearch::new(3));
    let text = model.write(&[2], &options(beam, 3, &[])).expect("a text");
    assert_eq!(text[0].ids, [1, 1, 1]);
}

fn a_prediction_that_is_no_number_is_an_error<B: Backend>() {
    // Behind the tokens 2, 1 the model breaks; behind 0, 2 it writes 1.
    let broken = |i: usize| match (i / 4, i % 4) {
        (9, 3) => f32::NAN,
        (2, 1) => 1.0,
        _ => 0.0,
    };
    let model = Markov::<B>::new(4, broken);
    let one = Sampling {
        top_k: Some(1),
        ..Sampling::new(1)
    };
    let strategies = [
        Strategy::Greedy,
        Strategy::Sample(one),
        Strategy::Beam(BeamSearch::new(2)),
    ];
    for strategy in strategies {
        let error = model
            .write(&[2], &options(strategy, 5, &[]))
            .expect_err("NaN");
        let expected = InferError::NonFinite {
            row: 0,
            n_tokens: 2,
        };
        assert_eq!(error, expected);
    }
}
