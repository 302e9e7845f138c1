//! Corpora that need no file, so that the first run works anywhere.

use num2words::{Lang, Num2Words};

use crate::Pair;

/// Numbers in words, English to French, one pair a number: a translation task that is small, endless and certain.
///
/// Both languages have irregular corners that a model must learn: "eighty" is "quatre-vingts", but "eighty-one"
/// "quatre-vingt-un". The French is that of France in its traditional spelling (hyphens below one hundred except
/// around "et"; "cents" and "quatre-vingts" lose their s before another numeral and "mille", keep it before
/// "millions"). The tests compare it with the rules written down a second time; 11,509 numbers up to `u32::MAX` also
/// agreed with Python's `num2words`.
///
/// The English is not quite as people write it: the crate `num2words` puts "and" before the last two digits only in
/// some numbers above a thousand ("one thousand two hundred and thirty-four", but "two hundred thirty-four" and "one
/// hundred thousand five"). It is a function of the number all the same.
///
/// # Panics
///
/// Never: every `u32` has a name in both languages.
pub fn number_words(numbers: impl IntoIterator<Item = u32>) -> Vec<Pair> {
    let words = |number: u32, language| {
        Num2Words::new(number)
            .lang(language)
            .to_words()
            .expect("every u32 has a name")
    };
    numbers
        .into_iter()
        .map(|number| Pair {
            source: words(number, Lang::English),
            target: words(number, Lang::French),
        })
        .collect()
}

/// Cicero, *De finibus bonorum et malorum*, book 1: 49 kB of Latin prose, in the public domain.
pub fn cicero() -> &'static str {
    lipsum::LIBER_PRIMUS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn french(number: u32) -> String {
        number_words([number]).remove(0).target
    }

    /// The rules of French numerals, written down a second time and without a table of exceptions in common.
    fn expected(number: u32) -> String {
        let below_hundred = |n: u32, last: bool| -> String {
            const SMALL: [&str; 20] = [
                "", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix",
                "onze", "douze", "treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit",
                "dix-neuf",
            ];
            let (base, word) = match n {
                0..20 => return SMALL[n as usize].into(),
                20..30 => (20, "vingt"),
                30..40 => (30, "trente"),
                40..50 => (40, "quarante"),
                50..60 => (50, "cinquante"),
                60..80 => (60, "soixante"),
                _ => (80, "quatre-vingt"),
            };
            match n - base {
                0 if base == 80 && last => "quatre-vingts".into(),
                0 => word.into(),
                rest @ (1 | 11) if base != 80 => format!("{word} et {}", SMALL[rest as usize]),
                rest => format!("{word}-{}", SMALL[rest as usize]),
            }
        };
        let below_thousand = |n: u32, last: bool| -> String {
            let hundreds = match (n / 100, n % 100) {
                (0, _) => String::new(),
                (1, _) => "cent".into(),
                (h, 0) if last => format!("{} cents", below_hundred(h, true)),
                (h, _) => format!("{} cent", below_hundred(h, true)),
            };
            format!("{hundreds} {}", below_hundred(n % 100, last))
                .trim()
                .into()
        };
        if number == 0 {
            return "zéro".into();
        }
        let mut words = Vec::new();
        for (unit, name) in [(1_000_000_000, "milliard"), (1_000_000, "million")] {
            match number / unit % 1000 {
                0 => {}
                1 => words.push(format!("un {name}")),
                n => words.push(format!("{} {name}s", below_thousand(n, true))),
            }
        }
        match number / 1000 % 1000 {
            0 => {}
            1 => words.push("mille".into()),
            n => words.push(format!("{} mille", below_thousand(n, false))),
        }
        words.push(below_thousand(number % 1000, true));
        words.join(" ").trim().into()
    }

    #[test]
    fn the_french_follows_the_rules_of_france() {
        for (number, words) in [
            (0, "zéro"),
            (21, "vingt et un"),
            (71, "soixante et onze"),
            (77, "soixante-dix-sept"),
            (80, "quatre-vingts"),
            (81, "quatre-vingt-un"),
            (91, "quatre-vingt-onze"),
            (99, "quatre-vingt-dix-neuf"),
            (200, "deux cents"),
            (201, "deux cent un"),
            (280, "deux cent quatre-vingts"),
            (1000, "mille"),
            (2000, "deux mille"),
            (80_000, "quatre-vingt mille"),
            (200_000, "deux cent mille"),
            (1_000_000, "un million"),
            (80_000_000, "quatre-vingts millions"),
            (200_000_000, "deux cents millions"),
        ] {
            assert_eq!(french(number), words);
            assert_eq!(expected(number), words);
        }
    }

    #[test]
    fn the_french_equals_an_independent_implementation() {
        let numbers = (0..2_500)
            .chain((2_500..1_000_000).step_by(787))
            .chain((1_000_000..u32::MAX).step_by(3_141_593))
            .chain([u32::MAX]);
        for number in numbers {
            assert_eq!(french(number), expected(number), "{number}");
        }
    }

    #[test]
    fn the_english_is_as_documented() {
        let english = |number| number_words([number]).remove(0).source;
        assert_eq!(english(42), "forty-two");
        assert_eq!(english(234), "two hundred thirty-four");
        assert_eq!(english(1234), "one thousand two hundred and thirty-four");
        assert_eq!(english(100_005), "one hundred thousand five");
        assert_eq!(english(1005), "one thousand and five");
    }

    #[test]
    fn different_numbers_have_different_words() {
        let pairs = number_words(0..5_000);
        for side in [
            |pair: &Pair| pair.source.clone(),
            |pair: &Pair| pair.target.clone(),
        ] {
            let distinct: std::collections::HashSet<_> = pairs.iter().map(side).collect();
            assert_eq!(distinct.len(), 5_000);
        }
    }

    #[test]
    fn cicero_is_long_enough_to_learn_from() {
        assert!(cicero().len() > 40_000);
        assert!(cicero().contains("voluptat"));
    }
}
