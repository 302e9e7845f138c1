//! What a recurrent encoder-decoder is made from.

use crate::embedding::EmbeddingConfig;
use crate::error::ConfigError;
use crate::gpt::same_width;
use crate::initialisation::Initialisation;
use crate::positions::PositionEncoding;
use crate::rnn::{RnnConfig, RnnKind};
use crate::rnn_attention::RnnAttentionKind;
use crate::rnn_lm::{RnnSize, UNBOUNDED};
use serde::{Deserialize, Serialize};

/// What an [`RnnSeq2Seq`](crate::RnnSeq2Seq) is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RnnSeq2SeqConfig {
    /// The source's tokens; positions are none, since a state is fed them in order.
    pub source: EmbeddingConfig,
    /// The target's tokens, of a vocabulary of their own.
    pub embedding: EmbeddingConfig,
    /// The layers that read.
    pub encoder: RnnConfig,
    /// The layers that write: as many, of the same cells.
    pub decoder: RnnConfig,
    /// How the decoder looks at the source.
    pub attention: RnnAttentionKind,
    /// Whether the head shares the target embedding's matrix.
    pub tied: bool,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

impl RnnSeq2SeqConfig {
    /// A model of the given size without dropout, which reads one way, its head apart from its embedding.
    pub fn new(
        kind: RnnKind,
        attention: RnnAttentionKind,
        [source_vocab, vocab]: [usize; 2],
        size: RnnSize,
    ) -> Self {
        let embedding = |vocab| EmbeddingConfig {
            vocab,
            d_model: size.d_embedding,
            max_positions: UNBOUNDED,
            positions: PositionEncoding::None,
            scale: false,
            dropout: 0.0,
        };
        let encoder = RnnConfig {
            kind,
            d_input: size.d_embedding,
            d_hidden: size.d_hidden,
            n_layers: size.n_layers,
            two_way: false,
            dropout: 0.0,
        };
        let mut config = Self {
            source: embedding(source_vocab),
            embedding: embedding(vocab),
            decoder: encoder.clone(),
            encoder,
            attention,
            tied: false,
            initialisation: Initialisation::Xavier,
        };
        config.decoder.d_input = config.d_decoder_input();
        config
    }

    /// With an encoder that reads from both ends.
    pub fn two_way(mut self) -> Self {
        self.encoder.two_way = true;
        self.decoder.d_input = self.d_decoder_input();
        self
    }

    /// One vocabulary, two layers, 16 wide: for tests and first steps.
    pub fn tiny(kind: RnnKind, attention: RnnAttentionKind, vocab: usize) -> Self {
        let size = RnnSize {
            d_embedding: 16,
            d_hidden: 16,
            n_layers: 2,
        };
        Self::new(kind, attention, [vocab, vocab], size)
    }

    /// What a step of the decoder reads: a token, and behind additive attention what was seen.
    fn d_decoder_input(&self) -> usize {
        let seen = match self.attention {
            RnnAttentionKind::Additive => self.encoder.d_output(),
            RnnAttentionKind::None | RnnAttentionKind::Multiplicative => 0,
        };
        self.embedding.d_model.saturating_add(seen)
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for embedding in [&self.source, &self.embedding] {
            embedding.validate()?;
            if embedding.positions != PositionEncoding::None {
                return Err(ConfigError::Positions);
            }
        }
        self.encoder.validate()?;
        self.decoder.validate()?;
        if self.decoder.two_way {
            return Err(ConfigError::TwoWay);
        }
        if (self.encoder.kind, self.encoder.n_layers) != (self.decoder.kind, self.decoder.n_layers)
        {
            return Err(ConfigError::Cells);
        }
        let d_input = self.source.d_model;
        same_width("encoder.d_input", self.encoder.d_input, d_input)?;
        let d_input = self.d_decoder_input();
        same_width("decoder.d_input", self.decoder.d_input, d_input)?;
        if self.tied {
            let d_model = self.embedding.d_model;
            same_width("decoder.d_hidden", self.decoder.d_hidden, d_model)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_config_is_refused() {
        let good = RnnSeq2SeqConfig::tiny(RnnKind::Gru, RnnAttentionKind::Additive, 11);
        assert_eq!(good.validate(), Ok(()));
        let mut bad = good.clone();
        bad.encoder.two_way = true;
        let expected = |found, expected| ConfigError::Width {
            field: "decoder.d_input",
            found,
            expected,
        };
        assert_eq!(bad.validate(), Err(expected(32, 48)));
        let mut bad = good.clone();
        bad.decoder.n_layers = 1;
        assert_eq!(bad.validate(), Err(ConfigError::Cells));
        let mut bad = good;
        bad.decoder.two_way = true;
        assert_eq!(bad.validate(), Err(ConfigError::TwoWay));
    }
}
