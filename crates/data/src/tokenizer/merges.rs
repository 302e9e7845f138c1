//! The merges of a byte-pair tokenizer, to be applied with some of them left out: BPE-dropout.
//!
//! One word then has many spellings, and a model learns what its parts mean. Provilkov, Emelianenko and Voita 2020
//! <https://arxiv.org/abs/1910.13267>. The tokenizer library has it too, but draws from a generator that nobody can seed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use tokenizers::ModelWrapper;

use super::{TokenId, Tokenizer};

/// The merges of a tokenizer. A clone costs nothing.
#[derive(Debug, Clone)]
pub struct Merges(Arc<Tables>);

#[derive(Debug)]
struct Tables {
    /// For two neighbours, the rank of their merge and what they become.
    of: HashMap<(TokenId, TokenId), (usize, TokenId)>,
    /// For a token that is a merge's result, its two halves.
    halves: HashMap<TokenId, (TokenId, TokenId)>,
}

impl Tokenizer {
    /// The merges of this tokenizer; none if it is of another kind.
    pub fn merges(&self) -> Option<Merges> {
        let ModelWrapper::BPE(model) = self.inner.get_model() else {
            return None;
        };
        // The library keeps them to itself; what it saves is public.
        let saved = serde_json::to_value(model).ok()?;
        let prefix = saved["continuing_subword_prefix"].as_str().unwrap_or("");
        let vocab = saved["vocab"].as_object()?;
        let id = |token: &str| Some(vocab.get(token)?.as_u64()? as TokenId);
        let (mut of, mut halves, mut used) = (HashMap::new(), HashMap::new(), HashSet::new());
        for (rank, merge) in saved["merges"].as_array()?.iter().enumerate() {
            let (left, right) = sides(merge)?;
            let whole = format!("{left}{}", right.strip_prefix(prefix).unwrap_or(right));
            let (left, right, whole) = (id(left)?, id(right)?, id(&whole)?);
            of.insert((left, right), (rank, whole));
            used.extend([left, right]);
            // What was a part before it was a whole stays whole: so no token is a part of itself, whatever a file says.
            if !used.contains(&whole) {
                halves.entry(whole).or_insert((left, right));
            }
        }
        Some(Merges(Arc::new(Tables { of, halves })))
    }
}

/// A merge is written as a list of two, and was written as one text with a blank.
fn sides(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(text) => text.split_once(' '),
        _ => Some((merge[0].as_str()?, merge[1].as_str()?)),
    }
}

impl Merges {
    /// The ids of a word when some merges are left out: from its letters, the merge of the lowest rank among those that are not
    /// left out, again and again until none is there.
    ///
    /// - `word`: the ids of one word, however it is cut
    /// - `leave_out`: asked for each merge at each turn; if it never says so, the word is what the tokenizer makes of it
    pub fn spell(&self, word: &[TokenId], mut leave_out: impl FnMut() -> bool) -> Vec<TokenId> {
        let tables = &*self.0;
        let mut ids = Vec::with_capacity(2 * word.len());
        for &id in word {
            self.push_letters(id, &mut ids);
        }
        loop {
            let neighbours = ids.windows(2).enumerate();
            let merge = |(at, two): (usize, &[TokenId])| {
                let &(rank, whole) = tables.of.get(&(two[0], two[1]))?;
                (!leave_out()).then_some((rank, at, whole))
            };
            let Some((_, at, whole)) = neighbours.filter_map(merge).min() else {
                return ids;
            };
            ids[at] = whole;
            ids.remove(at + 1);
        }
    }

    /// What a token was made from.
    fn push_letters(&self, id: TokenId, ids: &mut Vec<TokenId>) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            match self.0.halves.get(&id) {
                Some(&(left, right)) => waiting.extend([right, left]),
                None => ids.push(id),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BpeOptions, SpecialScheme, cicero};

    fn tokenizer() -> Tokenizer {
        let options = BpeOptions {
            vocab: 600,
            min_frequency: 2,
            special: SpecialScheme::Text,
        };
        Tokenizer::train_bpe([cicero()].into_iter(), &options).unwrap()
    }

    #[test]
    fn with_all_merges_a_word_is_what_the_tokenizer_makes_of_it() {
        let tokenizer = tokenizer();
        let merges = tokenizer.merges().unwrap();
        let text = &tokenizer.encode_words(&[&cicero()[..4000]]).unwrap()[0];
        assert!(text.words.len() > 500);
        for word in &text.words {
            let ids = &text.ids[word.start as usize..word.end as usize];
            assert_eq!(merges.spell(ids, || false), ids);
        }
    }

    #[test]
    fn without_some_merges_the_letters_stay() {
        let tokenizer = tokenizer();
        let merges = tokenizer.merges().unwrap();
        let word = tokenizer.encode("voluptatem").unwrap();
        let letters = merges.spell(&word, || true);
        assert_eq!(letters.len(), "voluptatem".len());
        for one_in in 2..9 {
            let mut asked = 0;
            let spelled = merges.spell(&word, || {
                asked += 1;
                asked % one_in == 0
            });
            assert_eq!(tokenizer.decode(&spelled).unwrap(), "voluptatem");
            assert!((word.len()..=letters.len()).contains(&spelled.len()));
        }
    }

    #[test]
    fn a_token_that_claims_to_be_a_part_of_itself_is_a_letter() {
        let json = r#"{"model": {"type": "BPE", "vocab": {"a": 0, "": 1, "ab": 2, "b": 3}, "merges": [["a", ""], ["a", "b"], ["ab", ""]]}}"#;
        let merges = Tokenizer::from_json(json).unwrap().merges().unwrap();
        assert_eq!(merges.spell(&[2, 0], || true), [0, 3, 0]);
    }

    #[test]
    fn a_tokenizer_without_merges_has_none() {
        assert!(
            Tokenizer::train_characters("abc")
                .unwrap()
                .merges()
                .is_none()
        );
    }
}
