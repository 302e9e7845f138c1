//! Every bad file is an error that names the file, what was found and what was expected. None panics, none takes long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::tensor::{DType, TensorData};
use burn_flex::Flex;
use hearth_data::Tokenizer;
use hearth_hub::{HubError, ModelDirectory, read_tensors};
use serde_json::{Value, json};

use crate::support::{Copy, whole};

fn error(copy: &Copy) -> HubError {
    let start = Instant::now();
    let loaded = ModelDirectory::<Flex>::load(&copy.dir, &Default::default());
    assert!(start.elapsed() < Duration::from_secs(5));
    loaded.map(|_| ()).expect_err("the directory is bad")
}

/// The error names the file and every part of what is expected.
fn check(copy: &Copy, file: &str, expected: &[&str]) {
    let error = error(copy);
    let text = whole(&error);
    assert!(
        text.contains(&copy.path(file).display().to_string()),
        "{text}"
    );
    for expected in expected {
        assert!(text.contains(expected), "{expected} is not in: {text}");
    }
    assert!(!error.is_io(), "{text}");
}

#[test]
fn a_config_that_is_no_config_is_refused() {
    for (content, expected) in [
        ("", "EOF while parsing"),
        ("{", "line 1 column 1"),
        ("nonsense", "is not JSON"),
        ("\u{feff}{}", "is not JSON"),
        ("[]", "a list, expected a JSON object"),
        ("null", "null, expected a JSON object"),
        ("3", "3, expected a JSON object"),
        ("{}", "missing field `model_type`"),
        (
            r#"{"model_type": null}"#,
            "null, expected one of gpt2, marian, torch-transformer, hearth",
        ),
        (r#"{"model_type": 7}"#, "7, expected one of"),
        (r#"{"model_type": {"a": 1}}"#, "an object, expected one of"),
        (
            r#"{"model_type": "bloom"}"#,
            r#""bloom", expected one of gpt2"#,
        ),
        (
            r#"{"model_type": "hearth"}"#,
            "missing field `hearth_version`",
        ),
        (
            r#"{"model_type": "hearth", "hearth_version": 2}"#,
            "hearth_version is 2, expected 1",
        ),
        (
            r#"{"model_type": "hearth", "hearth_version": 1}"#,
            "missing field `config`",
        ),
        (
            r#"{"model_type": "hearth", "hearth_version": 1, "config": {"rnn": 3}}"#,
            r#""config""#,
        ),
        (
            r#"{"model_type": "hearth", "hearth_version": 1, "config": {"gpt": {}}}"#,
            "missing field `embedding`",
        ),
    ] {
        let copy = Copy::of("gpt2");
        copy.write("config.json", content);
        check(&copy, "config.json", &[expected]);
    }
    let copy = Copy::of("gpt2");
    copy.write("config.json", [0xff, 0xfe, 0x00]);
    check(&copy, "config.json", &["is not JSON"]);
    copy.write("config.json", "[".repeat(100_000));
    check(&copy, "config.json", &["recursion limit"]);
    copy.write("config.json", vec![b' '; (16 << 20) + 1]);
    check(
        &copy,
        "config.json",
        &["16777217, expected at most 16777216"],
    );
}

#[test]
fn a_field_that_cannot_be_used_is_named() {
    for (fixture, field, value, expected) in [
        // Of the wrong type.
        ("gpt2", "n_embd", json!("forty"), "invalid type: string"),
        ("gpt2", "n_embd", json!(-48), "invalid value: integer `-48`"),
        ("gpt2", "n_embd", json!(4.5), "invalid type: floating point"),
        (
            "gpt2",
            "n_layer",
            json!(1e300),
            "invalid type: floating point",
        ),
        ("gpt2", "n_inner", json!([1]), "invalid type: sequence"),
        (
            "gpt2",
            "tie_word_embeddings",
            json!("yes"),
            "invalid type: string",
        ),
        (
            "gpt2",
            "eos_token_id",
            json!("</s>"),
            "a token id, a list of token ids",
        ),
        (
            "gpt2",
            "bos_token_id",
            json!(5_000_000_000u64),
            "invalid value",
        ),
        ("marian", "dropout", json!({}), "invalid type: map"),
        (
            "torch-transformer",
            "norm_first",
            json!(0),
            "invalid type: integer",
        ),
        // Of another mathematics.
        (
            "gpt2",
            "activation_function",
            json!("mish"),
            r#""mish", expected one of relu"#,
        ),
        (
            "gpt2",
            "add_cross_attention",
            json!(true),
            "true, expected false",
        ),
        (
            "gpt2",
            "scale_attn_by_inverse_layer_idx",
            json!(true),
            "true, expected false",
        ),
        (
            "gpt2",
            "scale_attn_weights",
            json!(false),
            "false, expected true",
        ),
        (
            "marian",
            "share_encoder_decoder_embeddings",
            json!(false),
            "false, expected true",
        ),
        (
            "marian",
            "tie_word_embeddings",
            json!(false),
            "false, expected true",
        ),
        ("marian", "decoder_vocab_size", json!(98), "98, expected 97"),
        (
            "marian",
            "normalize_before",
            json!(true),
            "true, expected false",
        ),
        (
            "marian",
            "activation_function",
            json!("tanh"),
            r#""tanh", expected one of"#,
        ),
        (
            "torch-transformer",
            "activation",
            json!("silu"),
            "expected one of relu, gelu",
        ),
        (
            "torch-transformer",
            "bias",
            json!(false),
            "false, expected true",
        ),
        // Beyond the vocabulary.
        (
            "gpt2",
            "eos_token_id",
            json!([2, 97]),
            "97, expected an id below the vocabulary's size of 97",
        ),
        (
            "gpt2",
            "pad_token_id",
            json!(97),
            "97, expected an id below",
        ),
        (
            "marian",
            "decoder_start_token_id",
            json!(58100),
            "58100, expected an id below",
        ),
    ] {
        let copy = Copy::of(fixture);
        copy.set(field, value);
        check(&copy, "config.json", &[field, expected]);
    }
}

#[test]
fn numbers_that_fit_no_model_are_refused() {
    for (fixture, field, value, expected) in [
        (
            "gpt2",
            "n_head",
            json!(5),
            "d_model 48 is not divisible by n_heads 5",
        ),
        ("gpt2", "n_head", json!(0), "n_heads is 0"),
        ("gpt2", "n_layer", json!(0), "n_layers is 0"),
        ("gpt2", "n_embd", json!(0), "d_model is 0"),
        ("gpt2", "n_positions", json!(0), "max_positions is 0"),
        ("gpt2", "resid_pdrop", json!(1.0), "dropout is 1"),
        (
            "marian",
            "encoder_attention_heads",
            json!(7),
            "d_model 48 is not divisible by n_heads 7",
        ),
        ("marian", "d_model", json!(49), "d_model 49"),
        ("marian", "vocab_size", json!(0), "expected 0"),
        (
            "torch-transformer",
            "dim_feedforward",
            json!(0),
            "d_ff is 0",
        ),
    ] {
        let copy = Copy::of(fixture);
        copy.set(field, value);
        check(&copy, "config.json", &[expected]);
    }
}

#[test]
fn a_claim_of_a_huge_model_is_refused_before_it_is_believed() {
    let huge = json!(u64::MAX);
    let large = json!(2_000_000_000);
    for (fixture, field, value, file, expected) in [
        (
            "gpt2",
            "n_layer",
            json!(4096),
            "config.json",
            "4096, expected at most 28",
        ),
        (
            "gpt2",
            "n_layer",
            json!(4097),
            "config.json",
            "4097, expected at most 4096",
        ),
        (
            "gpt2",
            "n_layer",
            huge.clone(),
            "config.json",
            "expected at most 4096",
        ),
        (
            "gpt2",
            "n_embd",
            huge.clone(),
            "config.json",
            "expected at most 2147483647",
        ),
        (
            "gpt2",
            "n_inner",
            huge.clone(),
            "config.json",
            "expected at most 2147483647",
        ),
        (
            "gpt2",
            "n_positions",
            huge.clone(),
            "config.json",
            "expected at most 2147483647",
        ),
        (
            "gpt2",
            "vocab_size",
            huge.clone(),
            "config.json",
            "expected at most 2147483647",
        ),
        (
            "gpt2",
            "n_embd",
            json!(500_000_000),
            "model.safetensors",
            "expected [97, 500000000]",
        ),
        (
            "gpt2",
            "n_inner",
            large.clone(),
            "model.safetensors",
            "expected [48, 2000000000]",
        ),
        (
            "gpt2",
            "vocab_size",
            large.clone(),
            "model.safetensors",
            "expected [2000000000, 48]",
        ),
        (
            "gpt2",
            "n_positions",
            large.clone(),
            "model.safetensors",
            "expected [2000000000, 48]",
        ),
        (
            "marian",
            "d_model",
            large.clone(),
            "config.json",
            "128000000000, expected at most 16777216",
        ),
        (
            "marian",
            "encoder_layers",
            huge.clone(),
            "config.json",
            "the encoder's number of layers",
        ),
        (
            "marian",
            "max_position_embeddings",
            large.clone(),
            "config.json",
            "96000000000, expected at most 16777216",
        ),
        (
            "torch-transformer",
            "num_decoder_layers",
            huge,
            "config.json",
            "the decoder's number of layers",
        ),
        (
            "torch-transformer",
            "dim_feedforward",
            large,
            "model.safetensors",
            "2000000000",
        ),
    ] {
        let copy = Copy::of(fixture);
        copy.set(field, value);
        check(&copy, file, &[expected]);
    }
}

#[test]
fn a_file_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let copy = Copy::of("gpt2");
    let whole_file = copy.weights();
    let length = whole_file.len();
    for cut in (0..16).chain([100, 2623, 2624, 2625, 100_000, length - 4, length - 1]) {
        copy.write("model.safetensors", &whole_file[..cut]);
        let expected = match cut {
            0..8 => 8,
            8..2624 => 2624,
            _ => length,
        };
        let expected = format!("is {cut} bytes long, expected {expected}");
        check(&copy, "model.safetensors", &[&expected]);
    }
    copy.write("model.safetensors", [&whole_file[..], &[0]].concat());
    check(
        &copy,
        "model.safetensors",
        &["257025 bytes long, expected 257024"],
    );
}

/// A file of the given header, with so many zeros behind it.
fn file(header: &str, n_bytes: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; n_bytes]].concat()
}

