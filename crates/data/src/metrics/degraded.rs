//! Three bad translators, made of the references by rule: `xtask/python/metrics_reference.py` has the same rules.

/// A system's name, its language, and its rule.
pub(super) struct System {
    pub(super) name: &'static str,
    pub(super) language: &'static str,
    pub(super) rule: fn(usize, &str) -> String,
}

pub(super) const SYSTEMS: [System; 3] = [
    System {
        name: "terse",
        language: "en",
        rule: terse,
    },
    System {
        name: "jumbled",
        language: "de",
        rule: jumbled,
    },
    System {
        name: "typeset",
        language: "fr",
        rule: typeset,
    },
];

/// Leaves words out, sometimes all of them, and small things besides.
fn terse(i: usize, line: &str) -> String {
    if i % 41 == 5 {
        return String::new();
    }
    let words = line.split_whitespace().enumerate();
    let kept = words.filter(|(j, _)| (i + 2 * j) % 7 != 3);
    let text = kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ");
    let text = if i.is_multiple_of(3) {
        text.to_lowercase()
    } else {
        text
    };
    if i.is_multiple_of(5) {
        text.replace('.', "")
    } else {
        text
    }
}

/// Puts words in another order, shouts, and stops in the middle.
fn jumbled(i: usize, line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    for j in 0..words.len().saturating_sub(1) {
        if (i + j) % 6 == 1 {
            words.swap(j, j + 1);
        }
    }
    if i % 4 == 3 {
        words.truncate(words.len() / 2);
    }
    let text = words.join(" ");
    if i % 7 == 2 {
        text.to_uppercase()
    } else {
        text
    }
}

/// Sets other quotes, dashes and spaces, and adds numbers and symbols.
fn typeset(i: usize, line: &str) -> String {
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if let Some(first) = words.first_mut()
        && i % 3 == 1
    {
        *first = format!("«\u{a0}{first}\u{a0}»");
    }
    if let Some(second) = words.get_mut(1)
        && i % 9 == 4
    {
        *second = format!("&quot;{second}&quot;");
    }
    if let Some(last) = words.last().cloned()
        && i % 5 == 1
    {
        words.push(last);
    }
    for (when, what) in [
        (6, "– 3,5 % (10-12) & co…"),
        (10, "à €1.000,50"),
        (11, "🙂-1990- §7 x²=½."),
    ] {
        if i.is_multiple_of(when) {
            words.push(what.to_owned());
        }
    }
    let text = words.join(" ").replace('\'', "’");
    if i % 8 == 5 {
        text.replace('.', "…")
    } else {
        text
    }
}

/// Another reference beside the first.
pub(super) fn alternative(i: usize, line: &str) -> String {
    let words = line.split_whitespace().enumerate();
    let kept = words.filter(|(j, _)| !(i + j).is_multiple_of(4));
    kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

/// Any hypothesis as error rates want it: single spaces.
pub(super) fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
