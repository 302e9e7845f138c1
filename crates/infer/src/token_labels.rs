//! Tokens as people read them, one by one.

use hearth_data::{DataError, TokenId, Tokenizer};

/// Characters of a label at most.
const MAX_CHARS: usize = 20;

/// How SentencePiece writes a space before a token; decoding a token alone drops it.
const SENTENCE_PIECE_SPACE: char = '▁';

/// A short readable label for each token: its text, a space shown as a dot, what cannot be seen escaped, part of a
/// character as its bytes. Without a tokenizer, its id.
///
/// # Errors
/// The tokenizer cannot decode a token.
pub fn token_labels(
    tokenizer: Option<&Tokenizer>,
    ids: &[TokenId],
) -> Result<Vec<String>, DataError> {
    let label = |&id: &TokenId| match tokenizer {
        Some(tokenizer) => label(tokenizer, id),
        None => Ok(id.to_string()),
    };
    ids.iter().map(label).collect()
}

fn label(tokenizer: &Tokenizer, id: TokenId) -> Result<String, DataError> {
    let Some(token) = tokenizer.token(id) else {
        return Ok(id.to_string());
    };
    let mut text = tokenizer.decode_with_special(&[id])?;
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Ok(shortened(&bytes(&token).unwrap_or(token)));
    }
    if text.is_empty() {
        text = token;
    } else if token.starts_with(SENTENCE_PIECE_SPACE) && !text.starts_with(' ') {
        text.insert(0, ' ');
    }
    Ok(shortened(&visible(&text)))
}

/// The bytes of a token of byte-level BPE, as `\xE6\x97`; none for another token.
fn bytes(token: &str) -> Option<String> {
    let escaped = |c| byte(c).map(|byte| format!("\\x{byte:02X}"));
    token.chars().map(escaped).collect()
}

/// The byte that a character stands for in byte-level BPE. Radford et al. 2019: bytes that can be printed are themselves,
/// the others are counted up from U+0100.
fn byte(c: char) -> Option<u8> {
    let is_printed = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let code = u32::from(c);
    match u8::try_from(code) {
        Ok(byte) => is_printed(&byte).then_some(byte),
        Err(_) => (0..=u8::MAX)
            .filter(|byte| !is_printed(byte))
            .nth(code as usize - 0x100),
    }
}

/// The text with nothing in it that could not be seen, or that XML forbids.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' => visible.push('·'),
            '\'' | '"' | '\\' => visible.push(c),
            // Behind a letter, so that an accent of its own stays one.
            c if !visible.is_empty() => {
                visible.extend(format!("x{c}").escape_debug().skip(1));
            }
            c => visible.extend(c.escape_debug()),
        }
    }
    visible
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_data::{BpeOptions, SpecialScheme};

    #[test]
    fn what_cannot_be_seen_is_escaped_and_what_can_is_left_alone() {
        for (text, expected) in [
            (" the", "·the"),
            ("a\tb\n", "a\\tb\\n"),
            ("\u{0}\u{202E}\u{FFFE}", "\\0\\u{202e}\\u{fffe}"),
            ("it's <b> & \"q\" \\", "it's·<b>·&·\"q\"·\\"),
            ("naïve 東京 🔥", "naïve·東京·🔥"),
            ("e\u{301}", "e\u{301}"),
            ("\u{301}", "\\u{301}"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
        assert_eq!(shortened(&"日".repeat(21)), format!("{}…", "日".repeat(20)));
    }

    #[test]
    fn every_token_of_a_text_has_a_label_even_half_a_character() {
        let options = BpeOptions {
            vocab: 262,
            min_frequency: 2,
            special: SpecialScheme::Pair,
        };
        let text = "a a a 東";
        let tokenizer = Tokenizer::train_bpe(std::iter::once(text), &options).expect("a tokenizer");
        let mut ids = tokenizer.encode(text).expect("ids");
        ids.push(1_000_000);
        let labels = token_labels(Some(&tokenizer), &ids).expect("labels");
        let (last, labels) = labels.split_last().expect("labels");
        assert_eq!(last, "1000000");
        assert!(labels.iter().all(|label| !label.is_empty()), "{labels:?}");
        assert!(labels.contains(&"·a".to_owned()), "{labels:?}");
        assert!(labels.contains(&"</s>".to_owned()), "{labels:?}");
        assert!(labels.concat().contains(r"\xE6\x9D\xB1"), "{labels:?}");
        assert_eq!(token_labels(None, &[7, 8]).expect("labels"), ["7", "8"]);
    }
}
