//! What a caller may ask of the decoder, and what it gets.

use crate::error::{InferError, known_tokens, option};
use crate::rules::Rules;
use crate::stop::StopStrings;
use hearth_data::TokenId;

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// The likeliest token, and the lowest id among equals.
    Greedy,
    /// A token drawn at random.
    Sample(Sampling),
    /// The likeliest text that a bounded search finds.
    Beam(BeamSearch),
}

/// Which distribution tokens are drawn from: the model's at a `temperature`, cut to its `top_k` likeliest tokens, of those
/// to the likeliest whose probabilities reach `top_p`, then by `min_p`, then by `typical_p`; in this order, as Hugging Face
/// does.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Divides the logits: below 1 sharpens, above 1 flattens. Positive and finite.
    pub temperature: f64,
    /// Keep this many of the likeliest tokens, the lowest ids among equals. Fan et al. 2018, §5.1
    /// <https://arxiv.org/abs/1805.04833>.
    pub top_k: Option<usize>,
    /// Keep the fewest of the likeliest tokens that have this much probability together. In `(0, 1]`. Holtzman et al.
    /// 2020, §3.1 <https://arxiv.org/abs/1904.09751>.
    pub top_p: Option<f64>,
    /// Keep the tokens that are at least this many times as likely as the likeliest. In `[0, 1]`. Nguyen et al. 2024, §3
    /// <https://arxiv.org/abs/2407.01082>.
    pub min_p: Option<f64>,
    /// Keep the tokens whose surprise is nearest to what is expected, until they have this much probability together. In
    /// `(0, 1]`. Meister et al. 2022, §3 <https://arxiv.org/abs/2202.00666>.
    pub typical_p: Option<f64>,
    /// Same seed, same text.
    pub seed: u64,
    /// The number of the first prompt's random stream; prompt `i` draws from stream `first_stream + i`, so that a text
    /// does not depend on which batch its prompt is in. Count on from batch to batch.
    pub first_stream: u64,
}

impl Sampling {
    /// Draws from the model's own distribution.
    pub fn new(seed: u64) -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            typical_p: None,
            seed,
            first_stream: 0,
        }
    }

    /// Whether tokens can be drawn this way.
    pub fn validate(&self) -> Result<(), InferError> {
        option(
            self.temperature > 0.0 && self.temperature.is_finite(),
            "temperature",
            self.temperature,
            "a finite number above 0 (ask for greedy decoding to take the likeliest token)",
        )?;
        if let Some(top_k) = self.top_k {
            option(top_k > 0, "top_k", top_k as f64, "at least 1")?;
        }
        for (field, mass) in [("top_p", self.top_p), ("typical_p", self.typical_p)] {
            let mass = mass.unwrap_or(1.0);
            let right = mass > 0.0 && mass <= 1.0;
            option(right, field, mass, "a probability above 0 and up to 1")?;
        }
        let min_p = self.min_p.unwrap_or(0.0);
        let right = (0.0..=1.0).contains(&min_p);
        option(right, "min_p", min_p, "a part from 0 to 1")
    }
}

/// When a beam search is over, by Hugging Face's names. In every case when no text is followed any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EarlyStopping {
    /// `True`: as soon as there are as many finished texts as beams.
    Yes,
    /// `False`: when moreover no followed text, were it to end now, would beat the worst of them.
    #[default]
    No,
    /// `"never"`: when moreover none would beat it at any length, as far as its log-probabilities can tell.
    Never,
}

/// Beam search, by Hugging Face's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct BeamSearch {
    /// How many texts are followed at once.
    pub width: usize,
    /// Finished texts compete by `sum of log-probabilities / tokens ^ length_penalty`: 0 favours short texts, 1 compares
    /// means, more favours long texts. Wu et al. 2016, §7 <https://arxiv.org/abs/1609.08144>, with the plain length in
    /// place of `(5 + length) / 6`.
    pub length_penalty: f64,
    /// When it is over.
    pub early_stopping: EarlyStopping,
    /// Into so many groups the beams are divided; each is searched apart, and is kept from the tokens that those before it
    /// have chosen at the same step. Diverse beam search, Vijayakumar et al. 2018 <https://arxiv.org/abs/1610.02424>.
    pub n_groups: usize,
    /// How strongly: this is subtracted from a token's log-probability, for every time that it was chosen, when candidates
    /// are ranked. Scores stay the model's.
    pub diversity_penalty: f64,
    /// How many texts are returned for each prompt; at most `width`.
    pub n_best: usize,
}

