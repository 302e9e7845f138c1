//! What stands before the numbers of a GGUF file: settings, then names, shapes, types and places of tensors.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use super::reader::Reader;
use crate::error::HubError;
use crate::limits;
use crate::weights::encoding::Encoding;
use crate::weights::source::{RowOrder, StoredTensor};

const MAGIC: [u8; 4] = *b"GGUF";

/// Texts that are longer are no settings that are read.
const LONGEST: u64 = 256;

/// Where no setting says how tensors are aligned.
const ALIGNMENT: u64 = 32;

/// What is said of a list in place of its items.
pub(super) const LIST: &str = "(a list)";

pub(super) struct Header {
    /// Settings by name: numbers, truth values and short texts as they are, lists as [`LIST`], long texts as null.
    pub settings: BTreeMap<String, Value>,
    /// Tensors by their names in the file, each inside it.
    pub tensors: BTreeMap<String, StoredTensor>,
}

/// A tensor, before it is known where tensors begin.
struct Entry {
    name: String,
    /// Innermost axis first, as the file has it.
    axes: Vec<u64>,
    encoding: Encoding,
    n_bytes: u64,
    offset: u64,
}

impl Header {
    pub(super) fn read(path: &Path) -> Result<Self, HubError> {
        let mut reader = Reader::open(path)?;
        let magic = reader.bytes::<4>()?;
        if magic != MAGIC {
            let found = format!("{:?}", String::from_utf8_lossy(&magic));
            return Err(reader.refuse("the first four bytes", found, "GGUF".into()));
        }
        let version = reader.u32()?;
        if !matches!(version, 2 | 3) {
            let expected = "2 or 3, little-endian".into();
            return Err(reader.refuse("the version", version.to_string(), expected));
        }
        let n_tensors = reader.count("the number of tensors", limits::GGUF_ENTRIES)?;
        let n_settings = reader.count("the number of settings", limits::GGUF_ENTRIES)?;
        let mut settings = BTreeMap::new();
        for _ in 0..n_settings {
            let name = reader.text("the length of a setting's name", limits::GGUF_NAME)?;
            let kind = reader.u32()?;
            let value = setting(&mut reader, &name, kind)?;
            if settings.insert(name.clone(), value).is_some() {
                return Err(reader.refuse(&name, "there twice".into(), "once".into()));
            }
        }
        let mut entries = Vec::new();
        let mut names = HashSet::new();
        for _ in 0..n_tensors {
            let entry = entry(&mut reader)?;
            if !names.insert(entry.name.clone()) {
                return Err(reader.refuse(&entry.name, "there twice".into(), "once".into()));
            }
            entries.push(entry);
        }
        let tensors = place(&reader, &settings, entries)?;
        Ok(Self { settings, tensors })
    }
}

/// The value of a setting of the given type.
fn setting(reader: &mut Reader, name: &str, kind: u32) -> Result<Value, HubError> {
    const LISTED: u32 = 9;
    if kind != LISTED {
        return scalar(reader, name, kind);
    }
    let kind = reader.u32()?;
    let n_items = reader.u64()?;
    match n_bytes(kind) {
        Some(width) => reader.skip(n_items.saturating_mul(width))?,
        None if kind == TEXT => {
            reader.at_most(name, n_items, limits::GGUF_TEXTS)?;
            for _ in 0..n_items {
                let length = reader.u64()?;
                reader.skip(length)?;
            }
        }
        None => {
            let expected = "numbers, truth values or texts".into();
            return Err(reader.refuse(name, format!("a list of the type {kind}"), expected));
        }
    }
    Ok(json!(LIST))
}

const TEXT: u32 = 8;

/// How many bytes a value of a type takes; none where that differs, and of unknown types.
fn n_bytes(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}

fn scalar(reader: &mut Reader, name: &str, kind: u32) -> Result<Value, HubError> {
    Ok(match kind {
        0 => json!(u8::from_le_bytes(reader.bytes()?)),
        1 => json!(i8::from_le_bytes(reader.bytes()?)),
        2 => json!(u16::from_le_bytes(reader.bytes()?)),
        3 => json!(i16::from_le_bytes(reader.bytes()?)),
        4 => json!(u32::from_le_bytes(reader.bytes()?)),
        5 => json!(i32::from_le_bytes(reader.bytes()?)),
        // As its shortest decimal form: 1e-5 and not the nearest number of double precision.
        6 => {
            let value = f32::from_le_bytes(reader.bytes()?);
            json!(value.to_string().parse::<f64>().unwrap_or(f64::from(value)))
        }
        7 => json!(reader.bytes::<1>()? != [0]),
        TEXT => json!(reader.short_text(name, LONGEST)?),
        10 => json!(u64::from_le_bytes(reader.bytes()?)),
        11 => json!(i64::from_le_bytes(reader.bytes()?)),
        12 => json!(f64::from_le_bytes(reader.bytes()?)),
        kind => {
            let expected = "one of GGUF's 13 types".into();
            return Err(reader.refuse(name, format!("of the type {kind}"), expected));
        }
    })
}

