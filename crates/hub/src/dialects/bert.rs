//! Hugging Face's `bert`: `BertModel`, `BertForMaskedLM` and `BertForSequenceClassification`.

use hearth_data::TokenId;
use hearth_model::{
    BertConfig, ClassHeadConfig, EmbeddingConfig, Initialisation, MaskedHeadConfig, NormPlacement,
    Pooling, PositionEncoding, StackConfig, StackSize,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Exporter, Read, activation};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::labels::{LabelFields, SINGLE_LABEL};
use crate::names::Layout::{Same, Transposed};
use crate::names::{NameTable, row};
use crate::special::SpecialTokens;

/// What stands on the body, by the name of Hugging Face's class.
const BARE: &str = "BertModel";
const MASKED: &str = "BertForMaskedLM";
const CLASSIFIER: &str = "BertForSequenceClassification";

/// The fields of `config.json` that matter, with Hugging Face's defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    add_cross_attention: bool,
    architectures: Option<Vec<String>>,
    attention_probs_dropout_prob: f64,
    classifier_dropout: Option<f64>,
    hidden_act: String,
    hidden_dropout_prob: f64,
    hidden_size: usize,
    intermediate_size: usize,
    is_decoder: bool,
    layer_norm_eps: f64,
    max_position_embeddings: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    pad_token_id: Option<TokenId>,
    position_embedding_type: String,
    tie_word_embeddings: bool,
    type_vocab_size: usize,
    vocab_size: usize,
    #[serde(flatten)]
    labels: LabelFields,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            add_cross_attention: false,
            architectures: None,
            attention_probs_dropout_prob: 0.1,
            classifier_dropout: None,
            hidden_act: "gelu".into(),
            hidden_dropout_prob: 0.1,
            hidden_size: 768,
            intermediate_size: 3072,
            is_decoder: false,
            layer_norm_eps: 1e-12,
            max_position_embeddings: 512,
            num_attention_heads: 12,
            num_hidden_layers: 12,
            pad_token_id: Some(0),
            position_embedding_type: "absolute".into(),
            tie_word_embeddings: true,
            type_vocab_size: 2,
            vocab_size: 30522,
            labels: LabelFields::default(),
        }
    }
}

