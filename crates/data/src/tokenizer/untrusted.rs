//! What a `tokenizer.json` from a user may claim.
//!
//! The library parses these files but trusts them in places, and panics where they lie. What is known to do so is
//! refused here with an error that says what is wrong; what is not known is caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tokenizers::normalizers::Precompiled;

use crate::DataError;

/// Parses a `tokenizer.json`.
pub(super) fn parse(json: &str) -> Result<tokenizers::Tokenizer, DataError> {
    // First as plain JSON: a syntax error inside the decoder makes the library panic.
    let value: Value = from_str(json)?;
    for part in ["normalizer", "pre_tokenizer", "post_processor", "decoder"] {
        check(part, &value[part])?;
    }
    from_str(json)
}

fn from_str<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, DataError> {
    serde_json::from_str(json).map_err(|source| DataError::TokenizerFormat { source })
}

/// Checks one part and all that is nested in it.
fn check(part: &str, value: &Value) -> Result<(), DataError> {
    if let Value::Array(items) = value {
        return items.iter().try_for_each(|item| check(part, item));
    }
    let Value::Object(fields) = value else {
        return Ok(());
    };
    let kind = fields
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let refuse = |found: String, expected| {
        Err(DataError::TokenizerPart {
            part: format!("{part} {kind}"),
            found,
            expected,
        })
    };
    match kind {
        "FixedLength" if value["length"] == 0 => {
            return refuse("length 0".into(), "at least 1");
        }
        "Precompiled" => {
            if let Err(error) = serde_json::from_str::<Precompiled>(&value.to_string()) {
                let found = format!("a precompiled_charsmap that does not load ({error})");
                return refuse(found, "a SentencePiece table in base64");
            }
        }
        "TemplateProcessing" => {
            for (template, n_sequences) in [("single", 1), ("pair", 2)] {
                for piece in value[template].as_array().into_iter().flatten() {
                    let token = piece["SpecialToken"]["id"].as_str();
                    if let Some(id) = token.filter(|&id| value["special_tokens"][id].is_null()) {
                        let found = format!("a special token {id:?} in its {template} template");
                        return refuse(found, "only tokens listed in its special_tokens");
                    }
                    if n_sequences == 1 && piece["Sequence"]["id"] == "B" {
                        let found = "sequence B in its single template".into();
                        return refuse(found, "only sequence A");
                    }
                }
            }
        }
        _ => {}
    }
    fields.values().try_for_each(|nested| check(part, nested))
}

/// Turns a panic of the library into an error.
///
/// A compiled normaliser whose table points beyond itself, say, panics in the middle of a text. Nothing half-changed
/// survives, since all work is on shared references.
pub(super) fn guarded<T>(
    action: &'static str,
    work: impl FnOnce() -> Result<T, DataError>,
) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        Err(DataError::TokenizerBroke { action, message })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{BpeOptions, SpecialScheme, Tokenizer, cicero};

    fn valid() -> Value {
        let options = BpeOptions {
            vocab: 300,
            min_frequency: 2,
            special: SpecialScheme::Pair,
        };
        let tokenizer = Tokenizer::train_bpe([cicero()].into_iter(), &options).unwrap();
        serde_json::from_str(&tokenizer.to_json().unwrap()).unwrap()
    }

    #[test]
    fn a_file_cut_anywhere_is_a_format_error() {
        let json = valid().to_string();
        let ends = (0..json.len())
            .step_by(97)
            .filter(|&end| json.is_char_boundary(end));
        for end in ends {
            let error = Tokenizer::from_json(&json[..end]).unwrap_err();
            assert!(
                matches!(error, DataError::TokenizerFormat { .. }),
                "{error:?}"
            );
        }
    }

    #[test]
    fn json_that_is_no_tokenizer_is_a_format_error() {
        for json in [
            "null",
            "[]",
            "{}",
            "7",
            r#"{"version": "2.0"}"#,
            r#"{"model": {"type": "GPT"}}"#,
        ] {
            let error = Tokenizer::from_json(json).unwrap_err();
            assert!(
                matches!(error, DataError::TokenizerFormat { .. }),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_part_of_the_wrong_type_is_a_format_error() {
        for part in [
            "model",
            "decoder",
            "normalizer",
            "pre_tokenizer",
            "post_processor",
            "added_tokens",
        ] {
            for wrong in [
                json!(7),
                json!("x"),
                json!({"type": 7}),
                json!({"type": "None"}),
            ] {
                let mut value = valid();
                value[part] = wrong;
                let error = Tokenizer::from_json(&value.to_string()).unwrap_err();
                assert!(
                    matches!(error, DataError::TokenizerFormat { .. }),
                    "{error:?}"
                );
            }
        }
    }

    #[test]
    fn merges_of_tokens_that_do_not_exist_are_a_format_error() {
        let mut value = valid();
        value["model"]["merges"][0] = json!(["no", "such"]);
        let error = Tokenizer::from_json(&value.to_string()).unwrap_err();
        assert!(
            matches!(error, DataError::TokenizerFormat { .. }),
            "{error:?}"
        );
    }

    #[test]
    fn parts_on_which_the_library_would_panic_are_refused() {
        let single = "post_processor/single";
        for (place, wrong, message) in [
            (
                single,
                json!([{"SpecialToken": {"id": "<gone>", "type_id": 0}}]),
                "\"<gone>\"",
            ),
            (
                single,
                json!([{"Sequence": {"id": "B", "type_id": 0}}]),
                "sequence B",
            ),
            (
                "pre_tokenizer",
                json!({"type": "FixedLength", "length": 0}),
                "length 0",
            ),
            (
                "pre_tokenizer",
                json!({"type": "Sequence", "pretokenizers": [{"type": "FixedLength", "length": 0}]}),
                "length 0",
            ),
            (
                "normalizer",
                json!({"type": "Precompiled", "precompiled_charsmap": "!"}),
                "does not load",
            ),
            (
                "normalizer",
                json!({"type": "Sequence", "normalizers": [{"type": "Precompiled"}]}),
                "does not load",
            ),
        ] {
            let mut value = valid();
            *value.pointer_mut(&format!("/{place}")).unwrap() = wrong;
            let error = Tokenizer::from_json(&value.to_string()).unwrap_err();
            assert!(
                matches!(error, DataError::TokenizerPart { .. }),
                "{error:?}"
            );
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn a_table_that_points_beyond_itself_is_an_error_when_it_is_used() {
        let mut value = valid();
        // A table of no entries: it loads, and the library panics at the first character.
        value["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="});
        let tokenizer = Tokenizer::from_json(&value.to_string()).unwrap();
        let error = tokenizer.encode("text").unwrap_err();
        assert!(
            matches!(error, DataError::TokenizerBroke { .. }),
            "{error:?}"
        );
    }

    #[test]
    fn deeply_nested_json_is_a_format_error() {
        let json = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let error = Tokenizer::from_json(&json).unwrap_err();
        assert!(
            matches!(error, DataError::TokenizerFormat { .. }),
            "{error:?}"
        );
    }

    #[test]
    fn a_panic_of_the_library_becomes_an_error() {
        let error = guarded("be tested", || -> Result<(), _> { panic!("index {}", 9) });
        assert!(
            matches!(error, Err(DataError::TokenizerBroke { message, .. }) if message == "index 9")
        );
    }
}
