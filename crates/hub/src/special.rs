//! The tokens that have a part of their own: begin, end, padding, the decoder's first.

use std::path::Path;

use hearth_data::TokenId;
use serde::{Deserialize, Serialize};

use crate::error::HubError;

/// The tokens that decoding needs to know, as `config.json` names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// What a text begins with.
    pub bos: Option<TokenId>,
    /// What a text ends in; any of these ends it.
    pub eos: Vec<TokenId>,
    /// What fills a batch up.
    pub pad: Option<TokenId>,
    /// What an encoder-decoder's target begins with.
    pub decoder_start: Option<TokenId>,
}

impl SpecialTokens {
    /// Refuses a token that the model has no row for.
    pub(crate) fn check(&self, vocab: usize, path: &Path) -> Result<(), HubError> {
        let named = [
            ("bos_token_id", self.bos),
            ("pad_token_id", self.pad),
            ("decoder_start_token_id", self.decoder_start),
        ];
        let single = named
            .into_iter()
            .filter_map(|(field, id)| Some((field, id?)));
        let ends = self.eos.iter().map(|&id| ("eos_token_id", id));
        match single.chain(ends).find(|&(_, id)| id as usize >= vocab) {
            Some((field, found)) => Err(HubError::SpecialToken {
                path: path.into(),
                field,
                found,
                vocab,
            }),
            None => Ok(()),
        }
    }
}

/// Hugging Face's `eos_token_id`: null, one number, or a list of them.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "expected a token id, a list of token ids or null"
)]
pub(crate) enum EndIds {
    One(TokenId),
    Many(Vec<TokenId>),
    #[default]
    None,
}

impl From<EndIds> for Vec<TokenId> {
    fn from(ids: EndIds) -> Self {
        match ids {
            EndIds::One(id) => vec![id],
            EndIds::Many(ids) => ids,
            EndIds::None => Vec::new(),
        }
    }
}

impl From<&[TokenId]> for EndIds {
    fn from(ids: &[TokenId]) -> Self {
        match ids {
            [] => Self::None,
            &[id] => Self::One(id),
            ids => Self::Many(ids.into()),
        }
    }
}