fn entry(reader: &mut Reader) -> Result<Entry, HubError> {
    const MOST_AXES: u32 = 4;
    let name = reader.text("the length of a tensor's name", limits::GGUF_NAME)?;
    let n_axes = reader.u32()?;
    let what = format!("the number of axes of {name:?}");
    reader.at_most(&what, u64::from(n_axes), u64::from(MOST_AXES))?;
    let axes = (0..n_axes)
        .map(|_| reader.u64())
        .collect::<Result<Vec<_>, _>>()?;
    if axes.contains(&0) {
        let expected = "axes of at least 1".into();
        return Err(reader.refuse(
            &format!("the shape of {name:?}"),
            format!("{axes:?}"),
            expected,
        ));
    }
    let kind = reader.u32()?;
    let offset = reader.u64()?;
    let Some(encoding) = encoding(kind) else {
        let expected = "F32, F16, BF16, Q8_0, Q4_0 or Q4_1".into();
        return Err(reader.refuse(&format!("the type of {name:?}"), type_name(kind), expected));
    };
    let (n_numbers, n_bytes) = encoding.block();
    let row = axes.first().copied().unwrap_or(1);
    if !row.is_multiple_of(n_numbers as u64) {
        let expected = format!("a multiple of {n_numbers}");
        return Err(reader.refuse(&format!("the row of {name:?}"), row.to_string(), expected));
    }
    let size = axes
        .iter()
        .try_fold(1u64, |size, &axis| size.checked_mul(axis))
        .and_then(|size| (size / n_numbers as u64).checked_mul(n_bytes as u64))
        .unwrap_or(u64::MAX);
    reader.at_most(
        &format!("the size of {name:?} in bytes"),
        size,
        reader.length(),
    )?;
    Ok(Entry {
        name,
        axes,
        encoding,
        n_bytes: size,
        offset,
    })
}

/// Finds every tensor its place: one behind the other, in the order of their entries, up to the end of the file.
fn place(
    reader: &Reader,
    settings: &BTreeMap<String, Value>,
    entries: Vec<Entry>,
) -> Result<BTreeMap<String, StoredTensor>, HubError> {
    const MOST: u64 = 1 << 16;
    let alignment = match settings.get("general.alignment") {
        None => ALIGNMENT,
        Some(value) => {
            let given = value.as_u64();
            let sensible = given.filter(|n| n.is_power_of_two() && (8..=MOST).contains(n));
            sensible.ok_or_else(|| {
                let expected = format!("a power of two from 8 to {MOST}");
                reader.refuse("general.alignment", value.to_string(), expected)
            })?
        }
    };
    let begin = reader.position().next_multiple_of(alignment);
    let mut end = 0u64;
    let mut last = begin;
    let mut tensors = BTreeMap::new();
    for entry in entries {
        // No sum overflows: each tensor is no longer than the file, and there are not many.
        let expected = end.next_multiple_of(alignment);
        if entry.offset != expected {
            let field = format!("the place of {:?}", entry.name);
            return Err(reader.refuse(&field, entry.offset.to_string(), expected.to_string()));
        }
        end = expected + entry.n_bytes;
        last = begin + end;
        if last > reader.length() {
            break;
        }
        let shape: Vec<usize> = entry.axes.iter().rev().map(|&axis| axis as usize).collect();
        let tensor = StoredTensor {
            shape,
            encoding: Some(entry.encoding),
            type_name: format!("{:?}", entry.encoding),
            file: 0,
            start: begin + expected,
            rows: RowOrder::Plain,
        };
        tensors.insert(entry.name, tensor);
    }
    // Behind the last tensor there may be what would align another.
    if last > reader.length() || reader.length() - last >= alignment {
        return Err(HubError::Length {
            path: reader.path().into(),
            found: reader.length(),
            expected: last,
        });
    }
    Ok(tensors)
}

fn encoding(kind: u32) -> Option<Encoding> {
    Some(match kind {
        0 => Encoding::F32,
        1 => Encoding::F16,
        2 => Encoding::Q4_0,
        3 => Encoding::Q4_1,
        8 => Encoding::Q8_0,
        30 => Encoding::Bf16,
        _ => return None,
    })
}

/// A type that is not read, as people know it.
fn type_name(kind: u32) -> String {
    let known = [
        (6, "Q5_0"),
        (7, "Q5_1"),
        (9, "Q8_1"),
        (10, "Q2_K"),
        (11, "Q3_K"),
        (12, "Q4_K"),
        (13, "Q5_K"),
        (14, "Q6_K"),
        (15, "Q8_K"),
        (28, "F64"),
    ];
    known
        .iter()
        .find(|(number, _)| *number == kind)
        .map_or(format!("number {kind}"), |(_, name)| (*name).to_owned())
}
