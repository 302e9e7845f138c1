//! Byte-level byte pair encoding, the tokenizer of GPT-2 and most that came after.

use tokenizers::{
    AddedToken,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::byte_level::ByteLevel,
    processors::template::TemplateProcessing,
};

use super::{Tokenizer, cuts};
use crate::DataError;

/// What a byte-level BPE tokenizer is trained for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpeOptions {
    /// The number of tokens wanted, special ones and the 256 bytes included. A small text yields fewer.
    pub vocab: usize,
    /// How often two tokens must stand side by side to become one.
    pub min_frequency: u64,
    /// Which special tokens come first.
    pub special: SpecialScheme,
}

/// The special tokens of a tokenizer, which have its first ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialScheme {
    /// For running text: `<|endoftext|>` is 0, and encoding adds nothing.
    Text,
    /// For sentence pairs: `<pad>` is 0, `<s>` 1, `</s>` 2, and [`Tokenizer::encode`] ends each sentence in `</s>`.
    Pair,
    /// For texts that are read: `[PAD]` is 0, `[CLS]` 1, `[SEP]` 2, `[MASK]` 3, and [`Tokenizer::encode`] puts a text between
    /// `[CLS]` and `[SEP]`.
    Encoder,
}

impl SpecialScheme {
    pub(super) fn tokens(self) -> Vec<AddedToken> {
        let tokens: &[&str] = match self {
            Self::Text => &["<|endoftext|>"],
            Self::Pair => &["<pad>", "<s>", "</s>"],
            Self::Encoder => &["[PAD]", "[CLS]", "[SEP]", "[MASK]"],
        };
        let special = |&token: &&str| AddedToken::from(token, true);
        tokens.iter().map(special).collect()
    }

    /// What puts them around a text.
    pub(super) fn around(self) -> tokenizers::Result<Option<TemplateProcessing>> {
        match self {
            Self::Text => Ok(None),
            Self::Pair => end_in("</s>", 2).map(Some),
            Self::Encoder => between(("[CLS]", 1), ("[SEP]", 2)).map(Some),
        }
    }
}

impl Tokenizer {
    /// Trains a byte-level BPE tokenizer: from the 256 bytes, the most frequent neighbours become a token, again and
    /// again, within words only.
    ///
    /// Sennrich et al. 2016, §3.2 <https://arxiv.org/abs/1508.07909>, on bytes and with the word borders of Radford et
    /// al. 2019 (GPT-2), §2.2. Any text can be encoded, and decoding restores it exactly. The same texts always
    /// give the same tokenizer.
    ///
    /// # Errors
    ///
    /// The vocabulary wanted is smaller than the special tokens and the 256 bytes.
    pub fn train_bpe<'a>(
        texts: impl Iterator<Item = &'a str> + Send,
        options: &BpeOptions,
    ) -> Result<Self, DataError> {
        let special = options.special.tokens();
        let minimum = 256 + special.len();
        if options.vocab < minimum {
            return Err(DataError::VocabTooSmall {
                vocab: options.vocab,
                minimum,
            });
        }

        let mut inner = tokenizers::Tokenizer::new(BPE::default());
        let (add_prefix_space, trim_offsets, use_regex) = (false, true, true);
        let byte_level = ByteLevel::new(add_prefix_space, trim_offsets, use_regex);
        inner
            .with_pre_tokenizer(Some(byte_level))
            .with_decoder(Some(byte_level));
        let trainer = BpeTrainer::builder()
            .vocab_size(options.vocab)
            .min_frequency(options.min_frequency)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(special)
            .show_progress(false)
            .build();
        let error = |source| DataError::Tokenize {
            action: "be trained",
            source,
        };
        // Words are counted piece by piece, which the cuts do not change: a long text never has to be copied whole.
        let pieces = texts.flat_map(|text| cuts::cut(text, cuts::PIECE_BYTES));
        inner
            .train(&mut TrainerWrapper::BpeTrainer(trainer), pieces)
            .map_err(error)?;
        let around = options.special.around().map_err(error)?;
        inner.with_post_processor(around);
        Ok(Self::new(inner))
    }
}

/// Puts a special token behind every sentence.
fn end_in(token: &str, id: u32) -> tokenizers::Result<TemplateProcessing> {
    Ok(TemplateProcessing::builder()
        .try_single(format!("$A {token}"))?
        .try_pair(format!("$A {token} $B:1 {token}:1"))?
        .special_tokens(vec![(token, id)])
        .build()?)
}

