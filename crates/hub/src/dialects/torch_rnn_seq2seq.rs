//! The state dict of two `nn.Embedding`s, two `nn.LSTM`s or `nn.GRU`s and an `nn.Linear`: `encoder.embedding`, `encoder.rnn`,
//! `decoder.embedding`, `decoder.rnn` and `head`. The decoder starts from the encoder's last state.

use hearth_model::{RnnAttentionKind, RnnSeq2SeqConfig, RnnSize};
use serde::Deserialize;
use serde_json::{Value, json};

use super::torch_rnn_lm::{KINDS, kind};
use super::{Exporter, Read};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::names::Layout::{Same, Transposed};
use crate::names::{NameTable, row};
use crate::special::{EndIds, SpecialTokens};
use crate::vocabularies::Lists;
use hearth_data::TokenId;

/// The fields of `config.json`, named as the constructors' arguments are.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    rnn_type: Option<String>,
    attention: Option<String>,
    embedding_dim: Option<usize>,
    hidden_size: Option<usize>,
    num_layers: Option<usize>,
    bidirectional: bool,
    dropout: f64,
    tie_weights: bool,
    source_vocab_size: Option<usize>,
    target_vocab_size: Option<usize>,
    #[serde(flatten)]
    lists: Lists,
    max_target_length: Option<usize>,
    bos_token_id: Option<TokenId>,
    eos_token_id: EndIds,
    pad_token_id: Option<TokenId>,
}

#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "",
    rows: &[
        row("encoder.embedding.weight",     Same,       &["source.tokens.weight"]),
        row("encoder.rnn.weight_ih_l{}",    Transposed, &["encoder.layers.{}.forward.input.weight"]),
        row("encoder.rnn.bias_ih_l{}",      Same,       &["encoder.layers.{}.forward.input.bias"]),
        row("encoder.rnn.weight_hh_l{}",    Transposed, &["encoder.layers.{}.forward.hidden.weight"]),
        row("encoder.rnn.bias_hh_l{}",      Same,       &["encoder.layers.{}.forward.hidden.bias"]),
        row("decoder.embedding.weight",     Same,       &["embedding.tokens.weight"]),
        row("decoder.rnn.weight_ih_l{}",    Transposed, &["decoder.layers.{}.forward.input.weight"]),
        row("decoder.rnn.bias_ih_l{}",      Same,       &["decoder.layers.{}.forward.input.bias"]),
        row("decoder.rnn.weight_hh_l{}",    Transposed, &["decoder.layers.{}.forward.hidden.weight"]),
        row("decoder.rnn.bias_hh_l{}",      Same,       &["decoder.layers.{}.forward.hidden.bias"]),
        row("head.weight",                  Same,       &["head.weight"]),
        row("head.bias",                    Same,       &["head.bias"]),
    ],
    ignored: &[
        "head.weight",      // a copy of the decoder's embedding where the head is tied
    ],
};

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    file.require("bidirectional", &fields.bidirectional, &false)?;
    file.require("attention", &fields.attention, &None)?;
    let size = RnnSize {
        d_embedding: fields
            .embedding_dim
            .ok_or_else(|| file.lacks("embedding_dim"))?,
        d_hidden: fields
            .hidden_size
            .ok_or_else(|| file.lacks("hidden_size"))?,
        n_layers: fields.num_layers.ok_or_else(|| file.lacks("num_layers"))?,
    };
    let vocab = |list: &Option<Vec<String>>, size: Option<usize>, field| {
        let listed = list.as_ref().map(Vec::len);
        listed.or(size).ok_or_else(|| file.lacks(field))
    };
    let lists = &fields.lists;
    let vocabs = [
        vocab(
            &lists.source_vocab,
            fields.source_vocab_size,
            "source_vocab",
        )?,
        vocab(
            &lists.target_vocab,
            fields.target_vocab_size,
            "target_vocab",
        )?,
    ];
    let kind = kind(file, fields.rnn_type)?;
    let mut config = RnnSeq2SeqConfig::new(kind, RnnAttentionKind::None, vocabs, size);
    if let Some(length) = fields.max_target_length {
        config.embedding.max_positions = length;
    }
    config.source.dropout = fields.dropout;
    config.embedding.dropout = fields.dropout;
    config.encoder.dropout = fields.dropout;
    config.decoder.dropout = fields.dropout;
    config.tied = fields.tie_weights;
    let special = SpecialTokens {
        bos: fields.bos_token_id,
        eos: fields.eos_token_id.into(),
        pad: fields.pad_token_id,
        decoder_start: None,
    };
    Ok((ModelConfig::RnnSeq2Seq(config), special))
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(
    exporter: Exporter,
    config: &ModelConfig,
    special: &SpecialTokens,
) -> Result<Value, HubError> {
    let ModelConfig::RnnSeq2Seq(config) = config else {
        return Err(exporter.refuse_architecture(config, "rnn-seq2seq"));
    };
    let (source, embedding) = (&config.source, &config.embedding);
    let (encoder, decoder) = (&config.encoder, &config.decoder);
    let none = RnnAttentionKind::None;
    exporter.require("attention", &config.attention, &none)?;
    exporter.require("encoder.two_way", &encoder.two_way, &false)?;
    exporter.require("encoder", encoder, decoder)?;
    for (name, one) in [("source", source), ("embedding", embedding)] {
        let field = |field| format!("{name}.{field}");
        exporter.require(&field("scale"), &one.scale, &false)?;
        exporter.require(&field("dropout"), &one.dropout, &encoder.dropout)?;
        exporter.require(&field("d_model"), &one.d_model, &encoder.d_input)?;
    }
    exporter.require("decoder_start_token_id", &special.decoder_start, &None)?;
    let name = KINDS.iter().find(|(_, kind)| *kind == encoder.kind);
    let unbounded = RnnSeq2SeqConfig::tiny(encoder.kind, none, 1)
        .source
        .max_positions;
    exporter.require("source.max_positions", &source.max_positions, &unbounded)?;
    let length = Some(embedding.max_positions).filter(|&length| length != unbounded);
    Ok(json!({
        "model_type": exporter.dialect.name(),
        "rnn_type": name.map(|(name, _)| name),
        "attention": null,
        "source_vocab_size": source.vocab,
        "target_vocab_size": embedding.vocab,
        "embedding_dim": embedding.d_model,
        "hidden_size": encoder.d_hidden,
        "num_layers": encoder.n_layers,
        "dropout": encoder.dropout,
        "tie_weights": config.tied,
        "max_target_length": length,
        "bos_token_id": special.bos,
        "eos_token_id": EndIds::from(special.eos.as_slice()),
        "pad_token_id": special.pad,
    }))
}
