//! Hugging Face's `marian`: the encoder-decoder of Vaswani et al. 2017 with one vocabulary and one embedding, as Marian NMT
//! trains it.

use hearth_data::TokenId;
use hearth_model::{
    EmbeddingConfig, Initialisation, NormPlacement, PositionEncoding, StackConfig, StackSize,
    TransformerConfig,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Exporter, Read, activation};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::names::Layout::{Row, Same, Transposed};
use crate::names::{NameTable, row};
use crate::special::{EndIds, SpecialTokens};

/// What PyTorch's `LayerNorm` adds by default; the config has no field for it.
const NORM_EPSILON: f64 = 1e-5;

/// The fields of `config.json` that matter, with Hugging Face's defaults. Dropping whole layers (`layerdrop`) is
/// training's affair.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    activation_dropout: f64,
    activation_function: String,
    attention_dropout: f64,
    bos_token_id: Option<TokenId>,
    d_model: usize,
    decoder_attention_heads: usize,
    decoder_ffn_dim: usize,
    decoder_layers: usize,
    decoder_start_token_id: Option<TokenId>,
    decoder_vocab_size: Option<usize>,
    dropout: f64,
    encoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    encoder_layers: usize,
    eos_token_id: EndIds,
    max_position_embeddings: usize,
    normalize_before: bool,
    pad_token_id: Option<TokenId>,
    scale_embedding: bool,
    share_encoder_decoder_embeddings: bool,
    tie_word_embeddings: bool,
    vocab_size: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            activation_dropout: 0.0,
            activation_function: "gelu".into(),
            attention_dropout: 0.0,
            bos_token_id: None,
            d_model: 1024,
            decoder_attention_heads: 16,
            decoder_ffn_dim: 4096,
            decoder_layers: 12,
            decoder_start_token_id: Some(58100),
            decoder_vocab_size: None,
            dropout: 0.1,
            encoder_attention_heads: 16,
            encoder_ffn_dim: 4096,
            encoder_layers: 12,
            eos_token_id: EndIds::One(0),
            max_position_embeddings: 1024,
            normalize_before: false,
            pad_token_id: Some(58100),
            scale_embedding: false,
            share_encoder_decoder_embeddings: true,
            tie_word_embeddings: true,
            vocab_size: 58101,
        }
    }
}

