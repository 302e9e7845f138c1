//! Loaded models compute what the library computed that saved them.

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use hearth_hub::{Model, ModelDirectory};
use hearth_model::{Conditional, LanguageModel};

use crate::support::{Reference, fixture, max_difference};

/// The contract is 1e-4; the logits here are of the order of one.
const TOLERANCE: f32 = 1e-5;

fn load<B: Backend>(name: &str) -> Model<B> {
    let directory = ModelDirectory::<B>::load(&fixture(name), &B::Device::default());
    directory.expect("the fixture is in order").model
}

fn language_model<B: Backend>(name: &str) -> f32 {
    let reference = Reference::of(name);
    let ids = reference.ids("input_ids");
    let logits = match load::<B>(name) {
        Model::Gpt(model) => model.forward(ids),
        Model::RnnLm(model) => model.forward(ids),
        _ => panic!("{name} is a language model"),
    };
    max_difference(logits, reference.floats("logits"))
}

fn marian<B: Backend>() -> f32 {
    let Model::Transformer(model) = load::<B>("marian") else {
        panic!("marian is an encoder-decoder over tokens");
    };
    let reference = Reference::of("marian");
    let padding_mask = reference.padding_mask("attention_mask");
    let logits = model.forward(
        reference.ids("input_ids"),
        Some(padding_mask),
        reference.ids("decoder_input_ids"),
    );
    max_difference(logits, reference.floats("logits"))
}

fn speech_to_text<B: Backend>() -> f32 {
    let Model::SpeechToText(model) = load::<B>("speech-to-text") else {
        panic!("speech-to-text reads frames");
    };
    let reference = Reference::of("speech-to-text");
    let logits = model.forward(
        reference.floats("input_features"),
        Some(reference.padding_mask("attention_mask")),
        reference.ids("decoder_input_ids"),
    );
    max_difference(logits, reference.floats("logits"))
}

fn torch_transformer<B: Backend>() -> f32 {
    let Model::EncoderDecoder(model) = load::<B>("torch-transformer") else {
        panic!("torch.nn.Transformer is an encoder-decoder over vectors");
    };
    let reference = Reference::of("torch-transformer");
    // [seq, batch, d_model] -> [batch, seq, d_model]
    let [source, target, output] =
        ["src", "tgt", "output"].map(|name| reference.floats::<B, 3>(name).swap_dims(0, 1));
    max_difference(model.forward(source, target, None), output)
}

/// With padding, and two segments.
fn bert<B: Backend>(name: &str) -> f32 {
    let Model::Bert(model) = load::<B>(name) else {
        panic!("{name} is an encoder over tokens");
    };
    let reference = Reference::of(name);
    let mask = reference.padding_mask("attention_mask");
    let hidden = model.encode(
        reference.ids("input_ids"),
        Some(reference.ids("token_type_ids")),
        Some(mask.clone()),
    );
    let classes = model.class_logits(hidden.clone(), Some(mask));
    match (classes, model.token_logits(hidden.clone())) {
        (Some(logits), None) => max_difference(logits, reference.floats("logits")),
        (None, Some(logits)) => {
            let vectors = max_difference(hidden, reference.floats("last_hidden_state"));
            vectors.max(max_difference(logits, reference.floats("logits")))
        }
        heads => panic!("{name} has one head: {heads:?}"),
    }
}

fn vit<B: Backend>() -> f32 {
    let Model::Vit(model) = load::<B>("vit") else {
        panic!("vit reads images");
    };
    let reference = Reference::of("vit");
    let logits = model.forward(reference.floats("pixel_values"));
    max_difference(logits, reference.floats("logits"))
}

fn check(difference: f32) {
    assert!(
        difference <= TOLERANCE,
        "the largest difference is {difference:e}"
    );
}

#[test]
fn language_models_compute_the_logits_of_their_libraries() {
    for name in ["gpt2", "llama", "mistral", "torch-lstm-lm", "torch-gru-lm"] {
        check(language_model::<Flex>(name));
        check(language_model::<NdArray>(name));
    }
}

#[test]
fn marian_computes_the_logits_of_hugging_face() {
    check(marian::<Flex>());
    check(marian::<NdArray>());
}

#[test]
fn speech_to_text_computes_the_logits_of_hugging_face() {
    check(speech_to_text::<Flex>());
    check(speech_to_text::<NdArray>());
}

#[test]
fn bert_computes_the_vectors_and_logits_of_hugging_face() {
    for name in ["bert-mlm", "bert-classify"] {
        check(bert::<Flex>(name));
        check(bert::<NdArray>(name));
    }
}

#[test]
fn vit_computes_the_logits_of_hugging_face() {
    check(vit::<Flex>());
    check(vit::<NdArray>());
}

#[test]
fn torch_transformer_computes_the_output_of_pytorch() {
    check(torch_transformer::<Flex>());
    check(torch_transformer::<NdArray>());
}

#[test]
fn a_loaded_model_can_be_trained_on() {
    let Model::Gpt(model) = load::<Autodiff<Flex>>("gpt2") else {
        panic!("gpt2 is a decoder-only model");
    };
    let tokens = Reference::of("gpt2").ids("input_ids");
    let gradients = model.forward(tokens).powi_scalar(2).mean().backward();
    let gradients = burn::optim::GradientsParams::from_grads(gradients, &model);
    assert_eq!(gradients.len(), hearth_hub::parameters(&model).len());
}