impl BeamSearch {
    /// The best text of `width` followed, by the mean of its log-probabilities.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::No,
            n_groups: 1,
            diversity_penalty: 0.0,
            n_best: 1,
        }
    }

    /// Whether this can be searched.
    pub fn validate(&self) -> Result<(), InferError> {
        option(self.width > 0, "width", self.width as f64, "at least 1")?;
        for (field, penalty) in [
            ("length_penalty", self.length_penalty),
            ("diversity_penalty", self.diversity_penalty),
        ] {
            option(penalty.is_finite(), field, penalty, "a finite number")?;
        }
        option(
            self.n_groups > 0 && self.width.is_multiple_of(self.n_groups),
            "n_groups",
            self.n_groups as f64,
            "a number that divides the width of the beam",
        )?;
        option(
            (1..=self.width).contains(&self.n_best),
            "n_best",
            self.n_best as f64,
            "at least 1 and at most the width of the beam",
        )
    }
}

/// Everything the decoder is told besides the prompts.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    /// How the next token is chosen.
    pub strategy: Strategy,
    /// What may be chosen.
    pub rules: Rules,
    /// The most tokens to write behind a prompt.
    pub max_new_tokens: usize,
    /// The tokens that end a text. Empty: texts end at their length only.
    pub eos: Vec<TokenId>,
    /// Strings that end a text.
    pub stop: Option<StopStrings>,
}

impl DecodeOptions {
    /// By no rules, and with no end but a text's length.
    pub fn new(strategy: Strategy, max_new_tokens: usize) -> Self {
        Self {
            strategy,
            rules: Rules::default(),
            max_new_tokens,
            eos: Vec::new(),
            stop: None,
        }
    }

    /// Whether a model with `vocab` tokens can decode this way.
    pub fn validate(&self, vocab: usize) -> Result<(), InferError> {
        let n = self.max_new_tokens;
        option(n > 0, "max_new_tokens", n as f64, "at least 1")?;
        known_tokens(&self.eos, vocab)?;
        self.rules.validate(vocab)?;
        match &self.strategy {
            Strategy::Greedy => Ok(()),
            Strategy::Sample(sampling) => sampling.validate(),
            Strategy::Beam(beam) => beam.validate(),
        }
    }
}

/// A text written behind a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The new tokens; an end token that ended the text is the last of them.
    pub ids: Vec<TokenId>,
    /// The sum of `log_probs`. Of a beam search, the sum of what the rules made of them, divided by
    /// `tokens ^ length_penalty`.
    pub score: f64,
    /// The natural logarithm of each token's probability under the model, before rules, temperature and cuts.
    pub log_probs: Vec<f32>,
    /// Why the text ends.
    pub finish: Finish,
}

/// Why a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// With an end token.
    Eos,
    /// With one of the strings that end a text, in which or behind which its last token ends.
    StopString,
    /// It has as many new tokens as were asked for.
    Length,
    /// Prompt and new tokens fill the model's positions.
    Context,
    /// The caller asked to stop.
    Stopped,
}

/// What the decoder tells while it works.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TokenEvent {
    /// The next token of a text, by greedy decoding or sampling: a caller can stream it.
    Chosen {
        /// Which prompt's text it belongs to.
        prompt: usize,
        /// The token.
        id: TokenId,
        /// The natural logarithm of its probability under the model.
        log_prob: f32,
    },
    /// A beam search has gone one token further; no token is certain before its end.
    Searched {
        /// How many tokens long the followed texts are.
        n_tokens: usize,
        /// How many prompts are still being searched.
        n_open: usize,
    },
}
