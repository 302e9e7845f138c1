//! The state dict of an `nn.Embedding`, an `nn.LSTM` or `nn.GRU` and an `nn.Linear`, under the names `embedding`, `rnn` and
//! `head`, as PyTorch's example of word language models has them but for their names.

use hearth_model::{RnnKind, RnnLmConfig, RnnSize};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Exporter, Read};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::names::Layout::{Same, Transposed};
use crate::names::{NameTable, row};
use crate::special::{EndIds, SpecialTokens};
use hearth_data::TokenId;

pub(super) const KINDS: [(&str, RnnKind); 2] = [("LSTM", RnnKind::Lstm), ("GRU", RnnKind::Gru)];

/// The fields of `config.json`, named as the constructors' arguments are.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    rnn_type: Option<String>,
    vocab_size: Option<usize>,
    embedding_dim: Option<usize>,
    hidden_size: Option<usize>,
    num_layers: Option<usize>,
    bidirectional: bool,
    dropout: f64,
    tie_weights: bool,
    bos_token_id: Option<TokenId>,
    eos_token_id: EndIds,
    pad_token_id: Option<TokenId>,
}

#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "",
    rows: &[
        row("embedding.weight",     Same,       &["embedding.tokens.weight"]),
        row("rnn.weight_ih_l{}",    Transposed, &["rnn.layers.{}.forward.input.weight"]),
        row("rnn.bias_ih_l{}",      Same,       &["rnn.layers.{}.forward.input.bias"]),
        row("rnn.weight_hh_l{}",    Transposed, &["rnn.layers.{}.forward.hidden.weight"]),
        row("rnn.bias_hh_l{}",      Same,       &["rnn.layers.{}.forward.hidden.bias"]),
        row("head.weight",          Same,       &["head.weight"]),
        row("head.bias",            Same,       &["head.bias"]),
    ],
    ignored: &[
        "head.weight",      // a copy of the embedding where the head is tied
    ],
};

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    file.require("bidirectional", &fields.bidirectional, &false)?;
    let kind = kind(file, fields.rnn_type)?;
    let size = RnnSize {
        d_embedding: fields
            .embedding_dim
            .ok_or_else(|| file.lacks("embedding_dim"))?,
        d_hidden: fields
            .hidden_size
            .ok_or_else(|| file.lacks("hidden_size"))?,
        n_layers: fields.num_layers.ok_or_else(|| file.lacks("num_layers"))?,
    };
    let vocab = fields.vocab_size.ok_or_else(|| file.lacks("vocab_size"))?;
    let mut config = RnnLmConfig::new(kind, vocab, size);
    config.embedding.dropout = fields.dropout;
    config.rnn.dropout = fields.dropout;
    config.tied = fields.tie_weights;
    let special = SpecialTokens {
        bos: fields.bos_token_id,
        eos: fields.eos_token_id.into(),
        pad: fields.pad_token_id,
        decoder_start: None,
    };
    Ok((ModelConfig::RnnLm(config), special))
}

/// The cells of PyTorch's name.
pub(super) fn kind(file: &ConfigFile, rnn_type: Option<String>) -> Result<RnnKind, HubError> {
    let rnn_type = rnn_type.ok_or_else(|| file.lacks("rnn_type"))?;
    match KINDS.iter().find(|(name, _)| *name == rnn_type) {
        Some(&(_, kind)) => Ok(kind),
        None => {
            let found = format!("{rnn_type:?}");
            Err(file.refuse("rnn_type", found, "one of LSTM, GRU".into()))
        }
    }
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(
    exporter: Exporter,
    config: &ModelConfig,
    special: &SpecialTokens,
) -> Result<Value, HubError> {
    let ModelConfig::RnnLm(config) = config else {
        return Err(exporter.refuse_architecture(config, "rnn-lm"));
    };
    let (embedding, rnn) = (&config.embedding, &config.rnn);
    exporter.require("embedding.scale", &embedding.scale, &false)?;
    exporter.require("embedding.dropout", &embedding.dropout, &rnn.dropout)?;
    let default = RnnLmConfig::tiny(rnn.kind, 1).embedding.max_positions;
    exporter.require(
        "embedding.max_positions",
        &embedding.max_positions,
        &default,
    )?;
    exporter.require("decoder_start_token_id", &special.decoder_start, &None)?;
    let name = KINDS.iter().find(|(_, kind)| *kind == rnn.kind);
    Ok(json!({
        "model_type": exporter.dialect.name(),
        "rnn_type": name.map(|(name, _)| name),
        "vocab_size": embedding.vocab,
        "embedding_dim": embedding.d_model,
        "hidden_size": rnn.d_hidden,
        "num_layers": rnn.n_layers,
        "dropout": rnn.dropout,
        "tie_weights": config.tied,
        "bos_token_id": special.bos,
        "eos_token_id": EndIds::from(special.eos.as_slice()),
        "pad_token_id": special.pad,
    }))
}