/// Puts special tokens around every text.
fn between(
    (first, first_id): (&str, u32),
    (last, last_id): (&str, u32),
) -> tokenizers::Result<TemplateProcessing> {
    Ok(TemplateProcessing::builder()
        .try_single(format!("{first} $A {last}"))?
        .try_pair(format!("{first} $A {last} $B:1 {last}:1"))?
        .special_tokens(vec![(first, first_id), (last, last_id)])
        .build()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TextCorpus, cicero, shared};

    fn train(text: &str, vocab: usize, special: SpecialScheme) -> Tokenizer {
        let options = BpeOptions {
            vocab,
            min_frequency: 2,
            special,
        };
        Tokenizer::train_bpe([text].into_iter(), &options).unwrap()
    }

    #[test]
    fn special_tokens_come_first() {
        let tokenizer = train(cicero(), 400, SpecialScheme::Text);
        assert_eq!(tokenizer.id("<|endoftext|>"), Some(0));
        let tokenizer = train(cicero(), 400, SpecialScheme::Pair);
        let ids = ["<pad>", "<s>", "</s>"].map(|token| tokenizer.id(token));
        assert_eq!(ids, [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn a_text_that_is_read_stands_between_its_two_tokens() {
        let tokenizer = train(cicero(), 400, SpecialScheme::Encoder);
        let ids = tokenizer.encode("quo [MASK]").unwrap();
        assert_eq!((ids[0], ids.last()), (1, Some(&2)));
        assert_eq!(ids[ids.len() - 2], 3);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "quo ");
    }

    #[test]
    fn a_sentence_of_a_pair_ends_in_its_end_token() {
        let tokenizer = train(cicero(), 400, SpecialScheme::Pair);
        let ids = tokenizer.encode("quo usque").unwrap();
        assert_eq!(ids.last(), Some(&2));
        assert_eq!(
            ids[..ids.len() - 1],
            tokenizer.encode_plain("quo usque").unwrap()
        );
        assert_eq!(tokenizer.encode("").unwrap(), [2]);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "quo usque");
        assert_eq!(
            tokenizer.decode_with_special(&ids).unwrap(),
            "quo usque</s>"
        );
    }

    #[test]
    fn a_running_text_gets_no_special_token() {
        let tokenizer = train(cicero(), 400, SpecialScheme::Text);
        assert_eq!(
            tokenizer.encode("quo usque").unwrap(),
            tokenizer.encode_plain("quo usque").unwrap()
        );
    }

    #[test]
    fn a_special_token_written_out_is_encoded_as_itself() {
        let tokenizer = train(cicero(), 400, SpecialScheme::Text);
        let ids = tokenizer.encode_plain("a<|endoftext|>b").unwrap();
        assert_eq!(ids.len(), 3);
        assert_eq!(ids[1], 0);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "ab");
        assert_eq!(
            tokenizer.decode_with_special(&ids).unwrap(),
            "a<|endoftext|>b"
        );
    }

    #[test]
    fn the_vocabulary_is_as_large_as_wanted_if_the_text_yields_it() {
        assert_eq!(train(cicero(), 500, SpecialScheme::Pair).vocab(), 500);
        assert_eq!(train("aa aa", 500, SpecialScheme::Pair).vocab(), 260);
        assert_eq!(train("", 500, SpecialScheme::Text).vocab(), 257);
    }

    #[test]
    fn a_vocabulary_without_room_for_the_bytes_is_refused() {
        for (vocab, special) in [(256, SpecialScheme::Text), (258, SpecialScheme::Pair)] {
            let options = BpeOptions {
                vocab,
                min_frequency: 0,
                special,
            };
            let error = Tokenizer::train_bpe(["text"].into_iter(), &options).unwrap_err();
            assert!(
                matches!(error, DataError::VocabTooSmall { minimum, .. } if minimum == vocab + 1)
            );
        }
    }

    #[test]
    fn training_twice_gives_the_same_tokenizer() {
        let json = || train(cicero(), 600, SpecialScheme::Text).to_json().unwrap();
        assert_eq!(json(), json());
    }

    #[test]
    fn frequent_words_become_one_token() {
        let tokenizer = train(cicero(), 1000, SpecialScheme::Text);
        assert_eq!(tokenizer.encode(" voluptatem").unwrap().len(), 1);
    }

    #[test]
    fn cutting_a_real_text_changes_no_id() {
        let Some(path) = shared::data("tinyshakespeare/input.txt.gz") else {
            return;
        };
        let corpus = TextCorpus::read(&[path]).unwrap();
        let tokenizer = train(corpus.text(), 1000, SpecialScheme::Text);
        let ids = tokenizer.encode_plain(corpus.text()).unwrap();
        let library = tokenizer.inner.encode_fast(corpus.text(), false).unwrap();
        assert_eq!(ids, library.get_ids());
        assert_eq!(tokenizer.decode(&ids).unwrap(), corpus.text());
    }
}
