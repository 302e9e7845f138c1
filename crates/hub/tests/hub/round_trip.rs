//! What is saved is what was loaded, in our hands and in the other library's.

use std::fs;

use burn::tensor::TensorData;
use burn_flex::Flex;
use hearth_data::Tokenizer;
use hearth_hub::{Dialect, HubError, ModelConfig, ModelDirectory, SpecialTokens, read_tensors};
use hearth_model::{
    Activation, BertConfig, EncoderDecoderConfig, GptConfig, NormPlacement, Pooling,
    PositionEncoding, SpeechToTextConfig, StackSize, TransformerConfig, VitConfig,
};

use crate::support::{Copy, FIXTURES, bits, fixture, whole};

fn load(dir: &std::path::Path) -> ModelDirectory<Flex> {
    ModelDirectory::load(dir, &Default::default()).expect("the directory is in order")
}

/// A classifier that Hugging Face has no word for: a convolution, no layer, and the largest numbers.
fn of_neighbours() -> BertConfig {
    let mut config = BertConfig::tiny(7).classifier(3).pooled(Pooling::Max);
    config.convolution = Some(3);
    config.encoder.n_layers = 0;
    config
}

fn fresh(config: ModelConfig) -> ModelDirectory<Flex> {
    ModelDirectory {
        model: config.init(&Default::default()),
        dialect: Dialect::of(&config),
        special: SpecialTokens::default(),
        tokenizer: None,
        target_tokenizer: None,
        features: None,
        pixels: None,
        labels: None,
        config,
    }
}

#[test]
fn a_fixture_comes_back_bit_by_bit() {
    for name in FIXTURES {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("saved");
        let first = load(&fixture(name));
        first.save(&dir).expect("saved");
        let second = load(&dir);
        assert_eq!(first.config, second.config, "{name}");
        assert_eq!(first.special, second.special, "{name}");
        assert_eq!(first.dialect, second.dialect, "{name}");
        assert_eq!(bits(&first.model), bits(&second.model), "{name}");
    }
}

#[test]
fn a_saved_fixture_has_the_same_tensors_as_the_other_librarys_file() {
    for name in FIXTURES {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("saved");
        load(&fixture(name)).save(&dir).expect("saved");
        let [theirs, ours] = [fixture(name), dir]
            .map(|dir| read_tensors(&dir.join("model.safetensors")).expect("the file is in order"));
        assert!(theirs.keys().eq(ours.keys()), "{name}");
        for (tensor, data) in &theirs {
            assert_eq!(data.shape, ours[tensor].shape, "{name} {tensor}");
            assert_eq!(data.dtype, ours[tensor].dtype, "{name} {tensor}");
            assert_eq!(data.as_bytes(), ours[tensor].as_bytes(), "{name} {tensor}");
        }
    }
}

#[test]
fn every_field_that_is_written_says_what_hugging_face_wrote() {
    for name in [
        "gpt2",
        "marian",
        "speech-to-text",
        "bert-mlm",
        "bert-classify",
        "vit",
    ] {
        let directory = load(&fixture(name));
        let ours = directory
            .dialect
            .express(&directory.config, &directory.special)
            .expect("expressible");
        let theirs = fs::read_to_string(fixture(name).join("config.json")).expect("a config");
        let theirs: serde_json::Value = serde_json::from_str(&theirs).expect("JSON");
        for (field, value) in ours.as_object().expect("an object") {
            // The fixture has the newer spelling, `dtype`, and leaves out what is the default.
            if field != "torch_dtype" && !theirs[field].is_null() {
                // Swish has two names.
                let same = value == &theirs[field] || (value == "silu" && theirs[field] == "swish");
                assert!(
                    same,
                    "{name}: {field} is {value}, expected {}",
                    theirs[field]
                );
            }
        }
    }
}

/// A model that no outside dialect can express.
fn pre_norm() -> ModelConfig {
    let mut config = TransformerConfig::tiny(11);
    for stack in [&mut config.encoder, &mut config.decoder] {
        stack.norm = NormPlacement::Before;
        stack.final_norm = true;
    }
    ModelConfig::Transformer(config)
}

#[test]
fn a_pre_norm_transformer_is_saved_as_hearth_and_comes_back_bit_by_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("saved");
    let mut first = fresh(pre_norm());
    first.special = SpecialTokens {
        bos: Some(1),
        eos: vec![2, 3],
        pad: Some(0),
        decoder_start: Some(10),
    };
    assert_eq!(first.dialect, Dialect::Hearth);
    first.save(&dir).expect("saved");
    let second = load(&dir);
    assert_eq!(second.dialect, Dialect::Hearth);
    assert_eq!(first.config, second.config);
    assert_eq!(first.special, second.special);
    assert_eq!(bits(&first.model), bits(&second.model));
}

