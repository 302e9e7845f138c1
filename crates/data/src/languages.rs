//! Words and the language that each is of: a task of classification that needs no file.

use std::collections::HashMap;

use bip39::Language;
use unicode_normalization::UnicodeNormalization;

use crate::LabelledText;

/// Those that are written in Latin letters.
const LANGUAGES: [(Language, &str); 6] = [
    (Language::Czech, "Czech"),
    (Language::English, "English"),
    (Language::French, "French"),
    (Language::Italian, "Italian"),
    (Language::Portuguese, "Portuguese"),
    (Language::Spanish, "Spanish"),
];

/// About two thousand common words of each of six languages, labelled with the language's name.
///
/// They are the lists of BIP-39 <https://github.com/bitcoin/bips/blob/master/bip-0039/bip-0039-wordlists.md>, public by CC0. A
/// word that several lists have is left out. French and Spanish have their accents, each one character with its letter; the
/// other lists were made without.
pub fn language_words() -> LabelledText {
    let words = LANGUAGES.iter().flat_map(|&(language, name)| {
        let words = language.word_list().iter();
        words.map(move |word| (word.nfc().collect::<String>(), name))
    });
    let words: Vec<_> = words.collect();
    let mut n_lists: HashMap<&str, usize> = HashMap::new();
    for (word, _) in &words {
        *n_lists.entry(word).or_default() += 1;
    }
    let of_one_list = words.iter().filter(|(word, _)| n_lists[word.as_str()] == 1);
    LabelledText::from_rows(of_one_list.cloned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_word_is_of_one_language() {
        let corpus = language_words();
        let names = LANGUAGES.map(|(_, name)| name);
        assert_eq!(corpus.labels, names);
        let words: HashSet<&str> = corpus.rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(words.len(), corpus.rows.len());
        let count = |label| corpus.rows.iter().filter(|row| row.label == label).count();
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(count),
            [2048, 1948, 1948, 2048, 2048, 2048]
        );
        let language = |word: &str| {
            let row = corpus.rows.iter().find(|row| row.text == word);
            row.map(|row| names[row.label])
        };
        assert_eq!(language("ability"), Some("English"));
        assert_eq!(language("ábaco"), Some("Spanish"));
        // Both French and English.
        assert_eq!(language("animal"), None);
    }
}