fn one(dtype: &str, shape: Value, offsets: [u64; 2]) -> String {
    json!({"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).to_string()
}

#[test]
fn a_header_that_lies_is_refused() {
    let (most, eighth) = (usize::MAX, usize::MAX / 8);
    let copy = Copy::of("gpt2");
    for (content, expected) in [
        (file("nonsense", 0), "no usable safetensors header"),
        (file("", 0), "EOF"),
        (file("[]", 0), "no usable safetensors header"),
        (file("\u{1}", 0), "no usable safetensors header"),
        (file(r#"{"x": 3}"#, 0), "no usable safetensors header"),
        (
            file(r#"{"__metadata__": {"format": 3}}"#, 0),
            "no usable safetensors header",
        ),
        (
            file(&one("F31", json!([1]), [0, 4]), 4),
            "no usable safetensors header",
        ),
        (
            file(&one("F32", json!([2]), [0, 4]), 4),
            "no usable safetensors header",
        ),
        (file(&one("F32", json!([1]), [4, 8]), 8), "invalid offset"),
        (file(&one("F32", json!([1]), [8, 4]), 8), "invalid offset"),
        (file(&one("F32", json!([most, 2]), [0, 4]), 4), "overflow"),
        (file(&one("F32", json!([most]), [0, 4]), 4), "overflow"),
        (
            file(&one("F32", json!([-1]), [0, 4]), 4),
            "no usable safetensors header",
        ),
        (
            file(&one("U8", json!([eighth]), [0, eighth as u64]), 4),
            "bytes long, expected",
        ),
        (
            file(&one("F4", json!([1]), [0, 1]), 1),
            "no usable safetensors header",
        ),
        (
            u64::MAX.to_le_bytes().to_vec(),
            "18446744073709551615, expected at most 100000000",
        ),
        (
            100_000_001u64.to_le_bytes().to_vec(),
            "100000001, expected at most 100000000",
        ),
        (
            100_000_000u64.to_le_bytes().to_vec(),
            "8 bytes long, expected 100000008",
        ),
        (file(r#"{"\ud800": 3}"#, 0), "no usable safetensors header"),
        (file("{}", 0), "0, expected"),
    ] {
        copy.write("model.safetensors", &content);
        let error = error(&copy);
        let text = whole(&error);
        let shown = String::from_utf8_lossy(&content[..content.len().min(80)]).into_owned();
        // An empty header is in order, and beside it any number of layers is too large.
        assert!(
            text.contains(expected) || content == file("{}", 0),
            "{shown}: {text}"
        );
        assert!(!error.is_io(), "{text}");
    }
}

#[test]
fn raw_tensors_of_other_types_are_named() {
    let copy = Copy::of("gpt2");
    copy.write("inputs", file(&one("F8_E4M3", json!([4]), [0, 4]), 4));
    let error = read_tensors(&copy.path("inputs")).expect_err("another type");
    let text = whole(&error);
    assert!(
        text.contains(r#"inputs: tensor "x" has type F8_E4M3, expected F32, F64"#),
        "{text}"
    );
}

type Tensors = BTreeMap<String, TensorData>;

#[test]
fn tensors_that_are_not_the_models_are_named() {
    let zeros = |shape: &[usize]| TensorData::zeros::<f32, _>(shape.to_vec());
    let name = |name: &str| format!("transformer.h.0.{name}");
    let cases: [(&dyn Fn(&mut Tensors), &[&str]); 7] = [
        (
            &|tensors| {
                tensors.remove(&name("ln_1.bias"));
                tensors.remove("transformer.wpe.weight");
                tensors.insert("score.weight".into(), zeros(&[2, 48]));
                tensors.insert("transformer.h.2.ln_1.bias".into(), zeros(&[48]));
            },
            &[
                r#"2 missing: "transformer.wpe.weight", "transformer.h.0.ln_1.bias""#,
                r#"2 unexpected: "score.weight", "transformer.h.2.ln_1.bias""#,
            ],
        ),
        (
            &|tensors| {
                tensors.insert(name("ln_1.bias"), zeros(&[47]));
            },
            &["ln_1.bias", "has shape [47], expected [48]"],
        ),
        (
            &|tensors| {
                tensors.insert(name("attn.c_attn.weight"), zeros(&[144, 48]));
            },
            &["c_attn.weight", "has shape [144, 48], expected [48, 144]"],
        ),
        (
            &|tensors| {
                tensors.insert(name("ln_1.bias"), zeros(&[1, 48]));
            },
            &["has shape [1, 48], expected [48]"],
        ),
        (
            &|tensors| {
                tensors.insert("transformer.wte.weight".into(), zeros(&[96, 48]));
            },
            &["has shape [96, 48], expected [97, 48]"],
        ),
        (
            &|tensors| {
                let data = zeros(&[48]).convert_dtype(DType::I32);
                tensors.insert(name("ln_1.bias"), data);
            },
            &["ln_1.bias", "has type I32, expected F32, F16 or BF16"],
        ),
        (
            &|tensors| tensors.retain(|name, _| !name.starts_with("transformer.h.1.")),
            &["12 missing", "transformer.h.1.mlp.c_proj.weight"],
        ),
    ];
    for (change, expected) in cases {
        let copy = Copy::of("gpt2");
        copy.with_tensors(change);
        check(&copy, "model.safetensors", expected);
    }
}

#[test]
fn an_untied_head_must_be_there() {
    let copy = Copy::of("gpt2");
    copy.set("tie_word_embeddings", json!(false));
    check(
        &copy,
        "model.safetensors",
        &[r#"1 missing: "lm_head.weight""#],
    );
}

#[test]
fn a_tokenizer_must_fit_its_model() {
    let copy = Copy::of("gpt2");
    let tokenizer = |last: char| {
        let characters: String = ('\u{100}'..=last).collect();
        let tokenizer = Tokenizer::train_characters(&characters).expect("trained");
        tokenizer.to_json().expect("JSON")
    };
    copy.write("tokenizer.json", tokenizer('\u{161}'));
    check(
        &copy,
        "tokenizer.json",
        &["tokens up to id 97", "a model of 97 tokens"],
    );
    check(&copy, "config.json", &["tokens up to id 97"]);
    copy.write("tokenizer.json", "{}");
    check(&copy, "tokenizer.json", &[]);
    copy.write("tokenizer.json", tokenizer('\u{160}'));
    ModelDirectory::<Flex>::load(&copy.dir, &Default::default()).expect("97 tokens fit");
}

#[test]
fn an_encoder_that_looks_at_an_encoder_is_refused() {
    let copy = Copy::of("torch-transformer");
    let directory = ModelDirectory::<Flex>::load(&copy.dir, &Default::default()).expect("in order");
    for (stack, expected) in [
        ("encoder", "true, expected false"),
        ("decoder", "false, expected true"),
    ] {
        let mut config = hearth_hub::Dialect::Hearth
            .express(&directory.config, &directory.special)
            .expect("expressible");
        let field = &mut config["config"]["encoder-decoder"][stack]["cross_attention"];
        *field = json!(stack == "encoder");
        copy.write("config.json", config.to_string());
        check(&copy, "config.json", &[stack, "cross_attention", expected]);
    }
}

#[test]
fn a_missing_file_is_an_error_of_the_system() {
    for file in ["config.json", "model.safetensors"] {
        let copy = Copy::of("gpt2");
        std::fs::remove_file(copy.path(file)).expect("removed");
        let missing = error(&copy);
        assert!(missing.is_io(), "{missing}");
        assert!(missing.to_string().contains(file), "{missing}");
        std::fs::create_dir(copy.path(file)).expect("made");
        assert!(error(&copy).is_io());
    }
}

#[test]
fn damage_anywhere_in_the_header_never_panics() {
    let copy = Copy::of("gpt2");
    let whole_file = copy.weights();
    for position in (0..2624).step_by(23) {
        for value in [0x00, b'9', b'"', 0xff] {
            let mut damaged = whole_file.clone();
            damaged[position] = value;
            copy.write("model.safetensors", damaged);
            // In order by chance, or an error.
            let _ = ModelDirectory::<Flex>::load(&copy.dir, &Default::default());
        }
    }
}
