//! Sentences with their translations.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{DataError, json_lines, read_text};

/// A sentence and its translation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The sentence to translate.
    pub source: String,
    /// What it becomes.
    pub target: String,
}

/// Sentence pairs, and how many lines were no pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairCorpus {
    /// The pairs, in the order of the file.
    pub pairs: Vec<Pair>,
    /// How many lines were left out because a side was empty.
    pub n_skipped: usize,
}

impl PairCorpus {
    /// Reads sentence pairs from one file of `source TAB target` lines, or from two files, line i with line i.
    ///
    /// A line of one file may also be an object, `{"source": …, "target": …}` or `{"translation": {"en": …, "fr": …}}`.
    ///
    /// Further columns are ignored: Tatoeba's files name the author there. Sentences are trimmed. A pair with an
    /// empty side, or a blank line, is left out and counted.
    ///
    /// # Errors
    ///
    /// A file cannot be read as text ([`read_text`]), a line has no tab, two files differ in their number of lines,
    /// there are neither one nor two files, or not one pair is left.
    pub fn read(paths: &[PathBuf]) -> Result<Self, DataError> {
        let corpus = match paths {
            [path] => Self::read_columns(path)?,
            [source, target] => Self::read_lines(source, target)?,
            _ => {
                return Err(DataError::PairFiles {
                    paths: paths.to_vec(),
                });
            }
        };
        if corpus.pairs.is_empty() {
            return Err(DataError::NoPairs {
                paths: paths.to_vec(),
                n_skipped: corpus.n_skipped,
            });
        }
        Ok(corpus)
    }

    /// Sets about `fraction` of the source sentences aside: `(train, validation)`, each in the order of the corpus.
    ///
    /// A stable hash of the source sentence decides, so all translations of a sentence stay on one side, and adding
    /// lines to a corpus moves none of the old ones.
    ///
    /// # Panics
    ///
    /// If `fraction` is outside `[0, 1]`.
    pub fn split_by_source(self, fraction: f64) -> (Vec<Pair>, Vec<Pair>) {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "the validation fraction is {fraction}, expected 0 to 1"
        );
        let pairs = self.pairs.into_iter();
        pairs.partition(|pair| !is_held_out(&pair.source, fraction))
    }

    fn read_columns(path: &Path) -> Result<Self, DataError> {
        let text = read_text(path)?;
        let mut corpus = Self::empty();
        if json_lines::are_in(&text) {
            let expected =
                "an object with `source` and `target`, or with two languages under `translation`";
            for (_, [source, target]) in json_lines::two_texts(path, &text, sides, expected)? {
                corpus.push(&source, &target);
            }
            return Ok(corpus);
        }
        for (index, line) in text.lines().enumerate() {
            let mut columns = line.split('\t');
            match (columns.next(), columns.next()) {
                (Some(source), Some(target)) => corpus.push(source, target),
                _ if line.trim().is_empty() => corpus.n_skipped += 1,
                _ => {
                    return Err(DataError::NoTab {
                        path: path.into(),
                        line: index + 1,
                        found: line.chars().take(60).collect(),
                    });
                }
            }
        }
        Ok(corpus)
    }

    fn read_lines(source_path: &Path, target_path: &Path) -> Result<Self, DataError> {
        let sources = read_text(source_path)?;
        let targets = read_text(target_path)?;
        let [n_source_lines, n_target_lines] =
            [&sources, &targets].map(|text| text.lines().count());
        if n_source_lines != n_target_lines {
            return Err(DataError::LineCounts {
                source_path: source_path.into(),
                n_source_lines,
                target_path: target_path.into(),
                n_target_lines,
            });
        }
        let mut corpus = Self::empty();
        for (source, target) in sources.lines().zip(targets.lines()) {
            corpus.push(source, target);
        }
        Ok(corpus)
    }

    fn empty() -> Self {
        Self {
            pairs: Vec::new(),
            n_skipped: 0,
        }
    }

    fn push(&mut self, source: &str, target: &str) {
        let (source, target) = (source.trim(), target.trim());
        if source.is_empty() || target.is_empty() {
            self.n_skipped += 1;
            return;
        }
        self.pairs.push(Pair {
            source: source.into(),
            target: target.into(),
        });
    }
}

/// The two sides of an object: by their names, or the two languages of `translation` in their order.
fn sides(object: &Map<String, Value>) -> Option<[&Value; 2]> {
    if let Some(Value::Object(languages)) = object.get("translation") {
        let mut sides = languages.values();
        return match (sides.next(), sides.next(), sides.next()) {
            (Some(source), Some(target), None) => Some([source, target]),
            _ => None,
        };
    }
    Some([object.get("source")?, object.get("target")?])
}

/// Whether what is called so belongs to the `fraction` that is set aside.
pub(crate) fn is_held_out(name: impl AsRef<[u8]>, fraction: f64) -> bool {
    // The remainder, since names that differ in their last byte only share the upper bits of their hash.
    const N_BUCKETS: u64 = 1_000_000;
    let bucket = fnv_1a(name.as_ref()) % N_BUCKETS;
    (bucket as f64) < fraction * N_BUCKETS as f64
}

