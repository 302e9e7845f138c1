//! What BLEU takes for a word. Scores under different tokenisations cannot be compared.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// How BLEU cuts a sentence into words; the names are sacrebleu's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tokenization {
    /// `13a`: punctuation of ASCII apart, but not within numbers; that of WMT's mteval-v13a.pl.
    #[default]
    Mteval13a,
    /// `intl`: all punctuation and symbols of Unicode apart, but not within numbers; mteval-v14.pl's
    /// `--international-tokenization`.
    International,
    /// `char`: every character is a word.
    Characters,
    /// `none`: what lies between spaces.
    None,
}

/// What is replaced by what, one after another.
type Rules<const N: usize> = LazyLock<[(Regex, &'static str); N]>;

static MTEVAL_13A: Rules<4> = LazyLock::new(|| {
    compiled([
        (r"([{-~\[-` -&(-+:-@/])", " $1 "),
        (r"([^0-9])([.,])", "$1 $2 "),
        (r"([.,])([^0-9])", " $1 $2"),
        (r"([0-9])(-)", "$1 $2 "),
    ])
});

static INTERNATIONAL: Rules<3> = LazyLock::new(|| {
    compiled([
        (r"(\P{N})(\p{P})", "$1 $2 "),
        (r"(\p{P})(\P{N})", " $1 $2"),
        (r"(\p{S})", " $1 "),
    ])
});

/// What mteval-v13a.pl takes for markup.
const MARKUP: [(&str, &str); 7] = [
    ("<skipped>", ""),
    ("-\n", ""),
    ("\n", " "),
    ("&quot;", "\""),
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
];

fn compiled<const N: usize>(rules: [(&str, &'static str); N]) -> [(Regex, &'static str); N] {
    rules.map(|(pattern, by)| (Regex::new(pattern).expect("a pattern that compiles"), by))
}

impl Tokenization {
    /// As sacrebleu calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mteval13a => "13a",
            Self::International => "intl",
            Self::Characters => "char",
            Self::None => "none",
        }
    }

    /// The sentence with spaces between its words.
    pub(super) fn apply(self, sentence: &str) -> Cow<'_, str> {
        match self {
            Self::Mteval13a => {
                let plain = MARKUP
                    .iter()
                    .fold(format!(" {sentence} "), |text, (markup, by)| {
                        text.replace(markup, by)
                    });
                replaced(plain.into(), &*MTEVAL_13A)
            }
            Self::International => replaced(sentence.into(), &*INTERNATIONAL),
            Self::Characters => sentence.chars().flat_map(|c| [c, ' ']).collect(),
            Self::None => sentence.into(),
        }
    }
}

fn replaced<'a>(text: Cow<'a, str>, rules: &[(Regex, &'static str)]) -> Cow<'a, str> {
    rules.iter().fold(text, |text, (pattern, by)| {
        match pattern.replace_all(&text, *by) {
            Cow::Borrowed(_) => text,
            Cow::Owned(text) => text.into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::ngrams::words;
    use super::*;

    fn cut(tokenization: Tokenization, sentence: &str) -> String {
        words(&tokenization.apply(sentence))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn punctuation_stands_apart_but_not_within_numbers() {
        let sentence = "Hello, world: 3,500.5 m (1990-91) &quot;well-known&quot;.";
        let expected = "Hello , world : 3,500.5 m ( 1990 - 91 ) \" well-known \" .";
        assert_eq!(cut(Tokenization::Mteval13a, sentence), expected);
        let expected = "Hello , world : 3,500.5 m ( 1990-91 ) & quot ; well - known & quot ; .";
        assert_eq!(cut(Tokenization::International, sentence), expected);
        assert_eq!(cut(Tokenization::None, " a.  b"), "a. b");
    }

    #[test]
    fn only_the_international_one_knows_more_than_ascii() {
        let sentence = "« Où ? » 5€…";
        assert_eq!(cut(Tokenization::Mteval13a, sentence), "« Où ? » 5€…");
        assert_eq!(cut(Tokenization::International, sentence), "« Où ? » 5 € …");
        assert_eq!(cut(Tokenization::Characters, "« Où"), "« O ù");
    }
}
