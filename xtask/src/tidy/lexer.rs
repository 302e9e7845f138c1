//! Which bytes of a Rust source are code, comment or literal.
//!
//! No parser: comments, strings and characters are all that can hide a word or a brace from the rules.

/// What a byte of source is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    Comment,
    Literal,
}

/// What each byte of the text is part of.
pub(super) fn kinds(text: &str) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; text.len()];
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let after_name = text[..at].ends_with(is_name);
        let (length, kind) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), Kind::Comment)
        } else if rest.starts_with("/*") {
            (block_comment(rest), Kind::Comment)
        } else if c == '"' {
            (quoted(rest, '"'), Kind::Literal)
        } else if let Some(length) = raw_string(rest).filter(|_| !after_name) {
            (length, Kind::Literal)
        } else if c == '\'' && is_character(rest) {
            (quoted(rest, '\''), Kind::Literal)
        } else {
            (c.len_utf8(), Kind::Code)
        };
        kinds[at..at + length].fill(kind);
        at += length;
    }
    kinds
}

/// The text with everything but the wanted kinds as spaces; line breaks stay.
pub(super) fn blanked(text: &str, kinds: &[Kind], wanted: impl Fn(Kind) -> bool) -> String {
    let keep = |(at, c): (usize, char)| {
        if c == '\n' || wanted(kinds[at]) {
            c.to_string()
        } else {
            " ".repeat(c.len_utf8())
        }
    };
    text.char_indices().map(keep).collect()
}

/// Whether a character can be part of a name.
pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a literal in quotes, with `\` before a quote that does not end it.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string such as `r#"…"#`, if one starts here.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"]
        .into_iter()
        .find(|prefix| text.starts_with(prefix))?;
    let hashes = text[prefix.len()..]
        .bytes()
        .take_while(|&byte| byte == b'#')
        .count();
    let opening = prefix.len() + hashes;
    let body = text[opening..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    Some(
        body.find(&closing)
            .map_or(text.len(), |end| opening + 1 + end + closing.len()),
    )
}

/// Whether a `'` opens a character and not a lifetime or a label.
fn is_character(text: &str) -> bool {
    let mut inside = text.chars().skip(1);
    match inside.next() {
        Some('\\') => true,
        Some(_) => inside.next() == Some('\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code alone, words one space apart.
    fn bare(text: &str) -> String {
        let bare = blanked(text, &kinds(text), |kind| kind == Kind::Code);
        assert_eq!(bare.len(), text.len());
        bare.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_dropped_and_lifetimes_are_not() {
        assert_eq!(bare("a // b\n/* c /* d */ e */ f"), "a f");
        assert_eq!(bare(r#"a("b \" // c", 'd', '\'', b"e")"#), "a( , , , b )");
        assert_eq!(bare(r###"a(r#"b "c" // "#, br"d\", r"")"###), "a( , , )");
        assert_eq!(
            bare("fn f<'a>(x: &'a str) -> &'static str { 'l: loop {} }"),
            "fn f<'a>(x: &'a str) -> &'static str { 'l: loop {} }"
        );
        assert_eq!(bare("let 'é' = r#type; // ü"), "let = r#type;");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_file() {
        for text in ["\"a", "/* a", "r#\"a\"", "'", "'\\", "é'"] {
            assert_eq!(kinds(text).len(), text.len());
        }
    }
}