/// FNV-1a, 64 bits <http://www.isthe.com/chongo/tech/comp/fnv/>: `hash = (hash xor byte) * prime` for every byte.
///
/// Written out because the standard library promises no stable hash, and a split must be the same for ever.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs};

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::{number_words, shared};

    fn read(files: &[&str]) -> Result<PairCorpus, DataError> {
        let folder = TempDir::new().unwrap();
        let paths: Vec<_> = (0..files.len())
            .map(|i| folder.path().join(format!("file{i}")))
            .collect();
        for (path, content) in paths.iter().zip(files) {
            fs::write(path, content).unwrap();
        }
        PairCorpus::read(&paths)
    }

    fn pair(source: &str, target: &str) -> Pair {
        Pair {
            source: source.into(),
            target: target.into(),
        }
    }

    #[test]
    fn lines_may_be_objects() {
        let lines = "{\"target\": \"deux\", \"source\": \"two \"}\n\n\
                     {\"translation\": {\"en\": \"one\", \"fr\": \"un\"}}\n{\"source\": \"\", \"target\": \"x\"}";
        let corpus = read(&[lines]).unwrap();
        assert_eq!(corpus.pairs, [pair("two", "deux"), pair("one", "un")]);
        assert_eq!(corpus.n_skipped, 1);
        let error = read(&["{\"translation\": {\"en\": \"one\"}}"]).unwrap_err();
        assert!(
            error.to_string().contains("`source` and `target`"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn a_split_never_puts_one_source_on_both_sides(
            sources in prop::collection::vec("[a-c]{1,2}", 0..40),
            fraction in 0.0..=1.0,
        ) {
            let pairs: Vec<_> = sources
                .iter()
                .enumerate()
                .map(|(i, source)| pair(source, &i.to_string()))
                .collect();
            let corpus = PairCorpus { pairs: pairs.clone(), n_skipped: 0 };
            let (train, validation) = corpus.split_by_source(fraction);
            let sources: HashSet<_> = train.iter().map(|pair| &pair.source).collect();
            prop_assert!(validation.iter().all(|pair| !sources.contains(&pair.source)));
            // Nothing is lost, and each side keeps the order of the corpus.
            let mut merged = [train.clone(), validation.clone()].concat();
            merged.sort_by_key(|pair| pair.target.parse::<usize>().unwrap());
            prop_assert_eq!(merged, pairs);
            let ordered = |side: &[Pair]| side.is_sorted_by_key(|pair| pair.target.parse::<usize>().unwrap());
            prop_assert!(ordered(&train) && ordered(&validation));
        }
    }

    #[test]
    fn a_split_takes_about_its_fraction_even_of_much_alike_sentences() {
        for fraction in [0.02, 0.1, 0.5] {
            let corpus = PairCorpus {
                pairs: number_words(0..10_000),
                n_skipped: 0,
            };
            let (_, validation) = corpus.split_by_source(fraction);
            let share = validation.len() as f64 / 10_000.0;
            // Five standard deviations of 10,000 independent draws.
            let tolerance = 5.0 * (fraction * (1.0 - fraction) / 10_000.0).sqrt();
            assert!(
                (share - fraction).abs() < tolerance,
                "{share} of {fraction}"
            );
        }
    }

    #[test]
    fn a_split_of_nothing_or_all_is_exact() {
        let corpus = || PairCorpus {
            pairs: number_words(0..100),
            n_skipped: 0,
        };
        assert!(corpus().split_by_source(0.0).1.is_empty());
        assert!(corpus().split_by_source(1.0).0.is_empty());
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn columns_are_trimmed_and_further_ones_ignored() {
        let corpus = read(&["Go.\tVa !\tCC-BY author\r\n  Hi. \t Salut ! \r\n"]).unwrap();
        assert_eq!(corpus.pairs, [pair("Go.", "Va !"), pair("Hi.", "Salut !")]);
        assert_eq!(corpus.n_skipped, 0);
    }

    #[test]
    fn pairs_with_an_empty_side_are_skipped_and_counted() {
        let corpus = read(&["a\tb\n\tb\na\t\n\n  \nc\td\n"]).unwrap();
        assert_eq!(corpus.pairs, [pair("a", "b"), pair("c", "d")]);
        assert_eq!(corpus.n_skipped, 4);
    }

    #[test]
    fn two_files_pair_line_by_line() {
        let corpus = read(&["one\r\n\r\nthree", "un\ndeux\ntrois\n"]).unwrap();
        assert_eq!(corpus.pairs, [pair("one", "un"), pair("three", "trois")]);
        assert_eq!(corpus.n_skipped, 1);
    }

    #[test]
    fn a_line_without_a_tab_is_located() {
        let error = read(&["a\tb\nno tab here\n"]).unwrap_err().to_string();
        assert!(
            error.ends_with("file0, line 2: found \"no tab here\", expected `source TAB target`"),
            "{error}"
        );
    }

    #[test]
    fn files_of_unequal_length_are_an_error_with_both_counts() {
        let error = read(&["one\ntwo\n", "un\n"]).unwrap_err().to_string();
        assert!(error.contains("file0 has 2 lines"), "{error}");
        assert!(error.contains("file1 has 1"), "{error}");
    }

    #[test]
    fn a_corpus_without_a_pair_is_an_error() {
        assert!(matches!(
            read(&[""]),
            Err(DataError::NoPairs { n_skipped: 0, .. })
        ));
        assert!(matches!(
            read(&["a\t\n\tb\n"]),
            Err(DataError::NoPairs { n_skipped: 2, .. })
        ));
    }

    #[test]
    fn neither_no_file_nor_three_make_pairs() {
        assert!(matches!(read(&[]), Err(DataError::PairFiles { .. })));
        assert!(matches!(
            read(&["a\tb", "a\tb", "a\tb"]),
            Err(DataError::PairFiles { paths }) if paths.len() == 3
        ));
    }

    #[test]
    fn tatoeba_reads_whole() {
        let Some(path) = shared::data("tatoeba_fra_eng/eng-fra.tsv.gz") else {
            return;
        };
        let corpus = PairCorpus::read(&[path]).unwrap();
        assert_eq!((corpus.pairs.len(), corpus.n_skipped), (139_938, 0));
    }
}
