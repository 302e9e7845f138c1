//! A GGUF file is the model that it was made from.

use std::fs;
use std::path::PathBuf;

use burn::tensor::{DType, TensorData};
use burn_flex::Flex;
use hearth_data::Tokenizer;
use hearth_hub::{ModelDirectory, read_tensors};

use crate::gguf::{Entry, Gguf, Setting};
use crate::support::{bits, fixture, whole};

/// The fixture `llama` as llama.cpp's converter would write it, in single precision.
fn converted() -> Gguf {
    let tensors = read_tensors(&fixture("llama").join("model.safetensors")).expect("in order");
    let number = |name: &str, value| (name.to_string(), Setting::U32(value));
    let settings = vec![
        ("general.architecture".into(), Setting::Text("llama".into())),
        number("llama.context_length", 64),
        number("llama.embedding_length", 48),
        number("llama.block_count", 2),
        number("llama.feed_forward_length", 104),
        number("llama.attention.head_count", 4),
        number("llama.attention.head_count_kv", 2),
        (
            "llama.attention.layer_norm_rms_epsilon".into(),
            Setting::F32(1e-5),
        ),
        number("tokenizer.ggml.bos_token_id", 1),
        number("tokenizer.ggml.eos_token_id", 2),
        number("tokenizer.ggml.padding_token_id", 0),
    ];
    let mut file = Gguf {
        settings,
        tensors: Vec::new(),
        ..Gguf::small()
    };
    for (name, data) in tensors {
        let n_heads = match &name {
            name if name.ends_with("q_proj.weight") => 4,
            name if name.ends_with("k_proj.weight") => 2,
            _ => 0,
        };
        file.tensors.push(Entry {
            name: short(&name),
            axes: data.shape.iter().rev().map(|&axis| axis as u64).collect(),
            kind: 0,
            bytes: interleaved(&data, n_heads),
            offset: None,
        });
    }
    file
}

/// llama.cpp's name of a tensor.
fn short(name: &str) -> String {
    let parts = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers", "blk"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    parts
        .iter()
        .fold(name.into(), |name: String, (long, short)| {
            name.replace(long, short)
        })
}

/// The bytes of a matrix whose rows are put so that those of two halves of a head take turns; of others as they are.
fn interleaved(data: &TensorData, n_heads: usize) -> Vec<u8> {
    if n_heads == 0 {
        return data.as_bytes().to_vec();
    }
    let width = 4 * data.shape[1];
    let rows: Vec<_> = data.as_bytes().chunks(width).collect();
    rows.chunks(rows.len() / n_heads)
        .flat_map(|head| {
            let (first, second) = head.split_at(head.len() / 2);
            first
                .iter()
                .zip(second)
                .flat_map(|(a, b)| [*a, *b].concat())
        })
        .collect()
}

/// A file in a folder of its own.
fn written(file: &Gguf) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    fs::write(&path, file.bytes()).expect("written");
    (folder, path)
}

fn load(path: &std::path::Path) -> ModelDirectory<Flex> {
    ModelDirectory::load(path, &Default::default())
        .unwrap_or_else(|error| panic!("{}", whole(&error)))
}

#[test]
fn a_gguf_file_is_the_directory_it_was_made_from() {
    let (_folder, path) = written(&converted());
    let (found, expected) = (load(&path), load(&fixture("llama")));
    assert_eq!(found.dialect.name(), "llama");
    assert_eq!(found.config, expected.config);
    assert_eq!(found.special, expected.special);
    assert_eq!(bits(&found.model), bits(&expected.model));
    assert!(found.tokenizer.is_none());
}

#[test]
fn what_was_a_gguf_file_is_saved_as_a_directory() {
    let (folder, path) = written(&converted());
    let dir = folder.path().join("saved");
    load(&path).save(&dir).expect("saved");
    assert_eq!(bits(&load(&dir).model), bits(&load(&path).model));
}

#[test]
fn a_tokenizer_beside_the_file_is_taken() {
    let (folder, path) = written(&converted());
    let tokenizer = Tokenizer::train_characters("abc").expect("trained");
    let beside = folder.path().join("tokenizer.json");
    tokenizer.write(&beside).expect("written");
    assert_eq!(load(&path).tokenizer.expect("a tokenizer").vocab(), 3);
}

#[test]
fn a_file_in_half_precision_is_nearly_the_same() {
    for (kind, dtype, error) in [(1, DType::F16, 1e-3), (30, DType::BF16, 1e-2)] {
        let mut file = converted();
        for entry in file
            .tensors
            .iter_mut()
            .filter(|entry| entry.axes.len() == 2)
        {
            let (numbers, _) = entry.bytes.as_chunks();
            let values: Vec<_> = numbers.iter().map(|&b| f32::from_le_bytes(b)).collect();
            let data = TensorData::new(values, [entry.bytes.len() / 4]).convert_dtype(dtype);
            entry.bytes = data.as_bytes().to_vec();
            entry.kind = kind;
        }
        let (_folder, path) = written(&file);
        let (found, expected) = (
            bits(&load(&path).model),
            bits(&load(&fixture("llama")).model),
        );
        for (name, expected) in expected {
            for (found, expected) in found[&name].iter().zip(expected) {
                let (found, expected) = (f32::from_bits(*found), f32::from_bits(expected));
                assert!(
                    (found - expected).abs() <= error * expected.abs() + 1e-7,
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_head_that_is_not_there_is_the_embedding() {
    let mut file = converted();
    file.tensors.retain(|entry| entry.name != "output.weight");
    let (_folder, path) = written(&file);
    let model = load(&path).model;
    assert!(
        !model
            .parameters()
            .iter()
            .any(|parameter| parameter.path == "head.weight")
    );
}

#[test]
fn tensors_that_are_not_the_models_are_named() {
    let mut file = converted();
    file.tensors
        .retain(|entry| entry.name != "blk.1.attn_q.weight");
    file.tensor("output_norm.weight").name = "rope_freqs.weight".into();
    let (_folder, path) = written(&file);
    let loaded = ModelDirectory::<Flex>::load(&path, &Default::default());
    let text = whole(&loaded.map(|_| ()).expect_err("other tensors"));
    let missing = r#"2 missing: "model.layers.1.self_attn.q_proj.weight", "model.norm.weight""#;
    assert!(text.contains(missing), "{text}");
    assert!(
        text.contains(r#"1 unexpected: "rope_freqs.weight""#),
        "{text}"
    );
}

#[test]
fn a_weight_that_is_no_number_is_named() {
    let mut file = converted();
    file.tensor("output_norm.weight").bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let (_folder, path) = written(&file);
    let loaded = ModelDirectory::<Flex>::load(&path, &Default::default());
    let text = whole(&loaded.map(|_| ()).expect_err("NaN"));
    assert!(text.contains("\"model.norm.weight\" holds NaN"), "{text}");
}