#[test]
fn what_a_dialect_cannot_say_is_named() {
    let special = SpecialTokens::default();
    let error = Dialect::Marian.express(&pre_norm(), &special);
    let Err(HubError::Inexpressible { dialect, field, .. }) = error else {
        panic!("marian has no pre-norm: {error:?}");
    };
    assert_eq!((dialect, field.as_str()), ("marian", "encoder.norm"));
}

/// What Speech2Text has no words for: a head for the encoder too, and one of the decoder's own.
fn both_heads() -> SpeechToTextConfig {
    SpeechToTextConfig {
        ctc: true,
        tied: false,
        ..SpeechToTextConfig::tiny(7)
    }
}

#[test]
fn speech_positions_count_from_the_padding_token() {
    let of = |pad: u32| {
        let copy = Copy::of("speech-to-text");
        copy.set("pad_token_id", serde_json::json!(pad));
        let directory = load(&copy.dir);
        let ModelConfig::SpeechToText(config) = &directory.config else {
            panic!("it reads frames");
        };
        let (config, special) = (config.clone(), directory.special);
        (config, special)
    };
    let from = |first| PositionEncoding::Fairseq { first };
    let (none, special) = of(0);
    assert_eq!(none.frames.positions, PositionEncoding::None);
    assert_eq!(none.embedding.positions, from(1));
    let (two, _) = of(1);
    assert_eq!(two.frames.positions, from(2));
    assert_eq!(two.embedding.positions, from(2));

    // The token and the positions must say the same.
    let error = Dialect::SpeechToText.express(&ModelConfig::SpeechToText(two), &special);
    let Err(HubError::Inexpressible { field, .. }) = error else {
        panic!("positions from 2 on are not those of a padding token 0: {error:?}");
    };
    assert_eq!(field, "pad_token_id");
}

#[test]
fn the_outside_dialect_that_can_say_it_is_preferred() {
    let size = StackSize {
        d_model: 8,
        n_heads: 2,
        n_layers: 1,
    };
    let gpt = GptConfig::tiny(7);
    let mut gelu = EncoderDecoderConfig::torch(size);
    gelu.encoder.activation = Activation::Gelu;
    let mut scaled = gpt.clone();
    scaled.embedding.scale = true;
    for (config, expected) in [
        (ModelConfig::Gpt(gpt), Dialect::Gpt2),
        (ModelConfig::Gpt(scaled), Dialect::Hearth),
        (
            ModelConfig::Transformer(TransformerConfig::tiny(7)),
            Dialect::Marian,
        ),
        (
            ModelConfig::EncoderDecoder(EncoderDecoderConfig::torch(size)),
            Dialect::TorchTransformer,
        ),
        (ModelConfig::EncoderDecoder(gelu), Dialect::Hearth),
        (
            ModelConfig::SpeechToText(SpeechToTextConfig::tiny(7)),
            Dialect::SpeechToText,
        ),
        (ModelConfig::SpeechToText(both_heads()), Dialect::Hearth),
        (ModelConfig::Bert(BertConfig::tiny(7)), Dialect::Bert),
        (
            ModelConfig::Bert(BertConfig::tiny(7).masked_lm()),
            Dialect::Bert,
        ),
        (
            ModelConfig::Bert(BertConfig::tiny(7).masked_lm().classifier(2)),
            Dialect::Hearth,
        ),
        (ModelConfig::Bert(of_neighbours()), Dialect::Hearth),
        (ModelConfig::Vit(VitConfig::tiny(3)), Dialect::Vit),
    ] {
        assert_eq!(Dialect::of(&config), expected, "{config:?}");
    }
}

#[test]
fn every_fresh_model_comes_back_in_every_dialect_that_can_say_it() {
    let mut untied = GptConfig::tiny(7);
    untied.tied = false;
    untied.decoder.d_ff = 24;
    let size = StackSize {
        d_model: 8,
        n_heads: 2,
        n_layers: 2,
    };
    let mut before = EncoderDecoderConfig::torch(size);
    before.encoder.norm = NormPlacement::Before;
    before.decoder.norm = NormPlacement::Before;
    before.decoder.n_layers = 1;
    let mut bare = TransformerConfig::tiny(7);
    (bare.tied, bare.logits_bias) = (false, false);
    let mut n_saved = 0;
    for config in [
        ModelConfig::Gpt(GptConfig::tiny(7)),
        ModelConfig::Gpt(untied),
        ModelConfig::Transformer(TransformerConfig::tiny(7)),
        ModelConfig::Transformer(bare),
        ModelConfig::EncoderDecoder(before),
        ModelConfig::SpeechToText(SpeechToTextConfig::tiny(7)),
        ModelConfig::SpeechToText(both_heads()),
        ModelConfig::Bert(BertConfig::tiny(7)),
        ModelConfig::Bert(BertConfig::tiny(7).masked_lm()),
        ModelConfig::Bert(BertConfig::tiny(7).classifier(3)),
        ModelConfig::Bert(BertConfig::tiny(7).masked_lm().classifier(3)),
        ModelConfig::Bert(of_neighbours()),
        ModelConfig::Vit(VitConfig::tiny(3)),
    ] {
        let mut first = fresh(config);
        for dialect in Dialect::ALL {
            if dialect
                .express(&first.config, &SpecialTokens::default())
                .is_err()
            {
                continue;
            }
            first.dialect = dialect;
            let folder = tempfile::tempdir().expect("a folder");
            let dir = folder.path().join("saved");
            first.save(&dir).expect("saved");
            let second = load(&dir);
            assert_eq!(first.config, second.config, "{dialect:?}");
            assert_eq!(bits(&first.model), bits(&second.model), "{dialect:?}");
            n_saved += 1;
        }
    }
    assert_eq!(n_saved, 22);
}

