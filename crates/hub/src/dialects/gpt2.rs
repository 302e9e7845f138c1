//! Hugging Face's `gpt2`: GPT-2's language model, and any [`Gpt`](hearth_model::Gpt) built like it.

use hearth_data::TokenId;
use hearth_model::{
    EmbeddingConfig, GptConfig, Initialisation, NormPlacement, PositionEncoding, StackConfig,
    StackSize,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Exporter, Read, activation};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::names::Layout::Same;
use crate::names::{NameTable, row};
use crate::special::{EndIds, SpecialTokens};

/// The fields of `config.json` that matter, with Hugging Face's defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    activation_function: String,
    add_cross_attention: bool,
    attn_pdrop: f64,
    bos_token_id: Option<TokenId>,
    embd_pdrop: f64,
    eos_token_id: EndIds,
    layer_norm_epsilon: f64,
    n_embd: usize,
    n_head: usize,
    n_inner: Option<usize>,
    n_layer: usize,
    n_positions: usize,
    pad_token_id: Option<TokenId>,
    resid_pdrop: f64,
    scale_attn_by_inverse_layer_idx: bool,
    scale_attn_weights: bool,
    tie_word_embeddings: bool,
    vocab_size: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            activation_function: "gelu_new".into(),
            add_cross_attention: false,
            attn_pdrop: 0.1,
            bos_token_id: Some(50256),
            embd_pdrop: 0.1,
            eos_token_id: EndIds::One(50256),
            layer_norm_epsilon: 1e-5,
            n_embd: 768,
            n_head: 12,
            n_inner: None,
            n_layer: 12,
            n_positions: 1024,
            pad_token_id: None,
            resid_pdrop: 0.1,
            scale_attn_by_inverse_layer_idx: false,
            scale_attn_weights: true,
            tie_word_embeddings: true,
            vocab_size: 50257,
        }
    }
}

