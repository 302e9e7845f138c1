//! What Hugging Face transformers wrote with the same weights: greedy texts, 4-beam texts and their scores.

use burn::tensor::{Int, Tensor, backend::Backend};
use hearth_data::TokenId;
use hearth_hub::{Model, ModelDirectory, read_tensors};
use hearth_infer::{
    BeamSearch, DecodeOptions, Finish, Hypothesis, PairTokens, ScoreWindow, Strategy, TokenEvent,
    generate, score_text, transcribe, translate,
};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/tests/fixtures");
    fixtures.join(name)
}

struct Reference(std::collections::BTreeMap<String, burn::tensor::TensorData>);

impl Reference {
    fn read(name: &str) -> Self {
        let path = fixture(name).join("reference.safetensors");
        Self(read_tensors(&path).expect("a reference"))
    }

    fn rows(&self, name: &str) -> Vec<Vec<TokenId>> {
        let tensor = &self.0[name];
        let ids: Vec<TokenId> = tensor.iter::<i64>().map(|id| id as TokenId).collect();
        ids.chunks(tensor.shape[1]).map(<[_]>::to_vec).collect()
    }

    fn floats(&self, name: &str) -> Vec<f64> {
        self.0[name].iter::<f64>().collect()
    }
}

const EOS: TokenId = 2;

fn options(strategy: Strategy, max_new_tokens: usize) -> DecodeOptions {
    DecodeOptions {
        eos: vec![EOS],
        ..DecodeOptions::new(strategy, max_new_tokens)
    }
}

fn go_on(_: TokenEvent) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The best text behind each prompt is the reference's; what stands before it is `skip` tokens.
fn assert_texts(found: &[Vec<Hypothesis>], expected: &[Vec<TokenId>], skip: usize) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found[0].ids, expected[skip..]);
        assert_eq!(found[0].finish, Finish::Length);
    }
}

fn assert_scores(found: &[Vec<Hypothesis>], expected: &[f64]) {
    for (found, expected) in found.iter().zip(expected) {
        let off = (found[0].score - expected).abs();
        assert!(off < 1e-5, "{}, expected {expected}", found[0].score);
    }
}

fn gpt2_writes_and_scores_what_hugging_face_does<B: Backend>() {
    let device = Default::default();
    let directory = ModelDirectory::<B>::load(&fixture("gpt2"), &device).expect("a model");
    let Model::Gpt(gpt) = directory.model else {
        panic!("gpt2 is a decoder-only model")
    };
    let reference = Reference::read("gpt2");
    let prompts = reference.rows("prompt");
    let n_prompt = prompts[0].len();

    let expected = reference.rows("greedy");
    let greedy = options(Strategy::Greedy, expected[0].len() - n_prompt);
    let found = generate(&gpt, &prompts, &greedy, &device, &mut go_on).expect("texts");
    assert_texts(&found, &expected, n_prompt);

    let expected = reference.rows("beam4");
    let beam = Strategy::Beam(BeamSearch::new(4));
    let beam = options(beam, expected[0].len() - n_prompt);
    let found = generate(&gpt, &prompts, &beam, &device, &mut go_on).expect("texts");
    assert_texts(&found, &expected, n_prompt);
    assert_scores(&found, &reference.floats("beam4_score"));

    let window = ScoreWindow {
        context: 48,
        stride: 48,
    };
    let texts = reference.rows("input_ids");
    for (ids, expected) in texts.iter().zip(reference.floats("nll")) {
        let scores = score_text(&gpt, ids, window, 1, &device).expect("scores");
        assert!((scores.total().nll - expected).abs() < 1e-3);
    }
}

fn marian_translates_what_hugging_face_does<B: Backend>() {
    let device = Default::default();
    let directory = ModelDirectory::<B>::load(&fixture("marian"), &device).expect("a model");
    let Model::Transformer(model) = directory.model else {
        panic!("marian is an encoder-decoder")
    };
    let special = PairTokens {
        start: directory.special.decoder_start.expect("a start token"),
        pad: directory.special.pad.expect("a padding token"),
    };
    let reference = Reference::read("marian");
    let sources: Vec<Vec<TokenId>> = reference
        .rows("input_ids")
        .into_iter()
        .zip(reference.rows("attention_mask"))
        .map(|(ids, visible)| {
            let n_visible = visible.iter().filter(|&&visible| visible == 1).count();
            ids[..n_visible].to_vec()
        })
        .collect();

    let expected = reference.rows("greedy");
    let greedy = options(Strategy::Greedy, expected[0].len() - 1);
    let found = translate(&model, &sources, special, &greedy, &device, &mut go_on);
    assert_texts(&found.expect("texts"), &expected, 1);

    let expected = reference.rows("beam4");
    let beam = options(Strategy::Beam(BeamSearch::new(4)), expected[0].len() - 1);
    let found = translate(&model, &sources, special, &beam, &device, &mut go_on).expect("texts");
    assert_texts(&found, &expected, 1);
    assert_scores(&found, &reference.floats("beam4_score"));
}

fn speech_is_written_down_as_by_hugging_face<B: Backend>() {
    let device = Default::default();
    let directory = ModelDirectory::<B>::load(&fixture("speech-to-text"), &device);
    let directory = directory.expect("a model");
    let Model::SpeechToText(model) = directory.model else {
        panic!("speech-to-text reads frames")
    };
    let start = directory.special.decoder_start.expect("a start token");
    let reference = Reference::read("speech-to-text");
    let frames = Tensor::from_data(reference.0["input_features"].clone(), &device);
    let mask = Tensor::<B, 2, Int>::from_data(reference.0["attention_mask"].clone(), &device);
    let expected = reference.rows("greedy");
    let greedy = options(Strategy::Greedy, expected[0].len() - 1);
    let hidden = Some(mask.equal_elem(0));
    let found = transcribe(&model, frames, hidden, start, &greedy, &mut go_on).expect("texts");
    // The first ends at once, and is filled up.
    assert_eq!(
        (&found[0][0].ids[..], found[0][0].finish),
        (&[EOS][..], Finish::Eos)
    );
    assert_eq!(found[1][0].ids, expected[1][1..]);
}

macro_rules! on_both_backends {
    ($($test:ident),* $(,)?) => {
        mod flex {
            $(#[test] fn $test() { super::$test::<burn_flex::Flex>() })*
        }
        mod ndarray {
            $(#[test] fn $test() { super::$test::<burn_ndarray::NdArray>() })*
        }
    };
}

on_both_backends!(
    gpt2_writes_and_scores_what_hugging_face_does,
    marian_translates_what_hugging_face_does,
    speech_is_written_down_as_by_hugging_face,
);