#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "",
    rows: &[
        row("model.shared.weight",                                      Same,       &["embedding.tokens.weight"]),
        row("final_logits_bias",                                        Row,        &["head.bias"]),

        row("model.encoder.layers.{}.self_attn.q_proj.weight",          Transposed, &["stacks.encoder.layers.{}.self_attention.query.weight"]),
        row("model.encoder.layers.{}.self_attn.q_proj.bias",            Same,       &["stacks.encoder.layers.{}.self_attention.query.bias"]),
        row("model.encoder.layers.{}.self_attn.k_proj.weight",          Transposed, &["stacks.encoder.layers.{}.self_attention.key.weight"]),
        row("model.encoder.layers.{}.self_attn.k_proj.bias",            Same,       &["stacks.encoder.layers.{}.self_attention.key.bias"]),
        row("model.encoder.layers.{}.self_attn.v_proj.weight",          Transposed, &["stacks.encoder.layers.{}.self_attention.value.weight"]),
        row("model.encoder.layers.{}.self_attn.v_proj.bias",            Same,       &["stacks.encoder.layers.{}.self_attention.value.bias"]),
        row("model.encoder.layers.{}.self_attn.out_proj.weight",        Transposed, &["stacks.encoder.layers.{}.self_attention.output.weight"]),
        row("model.encoder.layers.{}.self_attn.out_proj.bias",          Same,       &["stacks.encoder.layers.{}.self_attention.output.bias"]),
        row("model.encoder.layers.{}.self_attn_layer_norm.weight",      Same,       &["stacks.encoder.layers.{}.self_attention_norm.gamma"]),
        row("model.encoder.layers.{}.self_attn_layer_norm.bias",        Same,       &["stacks.encoder.layers.{}.self_attention_norm.beta"]),
        row("model.encoder.layers.{}.fc1.weight",                       Transposed, &["stacks.encoder.layers.{}.feed_forward.up.weight"]),
        row("model.encoder.layers.{}.fc1.bias",                         Same,       &["stacks.encoder.layers.{}.feed_forward.up.bias"]),
        row("model.encoder.layers.{}.fc2.weight",                       Transposed, &["stacks.encoder.layers.{}.feed_forward.down.weight"]),
        row("model.encoder.layers.{}.fc2.bias",                         Same,       &["stacks.encoder.layers.{}.feed_forward.down.bias"]),
        row("model.encoder.layers.{}.final_layer_norm.weight",          Same,       &["stacks.encoder.layers.{}.feed_forward_norm.gamma"]),
        row("model.encoder.layers.{}.final_layer_norm.bias",            Same,       &["stacks.encoder.layers.{}.feed_forward_norm.beta"]),

        row("model.decoder.layers.{}.self_attn.q_proj.weight",          Transposed, &["stacks.decoder.layers.{}.self_attention.query.weight"]),
        row("model.decoder.layers.{}.self_attn.q_proj.bias",            Same,       &["stacks.decoder.layers.{}.self_attention.query.bias"]),
        row("model.decoder.layers.{}.self_attn.k_proj.weight",          Transposed, &["stacks.decoder.layers.{}.self_attention.key.weight"]),
        row("model.decoder.layers.{}.self_attn.k_proj.bias",            Same,       &["stacks.decoder.layers.{}.self_attention.key.bias"]),
        row("model.decoder.layers.{}.self_attn.v_proj.weight",          Transposed, &["stacks.decoder.layers.{}.self_attention.value.weight"]),
        row("model.decoder.layers.{}.self_attn.v_proj.bias",            Same,       &["stacks.decoder.layers.{}.self_attention.value.bias"]),
        row("model.decoder.layers.{}.self_attn.out_proj.weight",        Transposed, &["stacks.decoder.layers.{}.self_attention.output.weight"]),
        row("model.decoder.layers.{}.self_attn.out_proj.bias",          Same,       &["stacks.decoder.layers.{}.self_attention.output.bias"]),
        row("model.decoder.layers.{}.self_attn_layer_norm.weight",      Same,       &["stacks.decoder.layers.{}.self_attention_norm.gamma"]),
        row("model.decoder.layers.{}.self_attn_layer_norm.bias",        Same,       &["stacks.decoder.layers.{}.self_attention_norm.beta"]),
        row("model.decoder.layers.{}.encoder_attn.q_proj.weight",       Transposed, &["stacks.decoder.layers.{}.cross_attention.query.weight"]),
        row("model.decoder.layers.{}.encoder_attn.q_proj.bias",         Same,       &["stacks.decoder.layers.{}.cross_attention.query.bias"]),
        row("model.decoder.layers.{}.encoder_attn.k_proj.weight",       Transposed, &["stacks.decoder.layers.{}.cross_attention.key.weight"]),
        row("model.decoder.layers.{}.encoder_attn.k_proj.bias",         Same,       &["stacks.decoder.layers.{}.cross_attention.key.bias"]),
        row("model.decoder.layers.{}.encoder_attn.v_proj.weight",       Transposed, &["stacks.decoder.layers.{}.cross_attention.value.weight"]),
        row("model.decoder.layers.{}.encoder_attn.v_proj.bias",         Same,       &["stacks.decoder.layers.{}.cross_attention.value.bias"]),
        row("model.decoder.layers.{}.encoder_attn.out_proj.weight",     Transposed, &["stacks.decoder.layers.{}.cross_attention.output.weight"]),
        row("model.decoder.layers.{}.encoder_attn.out_proj.bias",       Same,       &["stacks.decoder.layers.{}.cross_attention.output.bias"]),
        row("model.decoder.layers.{}.encoder_attn_layer_norm.weight",   Same,       &["stacks.decoder.layers.{}.cross_attention_norm.gamma"]),
        row("model.decoder.layers.{}.encoder_attn_layer_norm.bias",     Same,       &["stacks.decoder.layers.{}.cross_attention_norm.beta"]),
        row("model.decoder.layers.{}.fc1.weight",                       Transposed, &["stacks.decoder.layers.{}.feed_forward.up.weight"]),
        row("model.decoder.layers.{}.fc1.bias",                         Same,       &["stacks.decoder.layers.{}.feed_forward.up.bias"]),
        row("model.decoder.layers.{}.fc2.weight",                       Transposed, &["stacks.decoder.layers.{}.feed_forward.down.weight"]),
        row("model.decoder.layers.{}.fc2.bias",                         Same,       &["stacks.decoder.layers.{}.feed_forward.down.bias"]),
        row("model.decoder.layers.{}.final_layer_norm.weight",          Same,       &["stacks.decoder.layers.{}.feed_forward_norm.gamma"]),
        row("model.decoder.layers.{}.final_layer_norm.bias",            Same,       &["stacks.decoder.layers.{}.feed_forward_norm.beta"]),
    ],
    ignored: &[
        // Copies of model.shared.weight.
        "lm_head.weight",
        "model.encoder.embed_tokens.weight",
        "model.decoder.embed_tokens.weight",
        // The sinusoids.
        "model.encoder.embed_positions.weight",
        "model.decoder.embed_positions.weight",
    ],
};

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    let vocab = fields.vocab_size;
    file.require("normalize_before", &fields.normalize_before, &false)?;
    file.require(
        "share_encoder_decoder_embeddings",
        &fields.share_encoder_decoder_embeddings,
        &true,
    )?;
    file.require("tie_word_embeddings", &fields.tie_word_embeddings, &true)?;
    file.require(
        "decoder_vocab_size",
        &fields.decoder_vocab_size.unwrap_or(vocab),
        &vocab,
    )?;
    let Some(activation) = activation::named(&fields.activation_function) else {
        let found = format!("{:?}", fields.activation_function);
        return Err(file.refuse("activation_function", found, activation::all()));
    };
    let encoder = StackConfig {
        d_model: fields.d_model,
        n_heads: fields.encoder_attention_heads,
        n_layers: fields.encoder_layers,
        d_ff: fields.encoder_ffn_dim,
        activation,
        norm_epsilon: NORM_EPSILON,
        dropout: fields.dropout,
        attention_dropout: fields.attention_dropout,
        activation_dropout: fields.activation_dropout,
        ..StackConfig::post_norm(StackSize {
            d_model: 1,
            n_heads: 1,
            n_layers: 1,
        })
    };
    let config = TransformerConfig {
        embedding: EmbeddingConfig {
            vocab,
            d_model: fields.d_model,
            max_positions: fields.max_position_embeddings,
            positions: PositionEncoding::Sinusoidal,
            scale: fields.scale_embedding,
            dropout: fields.dropout,
        },
        decoder: StackConfig {
            n_heads: fields.decoder_attention_heads,
            n_layers: fields.decoder_layers,
            d_ff: fields.decoder_ffn_dim,
            cross_attention: true,
            ..encoder.clone()
        },
        encoder,
        tied: true,
        logits_bias: true,
        initialisation: Initialisation::Xavier,
    };
    let ends = Vec::from(fields.eos_token_id);
    let special = SpecialTokens {
        bos: fields.bos_token_id,
        eos: ends
            .into_iter()
            .filter_map(|id| file.unless_default("eos_token_id", Some(id), vocab))
            .collect(),
        pad: file.unless_default("pad_token_id", fields.pad_token_id, vocab),
        decoder_start: file.unless_default(
            "decoder_start_token_id",
            fields.decoder_start_token_id,
            vocab,
        ),
    };
    Ok((ModelConfig::Transformer(config), special))
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(
    exporter: Exporter,
    config: &ModelConfig,
    special: &SpecialTokens,
) -> Result<Value, HubError> {
    let ModelConfig::Transformer(config) = config else {
        return Err(exporter.refuse_architecture(config, "transformer"));
    };
    let (embedding, encoder, decoder) = (&config.embedding, &config.encoder, &config.decoder);
    exporter.require(
        "embedding.positions",
        &embedding.positions,
        &PositionEncoding::Sinusoidal,
    )?;
    exporter.require("tied", &config.tied, &true)?;
    exporter.require("logits_bias", &config.logits_bias, &true)?;
    exporter.require("encoder.cross_attention", &encoder.cross_attention, &false)?;
    exporter.require("decoder.cross_attention", &decoder.cross_attention, &true)?;
    for (name, stack) in [("encoder", encoder), ("decoder", decoder)] {
        exporter.require_plain(name, stack)?;
        let field = |field| format!("{name}.{field}");
        exporter.require(&field("norm"), &stack.norm, &NormPlacement::After)?;
        exporter.require(&field("final_norm"), &stack.final_norm, &false)?;
        exporter.require(&field("norm_epsilon"), &stack.norm_epsilon, &NORM_EPSILON)?;
        exporter.require(&field("activation"), &stack.activation, &encoder.activation)?;
        exporter.require(&field("dropout"), &stack.dropout, &embedding.dropout)?;
        exporter.require(
            &field("attention_dropout"),
            &stack.attention_dropout,
            &encoder.attention_dropout,
        )?;
        exporter.require(
            &field("activation_dropout"),
            &stack.activation_dropout,
            &encoder.activation_dropout,
        )?;
    }
    Ok(json!({
        "model_type": exporter.dialect.name(),
        "architectures": ["MarianMTModel"],
        "is_encoder_decoder": true,
        "vocab_size": embedding.vocab,
        "decoder_vocab_size": embedding.vocab,
        "d_model": embedding.d_model,
        "encoder_layers": encoder.n_layers,
        "encoder_attention_heads": encoder.n_heads,
        "encoder_ffn_dim": encoder.d_ff,
        "encoder_layerdrop": 0.0,
        "decoder_layers": decoder.n_layers,
        "decoder_attention_heads": decoder.n_heads,
        "decoder_ffn_dim": decoder.d_ff,
        "decoder_layerdrop": 0.0,
        "num_hidden_layers": encoder.n_layers,
        "max_position_embeddings": embedding.max_positions,
        "static_position_embeddings": true,
        "scale_embedding": embedding.scale,
        "share_encoder_decoder_embeddings": true,
        "tie_word_embeddings": true,
        "activation_function": activation::name(encoder.activation),
        "dropout": embedding.dropout,
        "attention_dropout": encoder.attention_dropout,
        "activation_dropout": encoder.activation_dropout,
        "bos_token_id": special.bos,
        "eos_token_id": EndIds::from(special.eos.as_slice()),
        "forced_eos_token_id": null,
        "pad_token_id": special.pad,
        "decoder_start_token_id": special.decoder_start,
        "torch_dtype": "float32",
    }))
}