#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "bert.",
    rows: &[
        row("bert.embeddings.word_embeddings.weight",                    Same,       &["embedding.tokens.weight"]),
        row("bert.embeddings.position_embeddings.weight",                Same,       &["embedding.positions.learned.weight"]),
        row("bert.embeddings.token_type_embeddings.weight",              Same,       &["segments"]),
        row("bert.embeddings.LayerNorm.weight",                          Same,       &["embedding_norm.gamma"]),
        row("bert.embeddings.LayerNorm.bias",                            Same,       &["embedding_norm.beta"]),
        row("bert.encoder.layer.{}.attention.self.query.weight",         Transposed, &["encoder.layers.{}.self_attention.query.weight"]),
        row("bert.encoder.layer.{}.attention.self.query.bias",           Same,       &["encoder.layers.{}.self_attention.query.bias"]),
        row("bert.encoder.layer.{}.attention.self.key.weight",           Transposed, &["encoder.layers.{}.self_attention.key.weight"]),
        row("bert.encoder.layer.{}.attention.self.key.bias",             Same,       &["encoder.layers.{}.self_attention.key.bias"]),
        row("bert.encoder.layer.{}.attention.self.value.weight",         Transposed, &["encoder.layers.{}.self_attention.value.weight"]),
        row("bert.encoder.layer.{}.attention.self.value.bias",           Same,       &["encoder.layers.{}.self_attention.value.bias"]),
        row("bert.encoder.layer.{}.attention.output.dense.weight",       Transposed, &["encoder.layers.{}.self_attention.output.weight"]),
        row("bert.encoder.layer.{}.attention.output.dense.bias",         Same,       &["encoder.layers.{}.self_attention.output.bias"]),
        row("bert.encoder.layer.{}.attention.output.LayerNorm.weight",   Same,       &["encoder.layers.{}.self_attention_norm.gamma"]),
        row("bert.encoder.layer.{}.attention.output.LayerNorm.bias",     Same,       &["encoder.layers.{}.self_attention_norm.beta"]),
        row("bert.encoder.layer.{}.intermediate.dense.weight",           Transposed, &["encoder.layers.{}.feed_forward.up.weight"]),
        row("bert.encoder.layer.{}.intermediate.dense.bias",             Same,       &["encoder.layers.{}.feed_forward.up.bias"]),
        row("bert.encoder.layer.{}.output.dense.weight",                 Transposed, &["encoder.layers.{}.feed_forward.down.weight"]),
        row("bert.encoder.layer.{}.output.dense.bias",                   Same,       &["encoder.layers.{}.feed_forward.down.bias"]),
        row("bert.encoder.layer.{}.output.LayerNorm.weight",             Same,       &["encoder.layers.{}.feed_forward_norm.gamma"]),
        row("bert.encoder.layer.{}.output.LayerNorm.bias",               Same,       &["encoder.layers.{}.feed_forward_norm.beta"]),
        row("bert.pooler.dense.weight",                                  Transposed, &["pooler.weight"]),
        row("bert.pooler.dense.bias",                                    Same,       &["pooler.bias"]),
        row("cls.predictions.transform.dense.weight",                    Transposed, &["masked.transform.weight"]),
        row("cls.predictions.transform.dense.bias",                      Same,       &["masked.transform.bias"]),
        row("cls.predictions.transform.LayerNorm.weight",                Same,       &["masked.norm.gamma"]),
        row("cls.predictions.transform.LayerNorm.bias",                  Same,       &["masked.norm.beta"]),
        row("cls.predictions.decoder.weight",                            Same,       &["masked.head.weight"]),
        row("cls.predictions.bias",                                      Same,       &["masked.head.bias"]),
        row("classifier.weight",                                         Transposed, &["classes.linear.weight"]),
        row("classifier.bias",                                           Same,       &["classes.linear.bias"]),
    ],
    ignored: &[
        "bert.embeddings.position_ids",     // 0, 1, 2, …
        "cls.predictions.decoder.weight",   // a copy of word_embeddings where the head is tied
        "cls.predictions.decoder.bias",     // a copy of cls.predictions.bias
    ],
};

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    file.require("add_cross_attention", &fields.add_cross_attention, &false)?;
    file.require("is_decoder", &fields.is_decoder, &false)?;
    let absolute = "absolute".into();
    file.require(
        "position_embedding_type",
        &fields.position_embedding_type,
        &absolute,
    )?;
    let Some(activation) = activation::named(&fields.hidden_act) else {
        let found = format!("{:?}", fields.hidden_act);
        return Err(file.refuse("hidden_act", found, activation::all()));
    };
    let architectures = fields.architectures.unwrap_or_default();
    let shape = architectures.first().map_or(BARE, String::as_str);
    if ![BARE, MASKED, CLASSIFIER].contains(&shape) {
        let expected = format!("one of {BARE}, {MASKED}, {CLASSIFIER}");
        return Err(file.refuse("architectures", format!("{shape:?}"), expected));
    }
    let dropout = fields.hidden_dropout_prob;
    let classes = if shape == CLASSIFIER {
        Some(ClassHeadConfig {
            n_classes: fields.labels.n_classes(file)?,
            dropout: fields.classifier_dropout.unwrap_or(dropout),
        })
    } else {
        None
    };
    let config = BertConfig {
        embedding: EmbeddingConfig {
            vocab: fields.vocab_size,
            d_model: fields.hidden_size,
            max_positions: fields.max_position_embeddings,
            positions: PositionEncoding::Learned,
            scale: false,
            dropout,
        },
        n_segments: fields.type_vocab_size,
        convolution: None,
        encoder: StackConfig {
            d_model: fields.hidden_size,
            n_heads: fields.num_attention_heads,
            n_layers: fields.num_hidden_layers,
            d_ff: fields.intermediate_size,
            activation,
            norm_epsilon: fields.layer_norm_eps,
            dropout,
            attention_dropout: fields.attention_probs_dropout_prob,
            ..StackConfig::post_norm(StackSize {
                d_model: 1,
                n_heads: 1,
                n_layers: 1,
            })
        },
        pooling: Pooling::First,
        pooler: shape != MASKED,
        masked: (shape == MASKED).then_some(MaskedHeadConfig {
            tied: fields.tie_word_embeddings,
        }),
        classes,
        initialisation: Initialisation::Gpt2,
    };
    let special = SpecialTokens {
        pad: file.unless_default("pad_token_id", fields.pad_token_id, fields.vocab_size),
        ..SpecialTokens::default()
    };
    Ok((ModelConfig::Bert(config), special))
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(
    exporter: Exporter,
    config: &ModelConfig,
    special: &SpecialTokens,
) -> Result<Value, HubError> {
    let ModelConfig::Bert(config) = config else {
        return Err(exporter.refuse_architecture(config, "bert"));
    };
    let (embedding, encoder) = (&config.embedding, &config.encoder);
    let learned = PositionEncoding::Learned;
    exporter.require("embedding.positions", &embedding.positions, &learned)?;
    exporter.require("embedding.scale", &embedding.scale, &false)?;
    exporter.require("embedding.dropout", &embedding.dropout, &encoder.dropout)?;
    exporter.require_plain("encoder", encoder)?;
    exporter.require("encoder.norm", &encoder.norm, &NormPlacement::After)?;
    exporter.require("encoder.final_norm", &encoder.final_norm, &false)?;
    exporter.require("encoder.cross_attention", &encoder.cross_attention, &false)?;
    let activation_dropout = &encoder.activation_dropout;
    exporter.require("encoder.activation_dropout", activation_dropout, &0.0)?;
    let none = SpecialTokens {
        pad: special.pad,
        ..SpecialTokens::default()
    };
    exporter.require("the special tokens", special, &none)?;
    let shape = match (&config.masked, &config.classes) {
        (None, None) => BARE,
        (Some(_), None) => MASKED,
        (None, Some(_)) => CLASSIFIER,
        (Some(_), Some(_)) => {
            let found = "masked and classes".into();
            return Err(exporter.refuse("the head", found, "one of them".into()));
        }
    };
    exporter.require("convolution", &config.convolution, &None)?;
    exporter.require("pooling", &config.pooling, &Pooling::First)?;
    exporter.require("pooler", &config.pooler, &(shape != MASKED))?;
    let mut json = json!({
        "model_type": exporter.dialect.name(),
        "architectures": [shape],
        "vocab_size": embedding.vocab,
        "type_vocab_size": config.n_segments,
        "max_position_embeddings": embedding.max_positions,
        "position_embedding_type": "absolute",
        "hidden_size": encoder.d_model,
        "num_hidden_layers": encoder.n_layers,
        "num_attention_heads": encoder.n_heads,
        "intermediate_size": encoder.d_ff,
        "hidden_act": activation::name(encoder.activation),
        "hidden_dropout_prob": encoder.dropout,
        "attention_probs_dropout_prob": encoder.attention_dropout,
        "layer_norm_eps": encoder.norm_epsilon,
        "tie_word_embeddings": config.masked.as_ref().is_none_or(|head| head.tied),
        "pad_token_id": special.pad,
        "torch_dtype": "float32",
    });
    if let Some(classes) = &config.classes {
        json["classifier_dropout"] = json!(classes.dropout);
        json["problem_type"] = SINGLE_LABEL.into();
    }
    Ok(json)
}
