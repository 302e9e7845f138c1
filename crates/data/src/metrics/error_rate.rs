//! Error rates of transcripts: how many edits away what was heard is from what was said.

use super::alignment::{Edit, align};
use std::fmt::{self, Display, Formatter};
use std::iter::Sum;

/// What was said and what was heard, both as they are to be compared: case and punctuation count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transcript<'a> {
    /// What was said.
    pub reference: &'a str,
    /// What was heard.
    pub hypothesis: &'a str,
}

/// How many places of a text are right, and how many are wrong in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorCounts {
    /// What both have.
    pub hits: usize,
    /// What was heard as something else.
    pub substitutions: usize,
    /// What was heard and not said.
    pub insertions: usize,
    /// What was said and not heard.
    pub deletions: usize,
}

/// A transcript beside its reference, word by word or character by character.
///
/// It is shown in three lines as jiwer shows it, a letter under each error:
///
/// ```
/// use hearth_data::Transcript;
///
/// let transcript = Transcript { reference: "short one here", hypothesis: "shoe order one" };
/// let shown = transcript.words().to_string();
/// let lines: Vec<&str> = shown.lines().collect();
/// assert_eq!(lines[0], "REF: **** short one here");
/// assert_eq!(lines[1], "HYP: shoe order one ****");
/// assert_eq!(lines[2], "        I     S        D");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlignedText<'a> {
    reference: Vec<&'a str>,
    hypothesis: Vec<&'a str>,
    edits: Vec<Edit>,
    /// What stands between two places where they are shown.
    between: &'static str,
}

impl<'a> Transcript<'a> {
    /// Word by word, words being what lies between spaces of any kind: for the word error rate (WER).
    pub fn words(&self) -> AlignedText<'a> {
        let cut = |text: &'a str| text.split_whitespace().collect();
        AlignedText::new(cut(self.reference), cut(self.hypothesis), " ")
    }

    /// Character by character, spaces within the text included: for the character error rate (CER).
    pub fn characters(&self) -> AlignedText<'a> {
        let cut = |text: &'a str| {
            let text = text.trim();
            let characters = text.char_indices();
            characters
                .map(|(at, c)| &text[at..at + c.len_utf8()])
                .collect()
        };
        AlignedText::new(cut(self.reference), cut(self.hypothesis), "")
    }
}

impl<'a> AlignedText<'a> {
    fn new(reference: Vec<&'a str>, hypothesis: Vec<&'a str>, between: &'static str) -> Self {
        let edits = align(&reference, &hypothesis);
        Self {
            reference,
            hypothesis,
            edits,
            between,
        }
    }

    /// What happened, from left to right.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// How often each of it happened.
    pub fn counts(&self) -> ErrorCounts {
        let mut counts = ErrorCounts::default();
        for edit in &self.edits {
            match edit {
                Edit::Hit => counts.hits += 1,
                Edit::Substitution => counts.substitutions += 1,
                Edit::Insertion => counts.insertions += 1,
                Edit::Deletion => counts.deletions += 1,
            }
        }
        counts
    }
}

impl Display for AlignedText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (mut reference, mut hypothesis) = (self.reference.iter(), self.hypothesis.iter());
        let mut lines = ["REF: ", "HYP: ", "     "].map(str::to_owned);
        for (i, edit) in self.edits.iter().enumerate() {
            let said = (*edit != Edit::Insertion)
                .then(|| reference.next())
                .flatten();
            let heard = (*edit != Edit::Deletion)
                .then(|| hypothesis.next())
                .flatten();
            let width = |text: Option<&&str>| text.map_or(1, |text| text.chars().count());
            let width = width(said).max(width(heard));
            let stars = "*".repeat(width);
            let letter = match edit {
                Edit::Hit => " ",
                Edit::Substitution => "S",
                Edit::Insertion => "I",
                Edit::Deletion => "D",
            };
            let between = if i == 0 { "" } else { self.between };
            let shown = [said.copied(), heard.copied(), Some(letter)];
            for (line, text) in lines.iter_mut().zip(shown) {
                let text = text.unwrap_or(&stars);
                line.push_str(&format!("{between}{text:>width$}"));
            }
        }
        f.write_str(&lines.join("\n"))
    }
}

impl ErrorCounts {
    /// `(substitutions + insertions + deletions) / length of the reference`; more than 1 where much is inserted.
    ///
    /// Beside an empty reference it is the number of insertions, as in jiwer.
    pub fn rate(&self) -> f64 {
        let n_edits = self.substitutions + self.insertions + self.deletions;
        n_edits as f64 / self.n_reference().max(1) as f64
    }

    /// The length of the reference.
    pub fn n_reference(&self) -> usize {
        self.hits + self.substitutions + self.deletions
    }
}

impl Sum for ErrorCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, counts| Self {
            hits: sum.hits + counts.hits,
            substitutions: sum.substitutions + counts.substitutions,
            insertions: sum.insertions + counts.insertions,
            deletions: sum.deletions + counts.deletions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_worked_out_by_hand() {
        let transcript = Transcript {
            reference: "short one here",
            hypothesis: "shoe order one",
        };
        let words = transcript.words().counts();
        let expected = ErrorCounts {
            hits: 1,
            substitutions: 1,
            insertions: 1,
            deletions: 1,
        };
        assert_eq!(words, expected);
        assert_eq!(words.rate(), 1.0);
        assert_eq!(transcript.characters().counts().n_reference(), 14);
    }

    #[test]
    fn a_corpus_is_one_long_text() {
        let of = |reference, hypothesis| {
            Transcript {
                reference,
                hypothesis,
            }
            .words()
            .counts()
        };
        let all: ErrorCounts = [of("a b c", "a b c"), of("d", "e f")].into_iter().sum();
        assert_eq!(all.rate(), 0.5);
        assert_eq!(of("", "a b").rate(), 2.0);
        assert_eq!(of("", " ").rate(), 0.0);
    }
}