#[test]
fn gpt2_is_read_without_its_prefix_and_with_its_constants() {
    let copy = Copy::of("gpt2");
    copy.with_tensors(|tensors| {
        let head = tensors["transformer.wte.weight"].clone();
        let mask = TensorData::new(vec![1u8; 4], [1, 1, 2, 2]);
        let names: Vec<_> = tensors.keys().cloned().collect();
        for name in names {
            let data = tensors.remove(&name).expect("it is there");
            tensors.insert(name.replace("transformer.", ""), data);
        }
        tensors.insert("lm_head.weight".into(), head);
        tensors.insert("h.1.attn.bias".into(), mask.clone());
        tensors.insert("h.1.attn.masked_bias".into(), mask);
    });
    let (bare, whole) = (load(&copy.dir), load(&fixture("gpt2")));
    assert_eq!(bits(&bare.model), bits(&whole.model));
}

/// Sentence encoders are saved without the prefix, and older ones with a table of numbers.
#[test]
fn bert_is_read_without_its_prefix_and_with_its_constants() {
    let copy = Copy::of("bert-classify");
    copy.with_tensors(|tensors| {
        let names: Vec<_> = tensors.keys().cloned().collect();
        for name in names {
            let data = tensors.remove(&name).expect("it is there");
            tensors.insert(name.replace("bert.", ""), data);
        }
        let numbers = TensorData::new((0..48i64).collect(), [1, 48]);
        tensors.insert("embeddings.position_ids".into(), numbers);
    });
    let (bare, whole) = (load(&copy.dir), load(&fixture("bert-classify")));
    assert_eq!(bits(&bare.model), bits(&whole.model));
}

#[test]
fn the_names_of_classes_travel_with_their_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("saved");
    for (config, dialect) in [
        (
            ModelConfig::Bert(BertConfig::tiny(7).classifier(2)),
            Dialect::Bert,
        ),
        (ModelConfig::Vit(VitConfig::tiny(2)), Dialect::Hearth),
    ] {
        let mut first = fresh(config);
        first.dialect = dialect;
        first.save(&dir).expect("saved");
        assert_eq!(load(&dir).label(1), "LABEL_1");
        first.labels = Some(vec!["yes".into(), "no".into()]);
        first.save(&dir).expect("saved");
        assert_eq!(load(&dir).label(1), "no");
        first.labels = Some(vec!["yes".into()]);
        let error = first.save(&dir).expect_err("one name of two classes");
        assert!(whole(&error).contains("labels is 1, expected 2"), "{error}");
    }
}

#[test]
fn weights_in_half_precision_become_single() {
    let copy = Copy::of("marian");
    copy.with_tensors(|tensors| {
        for (i, data) in tensors.values_mut().enumerate() {
            let dtype = [burn::tensor::DType::F16, burn::tensor::DType::BF16][i % 2];
            *data = data.clone().convert_dtype(dtype);
        }
    });
    let (half, whole) = (
        bits(&load(&copy.dir).model),
        bits(&load(&fixture("marian")).model),
    );
    for (name, values) in &whole {
        for (&whole, &half) in values.iter().zip(&half[name]) {
            let (whole, half) = (f32::from_bits(whole), f32::from_bits(half));
            assert!((whole - half).abs() <= whole.abs() / 128.0 + 1e-6, "{name}");
        }
    }
}

#[test]
fn a_tokenizer_travels_with_its_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("saved");
    let mut first = fresh(ModelConfig::Gpt(GptConfig::tiny(7)));
    first.tokenizer = Some(Tokenizer::train_characters("abc").expect("trained"));
    first.save(&dir).expect("saved");
    let tokenizer = load(&dir).tokenizer.expect("a tokenizer");
    assert_eq!(
        tokenizer.encode("cab").expect("known characters"),
        [2, 0, 1]
    );
}
