//! Ways to spoil a JSON text.

use serde_json::{Value, json};

use crate::random::Random;

/// What stands where something else should.
fn hostile(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(-1),
        json!(i64::MIN),
        json!(65536),
        json!(i32::MAX),
        json!(1u64 << 32),
        json!(1u64 << 60),
        json!(u64::MAX),
        json!(0.5),
        json!(-0.0),
        json!(1e-300),
        json!(1e300),
        json!(""),
        json!("relu"),
        json!("\u{0}\u{1b}[2J\u{202e}"),
        json!("9".repeat(3000)),
        json!([]),
        json!({}),
        json!([0]),
        json!([[[null]]]),
        json!([1, -1, 2.5, "a"]),
        json!({"a": {"b": []}}),
    ];
    random.of(&values).clone()
}

/// Spoils one value somewhere in a document.
pub(crate) fn spoil(text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(text).expect("the original is JSON");
    let other = hostile(random);
    let n_values = count(&document);
    let place = random.below(n_values);
    let how = random.below(8);
    change(&mut document, place, &mut |value| match how {
        // Twice the number, or the one below it: nearer to what might be believed.
        0 if value.is_u64() => *value = json!(value.as_u64().unwrap_or(0).wrapping_mul(2)),
        1 if value.is_u64() => *value = json!(value.as_u64().unwrap_or(0).wrapping_sub(1)),
        2 => *value = json!([value.take()]),
        _ => *value = other.clone(),
    });
    document.to_string().into_bytes()
}

/// Removes one field or item somewhere in a document.
pub(crate) fn remove(text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(text).expect("the original is JSON");
    let n_values = count(&document);
    let place = random.below(n_values);
    let which = random.below(1 << 20);
    change(&mut document, place, &mut |value| match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(which % fields.len()).cloned();
            key.and_then(|key| fields.shift_remove(&key));
        }
        Value::Array(items) if !items.is_empty() => {
            items.remove(which % items.len());
        }
        other => *other = Value::Null,
    });
    document.to_string().into_bytes()
}

/// Says one field of the outermost object twice, with another value or the same.
pub(crate) fn say_twice(text: &[u8], random: &mut Random) -> Vec<u8> {
    let document: Value = serde_json::from_slice(text).expect("the original is JSON");
    let fields = document.as_object().expect("an object");
    let keys: Vec<_> = fields.keys().collect();
    let key = *random.of(&keys);
    let other = hostile(random);
    let value = [&fields[key], &other, &fields[*random.of(&keys)]][random.below(3)];
    let again = format!("{}:{value}", json!(key));
    let text = document.to_string();
    match random.below(2) {
        0 => format!("{{{again},{}", &text[1..]),
        _ => format!("{},{again}}}", &text[..text.len() - 1]),
    }
    .into_bytes()
}

/// Gives one key of the outermost object the name of another.
pub(crate) fn rename(text: &[u8], random: &mut Random) -> Vec<u8> {
    let document: Value = serde_json::from_slice(text).expect("the original is JSON");
    let keys: Vec<_> = document.as_object().expect("an object").keys().collect();
    let (old, new) = (json!(random.of(&keys)), json!(random.of(&keys)));
    let text = document.to_string();
    text.replacen(&format!("{old}:"), &format!("{new}:"), 1)
        .into_bytes()
}

/// Lists in lists, or objects in objects, ten thousand deep.
pub(crate) fn deep(random: &mut Random) -> Vec<u8> {
    const DEPTH: usize = 10_000;
    let (open, close) =
        [("[", "]"), (r#"{"a":"#, "}"), (r#"{"model_type":["#, "]}")][random.below(3)];
    let middle = ["", "1", "null"][random.below(3)];
    format!("{}{middle}{}", open.repeat(DEPTH), close.repeat(DEPTH)).into_bytes()
}

/// A whole document with something deep in one of its fields.
pub(crate) fn deep_field(text: &[u8], random: &mut Random) -> Vec<u8> {
    let document: Value = serde_json::from_slice(text).expect("the original is JSON");
    let keys: Vec<_> = document.as_object().expect("an object").keys().collect();
    let key = json!(random.of(&keys));
    let deep = String::from_utf8(deep(random)).expect("it is text");
    let text = document.to_string();
    format!("{{{key}:{deep},{}", &text[1..]).into_bytes()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Changes the value that is met after `place` others; says how many are left to meet.
fn change(value: &mut Value, place: usize, how: &mut dyn FnMut(&mut Value)) -> Option<usize> {
    if place == 0 {
        how(value);
        return None;
    }
    let mut left = place - 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for value in inner {
        left = change(value, left, how)?;
    }
    Some(left)
}
