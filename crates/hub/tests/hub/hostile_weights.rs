//! Every bad `model.safetensors` is an error that names the file, what was found and what was expected. None panics.

use std::collections::BTreeMap;

use burn::tensor::{DType, TensorData};
use burn_flex::Flex;
use hearth_hub::{ModelDirectory, read_tensors};
use serde_json::{Value, json};

use crate::support::{Copy, check, error, whole};

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
    #[rustfmt::skip]
    let cases = [
        (file("nonsense", 0), "no usable safetensors header"),
        (file("", 0), "EOF"),
        (file("[]", 0), "no usable safetensors header"),
        (file("\u{1}", 0), "no usable safetensors header"),
        (file(r#"{"x": 3}"#, 0), "no usable safetensors header"),
        (file(r#"{"__metadata__": {"format": 3}}"#, 0), "no usable safetensors header"),
        (file(&one("F31", json!([1]), [0, 4]), 4), "no usable safetensors header"),
        (file(&one("F32", json!([2]), [0, 4]), 4), "no usable safetensors header"),
        (file(&one("F32", json!([1]), [4, 8]), 8), "invalid offset"),
        (file(&one("F32", json!([1]), [8, 4]), 8), "invalid offset"),
        (file(&one("F32", json!([most, 2]), [0, 4]), 4), "overflow"),
        (file(&one("F32", json!([most]), [0, 4]), 4), "overflow"),
        (file(&one("F32", json!([-1]), [0, 4]), 4), "no usable safetensors header"),
        (file(&one("U8", json!([eighth]), [0, eighth as u64]), 4), "bytes long, expected"),
        (file(&one("F4", json!([1]), [0, 1]), 1), "no usable safetensors header"),
        (u64::MAX.to_le_bytes().to_vec(), "18446744073709551615, expected at most 100000000"),
        (100_000_001u64.to_le_bytes().to_vec(), "100000001, expected at most 100000000"),
        (100_000_000u64.to_le_bytes().to_vec(), "8 bytes long, expected 100000008"),
        (file(r#"{"\ud800": 3}"#, 0), "no usable safetensors header"),
        (file("{}", 0), "0, expected"),
    ];
    for (content, expected) in cases {
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

type Change<'a> = &'a dyn Fn(&mut BTreeMap<String, TensorData>);

#[test]
fn tensors_that_are_not_the_models_are_named() {
    let zeros = |shape: &[usize]| TensorData::zeros::<f32, _>(shape.to_vec());
    let name = |name: &str| format!("transformer.h.0.{name}");
    let cases: [(Change<'_>, &[&str]); 7] = [
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
