//! A model in several files is the model in one; an index that lies is refused.

use std::collections::BTreeMap;
use std::fs;

use burn_flex::Flex;
use hearth_hub::{ModelDirectory, read_tensors, write_tensors};
use serde_json::{Value, json};

use crate::support::{Copy, FIXTURES, bits, check, error, fixture, whole};

const INDEX: &str = "model.safetensors.index.json";

fn shard(number: usize, of: usize) -> String {
    format!("model-{number:05}-of-{of:05}.safetensors")
}

/// A copy of a fixture in three shards, tensors dealt out like cards, and its index.
fn sharded(name: &str) -> (Copy, Value) {
    let copy = Copy::of(name);
    let whole_file = copy.path("model.safetensors");
    let mut shards = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    let mut map = serde_json::Map::new();
    for (i, (tensor, data)) in read_tensors(&whole_file)
        .expect("in order")
        .into_iter()
        .enumerate()
    {
        map.insert(tensor.clone(), json!(shard(1 + i % 3, 3)));
        shards[i % 3].insert(tensor, data);
    }
    for (i, tensors) in shards.into_iter().enumerate() {
        write_tensors(&copy.path(&shard(1 + i, 3)), tensors).expect("written");
    }
    fs::remove_file(whole_file).expect("removed");
    let index = json!({"metadata": {"total_size": 0}, "weight_map": map});
    copy.write(INDEX, index.to_string());
    (copy, index)
}

fn load(copy: &Copy) -> ModelDirectory<Flex> {
    ModelDirectory::load(&copy.dir, &Default::default()).expect("in order")
}

#[test]
fn shards_hold_what_one_file_holds() {
    for name in FIXTURES {
        let expected = ModelDirectory::<Flex>::load(&fixture(name), &Default::default());
        let (copy, _) = sharded(name);
        assert_eq!(
            bits(&load(&copy).model),
            bits(&expected.expect("in order").model),
            "{name}"
        );
    }
}

#[test]
fn one_file_is_taken_before_any_shards() {
    let (copy, _) = sharded("gpt2");
    copy.write(INDEX, "nonsense");
    let whole_file = fs::read(fixture("gpt2").join("model.safetensors")).expect("a fixture");
    copy.write("model.safetensors", whole_file);
    load(&copy);
}

#[test]
fn an_index_that_lies_is_refused() {
    let tensor = "transformer.wte.weight";
    type Change = fn(&mut Value);
    #[rustfmt::skip]
    let cases: [(Change, &str); 9] = [
        (|index| index["weight_map"]["x"] = json!("../model-00001-of-00003.safetensors"), "is no index of shards"),
        (|index| index["weight_map"]["x"] = json!("/etc/passwd"), "beside the index"),
        (|index| index["weight_map"]["x"] = json!(7), "is no index of shards"),
        (|index| index["weight_map"] = json!([]), "is no index of shards"),
        (|index| *index = json!({}), "missing field `weight_map`"),
        (|index| index["weight_map"]["x"] = json!("model-00001-of-00003.safetensors"),
            "1 missing: \"x in model-00001-of-00003.safetensors\""),
        (|index| index["weight_map"]["x"] = json!("other.safetensors"), "1 missing: \"other.safetensors\""),
        (|index| {
            let shards = index["weight_map"].as_object_mut().expect("an object");
            shards.shift_remove("transformer.wte.weight");
        }, "1 unexpected: \"transformer.wte.weight in "),
        (|index| {
            let shard = &mut index["weight_map"]["transformer.wte.weight"];
            let first = json!("model-00001-of-00003.safetensors");
            *shard = if *shard == first { json!("model-00002-of-00003.safetensors") } else { first };
        }, "1 missing: \"transformer.wte.weight in "),
    ];
    for (change, expected) in cases {
        let (copy, mut index) = sharded("gpt2");
        change(&mut index);
        copy.write(INDEX, index.to_string());
        check(&copy, INDEX, &[expected]);
    }
    // Twice in the index, and in two shards.
    let (copy, index) = sharded("gpt2");
    let text = index.to_string().replacen(
        "\"weight_map\":{",
        &format!("\"weight_map\":{{\"{tensor}\":\"{}\",", shard(1, 3)),
        1,
    );
    copy.write(INDEX, text);
    check(&copy, INDEX, &["is there twice"]);
    copy.write(INDEX, index.to_string());
    let mut second = read_tensors(&copy.path(&shard(2, 3))).expect("in order");
    let first = read_tensors(&copy.path(&shard(1, 3))).expect("in order");
    let (twice, data) = first.into_iter().next().expect("a tensor");
    second.insert(twice.clone(), data);
    write_tensors(&copy.path(&shard(2, 3)), second).expect("written");
    check(
        &copy,
        INDEX,
        &[&format!("1 unexpected: \"{twice} in {}\"", shard(2, 3))],
    );
}

#[test]
fn a_shard_is_checked_as_a_file_is() {
    let (copy, _) = sharded("gpt2");
    let second = shard(2, 3);
    let content = fs::read(copy.path(&second)).expect("a shard");
    copy.write(&second, &content[..content.len() - 4]);
    check(&copy, &second, &["the file is damaged or cut short"]);
    let mut damaged = content.clone();
    let end = damaged.len();
    damaged[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    copy.write(&second, &damaged);
    check(&copy, &second, &["holds NaN"]);
    copy.write(INDEX, vec![b' '; (64 << 20) + 1]);
    check(&copy, INDEX, &["67108865, expected at most 67108864"]);
    fs::remove_file(copy.path(INDEX)).expect("removed");
    // Neither one file nor an index: the one file is missed.
    assert!(
        whole(&error(&copy)).contains("model.safetensors:"),
        "{}",
        whole(&error(&copy))
    );
}

#[test]
fn tensors_that_are_not_the_models_are_named_of_shards_too() {
    let (copy, mut index) = sharded("gpt2");
    let mut first = read_tensors(&copy.path(&shard(1, 3))).expect("in order");
    let (gone, data) = first.pop_first().expect("a tensor");
    first.insert("score.weight".into(), data);
    write_tensors(&copy.path(&shard(1, 3)), first).expect("written");
    let map = index["weight_map"].as_object_mut().expect("an object");
    map.shift_remove(&gone);
    map.insert("score.weight".into(), json!(shard(1, 3)));
    copy.write(INDEX, index.to_string());
    let missing = format!("1 missing: {gone:?}");
    check(&copy, INDEX, &[&missing, "1 unexpected: \"score.weight\""]);
}
