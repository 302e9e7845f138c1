//! Ways to spoil a model directory.

use std::collections::BTreeMap;
use std::path::Path;

use crate::json;
use crate::random::Random;

/// The files of a directory.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Reads what belongs to the model: references are no part of it.
pub(crate) fn read(dir: &Path) -> Files {
    ["config.json", "model.safetensors"]
        .map(|name| {
            let content = std::fs::read(dir.join(name)).expect("the fixture can be read");
            (name.to_string(), content)
        })
        .into()
}

/// Spoils one file in one way; says which, and how.
pub(crate) fn damage(files: &Files, random: &mut Random) -> (String, &'static str, Vec<u8>) {
    let names: Vec<_> = files.keys().collect();
    let name = *random.of(&names);
    let content = &files[name];
    let (how, damaged) = match random.below(4) {
        0 => bytes(content, random),
        _ if name.ends_with(".safetensors") => safetensors(content, random),
        _ => document(content, random),
    };
    (name.clone(), how, damaged)
}

fn document(content: &[u8], random: &mut Random) -> (&'static str, Vec<u8>) {
    match random.below(12) {
        0 => ("a field twice", json::say_twice(content, random)),
        1 => ("a field renamed", json::rename(content, random)),
        2 | 3 => ("something removed", json::remove(content, random)),
        4 => ("nothing but depth", json::deep(random)),
        5 => ("a deep field", json::deep_field(content, random)),
        _ => ("a value replaced", json::spoil(content, random)),
    }
}

/// What can be wrong with any file.
fn bytes(content: &[u8], random: &mut Random) -> (&'static str, Vec<u8>) {
    let mut damaged = content.to_vec();
    let n_bytes = damaged.len();
    match random.below(6) {
        0 => ("no bytes", Vec::new()),
        1 => {
            damaged.truncate(random.below(n_bytes));
            ("cut short", damaged)
        }
        2 => {
            let n_more = 1 + random.below(100);
            damaged.extend((0..n_more).map(|_| random.number() as u8));
            ("bytes behind", damaged)
        }
        3 => {
            let noise = (0..random.below(4096)).map(|_| random.number() as u8);
            ("noise", noise.collect())
        }
        _ => {
            for _ in 0..=random.below(4) {
                damaged[random.below(n_bytes)] = random.number() as u8;
            }
            ("bytes replaced", damaged)
        }
    }
}

/// What can be wrong with a file of a header of known length and numbers behind it.
fn safetensors(content: &[u8], random: &mut Random) -> (&'static str, Vec<u8>) {
    let (prefix, rest) = content.split_at(8);
    let length = u64::from_le_bytes(prefix.try_into().expect("eight bytes"));
    let (header, body) = rest.split_at(length as usize);
    let joined = |header: Vec<u8>| {
        let length = (header.len() as u64).to_le_bytes();
        [&length, &header[..], body].concat()
    };
    match random.below(16) {
        0 => ("a tensor twice", joined(json::say_twice(header, random))),
        1 => ("a tensor renamed", joined(json::rename(header, random))),
        2 => ("a deep header", joined(json::deep_field(header, random))),
        3 | 4 => (
            "a part of the header removed",
            joined(json::remove(header, random)),
        ),
        5 => {
            let lies = [
                0,
                1,
                7,
                length - 1,
                length + 1,
                99_999_999,
                1 << 60,
                u64::MAX,
            ];
            let lie = random.of(&lies).to_le_bytes();
            ("a lie about the header", [&lie, rest].concat())
        }
        6 | 7 => {
            let mut header = header.to_vec();
            for _ in 0..=random.below(3) {
                let place = random.below(header.len());
                header[place] = *random.of(b"0129-.eE\"{}[],: \x00\xff");
            }
            ("damage in the header", joined(header))
        }
        8 | 9 => {
            let mut damaged = content.to_vec();
            let place = random.below(body.len() / 4);
            let start = content.len() - body.len() + 4 * place;
            let numbers = [
                f32::NAN,
                -f32::NAN,
                f32::INFINITY,
                f32::MAX,
                f32::MIN_POSITIVE / 4.0,
            ];
            let number = random.of(&numbers).to_le_bytes();
            damaged[start..start + 4].copy_from_slice(&number);
            ("a number that is none", damaged)
        }
        _ => (
            "a value of the header replaced",
            joined(json::spoil(header, random)),
        ),
    }
}
