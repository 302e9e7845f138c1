//! What Hugging Face generate writes with the same weights under each rule and each way to end a search, alone and
//! together (`xtask/python/decoding_reference.py`).

use burn::tensor::backend::Backend;
use hearth_data::TokenId;
use hearth_hub::{Model, ModelDirectory};
use hearth_infer::{
    BeamSearch, DecodeOptions, EarlyStopping, PairTokens, Rules, Strategy, generate, translate,
};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;

fn ids(value: &Value) -> Vec<TokenId> {
    let ids = value.as_array().expect("ids").iter();
    ids.map(|id| id.as_u64().expect("an id") as TokenId)
        .collect()
}

fn rows(value: &Value) -> Vec<Vec<TokenId>> {
    let rows = value.as_array().map_or(&[][..], Vec::as_slice);
    rows.iter().map(ids).collect()
}

fn options(case: &Value) -> DecodeOptions {
    let number = |field: &str| case.get(field).and_then(Value::as_u64).map(|n| n as usize);
    let strategy = match case.get("early_stopping").and_then(Value::as_str) {
        None => Strategy::Greedy,
        Some(name) => Strategy::Beam(BeamSearch {
            early_stopping: match name {
                "yes" => EarlyStopping::Yes,
                "no" => EarlyStopping::No,
                "never" => EarlyStopping::Never,
                other => panic!("no way to end a search: {other}"),
            },
            length_penalty: case["length_penalty"].as_f64().expect("a penalty"),
            ..BeamSearch::new(4)
        }),
    };
    let penalty = case.get("repetition_penalty").and_then(Value::as_f64);
    DecodeOptions {
        rules: Rules {
            repetition_penalty: penalty.unwrap_or(1.0),
            no_repeat_ngram: number("no_repeat_ngram"),
            bad_words: rows(case.get("bad_words").unwrap_or(&Value::Null)),
            min_new_tokens: number("min_new_tokens").unwrap_or(0),
            ..Rules::default()
        },
        eos: vec![number("eos").expect("an end") as TokenId],
        ..DecodeOptions::new(strategy, number("max_new_tokens").expect("a limit"))
    }
}

fn rules_and_searches_are_those_of_hugging_face<B: Backend>() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("decoding.json")).expect("cases as JSON");
    assert!(cases.len() > 100);
    let device = Default::default();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/tests/fixtures");
    let load = |name| ModelDirectory::<B>::load(&fixtures.join(name), &device).expect("a model");
    let (gpt2, marian) = (load("gpt2"), load("marian"));
    for case in &cases {
        let (rows, options) = (rows(&case["rows"]), options(case));
        let go_on = &mut |_| ControlFlow::Continue(());
        let found = match (case["model"].as_str(), &gpt2.model, &marian.model) {
            (Some("gpt2"), Model::Gpt(gpt), _) => generate(gpt, &rows, &options, &device, go_on),
            (Some("marian"), _, Model::Transformer(model)) => {
                let special = PairTokens {
                    start: marian.special.decoder_start.expect("a start token"),
                    pad: marian.special.pad.expect("a padding token"),
                };
                translate(model, &rows, special, &options, &device, go_on)
            }
            other => panic!("no model {:?}", other.0),
        };
        let found = found.unwrap_or_else(|error| panic!("{error}: {case}"));
        let texts: Vec<_> = found.iter().map(|texts| texts[0].ids.clone()).collect();
        assert_eq!(texts, self::rows(&case["texts"]), "{case}");
        for (texts, score) in found.iter().zip(case["scores"].as_array().expect("scores")) {
            let score = score.as_f64().expect("a score");
            let off = (texts[0].score - score).abs();
            assert!(
                off < 1e-5 * (1.0 + score.abs()),
                "{}: {case}",
                texts[0].score
            );
        }
    }
}

#[test]
fn flex() {
    rules_and_searches_are_those_of_hugging_face::<burn_flex::Flex>();
}

#[test]
fn ndarray() {
    rules_and_searches_are_those_of_hugging_face::<burn_ndarray::NdArray>();
}