/// Hugging Face's `Conv1D` lies as Burn's `Linear` does, `[d_input, d_output]`.
#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "transformer.",
    rows: &[
        row("transformer.wte.weight",               Same, &["embedding.tokens.weight"]),
        row("transformer.wpe.weight",               Same, &["embedding.positions.learned.weight"]),
        row("transformer.h.{}.ln_1.weight",         Same, &["decoder.layers.{}.self_attention_norm.gamma"]),
        row("transformer.h.{}.ln_1.bias",           Same, &["decoder.layers.{}.self_attention_norm.beta"]),
        row("transformer.h.{}.attn.c_attn.weight",  Same, &["decoder.layers.{}.self_attention.query.weight",
                                                            "decoder.layers.{}.self_attention.key.weight",
                                                            "decoder.layers.{}.self_attention.value.weight"]),
        row("transformer.h.{}.attn.c_attn.bias",    Same, &["decoder.layers.{}.self_attention.query.bias",
                                                            "decoder.layers.{}.self_attention.key.bias",
                                                            "decoder.layers.{}.self_attention.value.bias"]),
        row("transformer.h.{}.attn.c_proj.weight",  Same, &["decoder.layers.{}.self_attention.output.weight"]),
        row("transformer.h.{}.attn.c_proj.bias",    Same, &["decoder.layers.{}.self_attention.output.bias"]),
        row("transformer.h.{}.ln_2.weight",         Same, &["decoder.layers.{}.feed_forward_norm.gamma"]),
        row("transformer.h.{}.ln_2.bias",           Same, &["decoder.layers.{}.feed_forward_norm.beta"]),
        row("transformer.h.{}.mlp.c_fc.weight",     Same, &["decoder.layers.{}.feed_forward.up.weight"]),
        row("transformer.h.{}.mlp.c_fc.bias",       Same, &["decoder.layers.{}.feed_forward.up.bias"]),
        row("transformer.h.{}.mlp.c_proj.weight",   Same, &["decoder.layers.{}.feed_forward.down.weight"]),
        row("transformer.h.{}.mlp.c_proj.bias",     Same, &["decoder.layers.{}.feed_forward.down.bias"]),
        row("transformer.ln_f.weight",              Same, &["decoder.final_norm.gamma"]),
        row("transformer.ln_f.bias",                Same, &["decoder.final_norm.beta"]),
        row("lm_head.weight",                       Same, &["head.weight"]),
    ],
    ignored: &[
        "lm_head.weight",                       // a copy of wte where the head is tied
        "transformer.h.{}.attn.bias",           // the causal mask
        "transformer.h.{}.attn.masked_bias",    // what it hides with
    ],
};

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    file.require("add_cross_attention", &fields.add_cross_attention, &false)?;
    file.require(
        "scale_attn_by_inverse_layer_idx",
        &fields.scale_attn_by_inverse_layer_idx,
        &false,
    )?;
    file.require("scale_attn_weights", &fields.scale_attn_weights, &true)?;
    let Some(activation) = activation::named(&fields.activation_function) else {
        let found = format!("{:?}", fields.activation_function);
        return Err(file.refuse("activation_function", found, activation::all()));
    };
    let size = StackSize {
        d_model: fields.n_embd,
        n_heads: fields.n_head,
        n_layers: fields.n_layer,
    };
    let config = GptConfig {
        embedding: EmbeddingConfig {
            vocab: fields.vocab_size,
            d_model: fields.n_embd,
            max_positions: fields.n_positions,
            positions: PositionEncoding::Learned,
            scale: false,
            dropout: fields.embd_pdrop,
        },
        decoder: StackConfig {
            d_model: fields.n_embd,
            d_ff: fields
                .n_inner
                .unwrap_or_else(|| fields.n_embd.saturating_mul(4)),
            activation,
            norm_epsilon: fields.layer_norm_epsilon,
            dropout: fields.resid_pdrop,
            attention_dropout: fields.attn_pdrop,
            ..StackConfig::pre_norm(StackSize { d_model: 1, ..size })
        },
        tied: fields.tie_word_embeddings,
        initialisation: Initialisation::Gpt2,
    };
    let vocab = fields.vocab_size;
    let ends = Vec::from(fields.eos_token_id);
    let special = SpecialTokens {
        bos: file.unless_default("bos_token_id", fields.bos_token_id, vocab),
        eos: ends
            .into_iter()
            .filter_map(|id| file.unless_default("eos_token_id", Some(id), vocab))
            .collect(),
        pad: fields.pad_token_id,
        decoder_start: None,
    };
    Ok((ModelConfig::Gpt(config), special))
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(
    exporter: Exporter,
    config: &ModelConfig,
    special: &SpecialTokens,
) -> Result<Value, HubError> {
    let ModelConfig::Gpt(config) = config else {
        return Err(exporter.refuse_architecture(config, "gpt"));
    };
    let (embedding, decoder) = (&config.embedding, &config.decoder);
    exporter.require(
        "embedding.positions",
        &embedding.positions,
        &PositionEncoding::Learned,
    )?;
    exporter.require("embedding.scale", &embedding.scale, &false)?;
    exporter.require_plain("decoder", decoder)?;
    exporter.require("decoder.norm", &decoder.norm, &NormPlacement::Before)?;
    exporter.require("decoder.final_norm", &decoder.final_norm, &true)?;
    exporter.require("decoder.cross_attention", &decoder.cross_attention, &false)?;
    exporter.require(
        "decoder.activation_dropout",
        &decoder.activation_dropout,
        &0.0,
    )?;
    exporter.require("decoder_start_token_id", &special.decoder_start, &None)?;
    let n_inner = Some(decoder.d_ff).filter(|&d_ff| Some(d_ff) != decoder.d_model.checked_mul(4));
    Ok(json!({
        "model_type": exporter.dialect.name(),
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": embedding.vocab,
        "n_positions": embedding.max_positions,
        "n_embd": decoder.d_model,
        "n_layer": decoder.n_layers,
        "n_head": decoder.n_heads,
        "n_inner": n_inner,
        "activation_function": activation::name(decoder.activation),
        "resid_pdrop": decoder.dropout,
        "embd_pdrop": embedding.dropout,
        "attn_pdrop": decoder.attention_dropout,
        "layer_norm_epsilon": decoder.norm_epsilon,
        "tie_word_embeddings": config.tied,
        "bos_token_id": special.bos,
        "eos_token_id": EndIds::from(special.eos.as_slice()),
        "pad_token_id": special.pad,
        "torch_dtype": "float32",
    }))
}
