//! A model in several files: Hugging Face's `model.safetensors.index.json` and its shards.
//!
//! The index has one part that matters, `weight_map`, from the name of each tensor to the name of the file that holds
//! it. What else it says (`metadata.total_size`) nothing depends on, and it is not read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::path::{Component, Path};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::read::{TensorFile, exists, open};
use super::source::Source;
use crate::error::HubError;
use crate::limits;

#[derive(Deserialize)]
struct Index {
    weight_map: WeightMap,
}

/// From tensors to shards. A name that is there twice is an error, whereas a map of serde's would take the last.
struct WeightMap(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = WeightMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from the names of tensors to those of files")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<WeightMap, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((tensor, shard)) = entries.next_entry::<String, String>()? {
                    if !is_file_name(&shard) {
                        return Err(A::Error::custom(format!(
                            "the shard of {tensor:?} is {shard:?}, expected the name of a .safetensors file beside \
                             the index"
                        )));
                    }
                    if map.contains_key(&tensor) {
                        return Err(A::Error::custom(format!(
                            "the tensor {tensor:?} is there twice"
                        )));
                    }
                    map.insert(tensor, shard);
                }
                Ok(WeightMap(map))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Whether this names a file of safetensors in the same folder, on any system.
fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let is_plain = matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    );
    is_plain && !name.contains(['/', '\\', ':', '\0']) && name.ends_with(".safetensors")
}

/// Opens all the shards of an index: each holds what the index says of it, no less and no more.
pub(super) fn open_shards(path: &Path) -> Result<Source, HubError> {
    let index = read(path)?;
    let shards: BTreeSet<_> = index.values().collect();
    let (mut files, mut tensors) = (Vec::new(), BTreeMap::new());
    let (mut missing, mut unexpected) = (Vec::new(), Vec::new());
    let mut found = BTreeSet::new();
    for (number, &shard) in shards.iter().enumerate() {
        let file = path.with_file_name(shard);
        if exists(&file)? {
            for (name, tensor) in TensorFile::open(&file)?.stored(number) {
                if index.get(&name) == Some(shard) {
                    found.insert(name.clone());
                    tensors.insert(name, tensor);
                } else {
                    unexpected.push(format!("{name} in {shard}"));
                }
            }
        } else {
            missing.push(shard.clone());
        }
        files.push(file);
    }
    for (name, shard) in &index {
        if !found.contains(name) && !missing.contains(shard) {
            missing.push(format!("{name} in {shard}"));
        }
    }
    if missing.is_empty() && unexpected.is_empty() {
        return Ok(Source::new(path, files, tensors));
    }
    Err(HubError::Shards {
        path: path.into(),
        missing,
        unexpected,
    })
}

fn read(path: &Path) -> Result<BTreeMap<String, String>, HubError> {
    let (file, found) = open(path)?;
    let limit = limits::INDEX_BYTES;
    if found > limit {
        return Err(HubError::TooLarge {
            path: path.into(),
            what: "the size in bytes".into(),
            found,
            limit,
        });
    }
    let mut bytes = Vec::new();
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|source| HubError::reading(path, source))?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|source| HubError::Index {
        path: path.into(),
        source,
    })?;
    Ok(index.weight_map.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_beside_the_index_is_a_shard() {
        for name in [
            "model-00001-of-00002.safetensors",
            "a b.safetensors",
            "..safetensors",
        ] {
            assert!(is_file_name(name), "{name}");
        }
        #[rustfmt::skip]
        let others = [
            "", ".", "..", "/", "/etc/passwd", "/etc/model.safetensors", "../model.safetensors", "a/model.safetensors",
            "./model.safetensors", "model.safetensors/", "a\\model.safetensors", "c:model.safetensors", "model.bin",
            "\0.safetensors",
        ];
        for name in others {
            assert!(!is_file_name(name), "{name}");
        }
    }

    #[test]
    fn an_index_says_a_tensor_once() {
        let parse = |text| serde_json::from_str::<Index>(text).map(|index| index.weight_map.0);
        let map = parse(r#"{"metadata": {"total_size": 8}, "weight_map": {"a": "x.safetensors"}}"#);
        assert_eq!(map.expect("an index")["a"], "x.safetensors");
        let twice = r#"{"weight_map": {"a": "x.safetensors", "a": "x.safetensors"}}"#;
        let error = parse(twice).expect_err("twice").to_string();
        assert!(error.contains("\"a\" is there twice"), "{error}");
        for text in [
            "{}",
            "[]",
            r#"{"weight_map": []}"#,
            r#"{"weight_map": {"a": 3}}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
