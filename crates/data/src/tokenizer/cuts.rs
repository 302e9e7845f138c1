//! Where a long text may be cut so that its pieces' ids, joined, are the ids of the whole.
//!
//! The library keeps so much bookkeeping that a hundred megabytes at once would fill a machine's memory, and it works
//! on many texts in parallel but on one text alone. Cutting cures both.

use tokenizers::{ModelWrapper, PreTokenizerWrapper};

/// Pieces are about so long: enough that starting on one costs nothing beside it.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Whether this tokenizer gives the same ids for a text and for its pieces cut at lone newlines.
///
/// It does if it splits words by GPT-2's pattern,
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, and looks at nothing else than a
/// word at a time. In that pattern a newline with no whitespace on either side is always a word of its own: only
/// `\s+` matches a newline, the next character is no whitespace, and the last alternative takes it. A piece that ends
/// behind it ends in the same word (by the last but one alternative), and the next piece begins a new word in any
/// case, for nothing in the pattern looks back. At two newlines in a row it fails: inside a text they are two words,
/// at its end one.
///
/// Nothing else may reach over the cut either: no normaliser, no space put before the first word, no added token that
/// holds or swallows whitespace or minds its neighbours, and no dropout, which makes encoding a game of chance.
pub(super) fn are_safe(inner: &tokenizers::Tokenizer) -> bool {
    let Some(PreTokenizerWrapper::ByteLevel(byte_level)) = inner.get_pre_tokenizer() else {
        return false;
    };
    let is_deterministic = match inner.get_model() {
        ModelWrapper::BPE(model) => model.dropout.is_none(),
        _ => false,
    };
    byte_level.use_regex
        && !byte_level.add_prefix_space
        && is_deterministic
        && inner.get_normalizer().is_none()
        && inner.get_added_tokens_decoder().values().all(|token| {
            !token.lstrip
                && !token.rstrip
                && !token.single_word
                && !token.content.contains(char::is_whitespace)
        })
}

/// Cuts a text behind the first lone newline after every `piece_bytes` bytes, or never, if it has none.
pub(super) fn cut(text: &str, piece_bytes: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(end) = first_cut(rest, piece_bytes) {
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The end of the first newline at or after `from` that has no whitespace before and after it, and something both
/// before and after it.
fn first_cut(text: &str, from: usize) -> Option<usize> {
    let newlines = text.as_bytes().iter().enumerate().skip(from.max(1));
    newlines
        .filter(|&(_, &byte)| byte == b'\n')
        .map(|(newline, _)| newline)
        .find(|&newline| {
            let before = text[..newline].chars().next_back();
            let after = text[newline + 1..].chars().next();
            [before, after]
                .iter()
                .all(|neighbour| neighbour.is_some_and(|character| !character.is_whitespace()))
        })
        .map(|newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BpeOptions, SpecialScheme, Tokenizer, cicero, tokenizer::Route};

    fn tokenizer() -> Tokenizer {
        let options = BpeOptions {
            vocab: 300,
            min_frequency: 0,
            special: SpecialScheme::Pair,
        };
        // Merges of whitespace, so that a wrong cut shows.
        let text = format!("{}{}", "\n\n  \n \n\n\n\t\n".repeat(50), cicero());
        Tokenizer::train_bpe([text.as_str()].into_iter(), &options).unwrap()
    }

    #[test]
    fn a_text_is_cut_only_at_lone_newlines() {
        assert_eq!(cut("a\nb\nc", 0), ["a\n", "b\n", "c"]);
        assert_eq!(cut("a\nb\nc", 2), ["a\nb\n", "c"]);
        assert_eq!(cut("", 0), [""]);
        for whole in [
            "\na",
            "a\n",
            "a\n\nb",
            "a \nb",
            "a\n b",
            "a\r\nb",
            "a\n\u{a0}b",
        ] {
            assert_eq!(cut(whole, 0), [whole]);
        }
    }

    #[test]
    fn pieces_give_the_ids_of_the_whole() {
        let tokenizer = tokenizer();
        let whitespace_and_words = "[ab'é1!<>/s \n\n\n\n\t\r\u{a0}\u{2028}]{0,60}";
        proptest!(ProptestConfig::with_cases(2000), |(text in whitespace_and_words)| {
            let whole = tokenizer.encode_whole(&text, false)?;
            let pieces = tokenizer.encode_batch(&cut(&text, 0), false)?;
            prop_assert_eq!(pieces.concat(), whole);
        });
    }

    #[test]
    fn a_special_token_beside_a_cut_stays_one() {
        let tokenizer = tokenizer();
        let text = "a</s>\n<s>b\n</s>\n<pad>\nc";
        let pieces = cut(text, 0);
        assert_eq!(pieces.len(), 5);
        assert_eq!(
            tokenizer.encode_batch(&pieces, false).unwrap().concat(),
            tokenizer.encode_whole(text, false).unwrap()
        );
    }

    #[test]
    fn only_a_tokenizer_that_looks_at_words_alone_is_cut() {
        let json = tokenizer().to_json().unwrap();
        assert!(matches!(
            Tokenizer::from_json(&json).unwrap().route,
            Route::Cut
        ));
        for (old, new) in [
            (r#""normalizer": null"#, r#""normalizer": {"type": "NFC"}"#),
            (
                r#""add_prefix_space": false"#,
                r#""add_prefix_space": true"#,
            ),
            (r#""use_regex": true"#, r#""use_regex": false"#),
            (r#""dropout": null"#, r#""dropout": 0.1"#),
            (r#""lstrip": false"#, r#""lstrip": true"#),
            (r#""rstrip": false"#, r#""rstrip": true"#),
            (r#""single_word": false"#, r#""single_word": true"#),
            (r#""content": "<pad>""#, r#""content": "<p ad>""#),
        ] {
            assert!(json.contains(old), "{old} is not in {json}");
            let other = Tokenizer::from_json(&json.replace(old, new)).unwrap();
            assert!(matches!(other.route, Route::Whole), "{new}");
        }
    }
}
