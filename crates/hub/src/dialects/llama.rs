//! Hugging Face's `llama` and `mistral`: LLaMA's language model, and the same with a sliding window.

use hearth_data::TokenId;
use hearth_model::{
    Biases, EmbeddingConfig, GptConfig, Initialisation, NormKind, NormPlacement, PositionEncoding,
    RelativePositions, RotaryConfig, StackConfig, StackSize,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Dialect, Exporter, Read, activation, rope};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::names::Layout::{Same, Transposed};
use crate::names::{NameTable, row};
use crate::special::{EndIds, SpecialTokens};

/// The fields of `config.json` that matter, with the defaults that both dialects share.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    attention_bias: bool,
    attention_dropout: f64,
    bos_token_id: Option<TokenId>,
    eos_token_id: EndIds,
    head_dim: Option<usize>,
    hidden_act: String,
    hidden_size: usize,
    intermediate_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    mlp_bias: bool,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    num_key_value_heads: Option<usize>,
    pad_token_id: Option<i64>,
    pretraining_tp: usize,
    rms_norm_eps: f64,
    #[serde(flatten)]
    rope: rope::Fields,
    sliding_window: Option<usize>,
    tie_word_embeddings: bool,
    vocab_size: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            attention_bias: false,
            attention_dropout: 0.0,
            bos_token_id: Some(1),
            eos_token_id: EndIds::One(2),
            head_dim: None,
            hidden_act: "silu".into(),
            hidden_size: 4096,
            intermediate_size: None,
            max_position_embeddings: None,
            mlp_bias: false,
            num_attention_heads: 32,
            num_hidden_layers: 32,
            num_key_value_heads: None,
            pad_token_id: None,
            pretraining_tp: 1,
            rms_norm_eps: 1e-6,
            rope: rope::Fields::default(),
            sliding_window: None,
            tie_word_embeddings: false,
            vocab_size: 32000,
        }
    }
}

#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "model.",
    rows: &[
        row("model.embed_tokens.weight",                            Same,       &["embedding.tokens.weight"]),
        row("model.layers.{}.input_layernorm.weight",               Same,       &["decoder.layers.{}.self_attention_norm.gamma"]),
        row("model.layers.{}.self_attn.q_proj.weight",              Transposed, &["decoder.layers.{}.self_attention.query.weight"]),
        row("model.layers.{}.self_attn.q_proj.bias",                Same,       &["decoder.layers.{}.self_attention.query.bias"]),
        row("model.layers.{}.self_attn.k_proj.weight",              Transposed, &["decoder.layers.{}.self_attention.key.weight"]),
        row("model.layers.{}.self_attn.k_proj.bias",                Same,       &["decoder.layers.{}.self_attention.key.bias"]),
        row("model.layers.{}.self_attn.v_proj.weight",              Transposed, &["decoder.layers.{}.self_attention.value.weight"]),
        row("model.layers.{}.self_attn.v_proj.bias",                Same,       &["decoder.layers.{}.self_attention.value.bias"]),
        row("model.layers.{}.self_attn.o_proj.weight",              Transposed, &["decoder.layers.{}.self_attention.output.weight"]),
        row("model.layers.{}.self_attn.o_proj.bias",                Same,       &["decoder.layers.{}.self_attention.output.bias"]),
        row("model.layers.{}.post_attention_layernorm.weight",      Same,       &["decoder.layers.{}.feed_forward_norm.gamma"]),
        row("model.layers.{}.mlp.gate_proj.weight",                 Transposed, &["decoder.layers.{}.feed_forward.gate.weight"]),
        row("model.layers.{}.mlp.gate_proj.bias",                   Same,       &["decoder.layers.{}.feed_forward.gate.bias"]),
        row("model.layers.{}.mlp.up_proj.weight",                   Transposed, &["decoder.layers.{}.feed_forward.up.weight"]),
        row("model.layers.{}.mlp.up_proj.bias",                     Same,       &["decoder.layers.{}.feed_forward.up.bias"]),
        row("model.layers.{}.mlp.down_proj.weight",                 Transposed, &["decoder.layers.{}.feed_forward.down.weight"]),
        row("model.layers.{}.mlp.down_proj.bias",                   Same,       &["decoder.layers.{}.feed_forward.down.bias"]),
        row("model.norm.weight",                                    Same,       &["decoder.final_norm.gamma"]),
        row("lm_head.weight",                                       Same,       &["head.weight"]),
    ],
    ignored: &[
        "lm_head.weight",                                   // a copy of embed_tokens where the head is tied
        "model.layers.{}.self_attn.rotary_emb.inv_freq",    // the frequencies
    ],
};

pub(super) fn read(file: &ConfigFile, dialect: Dialect) -> Read {
    let fields: Fields = file.fields()?;
    // It splits products without changing their results, but for what is rounded.
    file.require("pretraining_tp", &fields.pretraining_tp, &1)?;
    let is_mistral = dialect == Dialect::Mistral;
    if is_mistral {
        file.require("attention_bias", &fields.attention_bias, &false)?;
        file.require("mlp_bias", &fields.mlp_bias, &false)?;
    } else {
        file.require("sliding_window", &fields.sliding_window, &None)?;
    }
    let Some(activation) = activation::named(&fields.hidden_act) else {
        let found = format!("{:?}", fields.hidden_act);
        return Err(file.refuse("hidden_act", found, activation::all()));
    };
    // Where the libraries' defaults differ.
    let (d_ff, max_positions, n_kv_heads, window) = match dialect {
        Dialect::Mistral => (14_336, 131_072, Some(8), Some(4096)),
        _ => (11_008, 2048, None, None),
    };
    let max_positions = fields.max_position_embeddings.unwrap_or(max_positions);
    let window = if file.get("sliding_window").is_some() {
        fields.sliding_window
    } else {
        window
    };
    let size = StackSize {
        d_model: fields.hidden_size,
        n_heads: fields.num_attention_heads,
        n_layers: fields.num_hidden_layers,
    };
    let rotary = rope::read(file, &fields.rope, max_positions)?;
    let config = GptConfig {
        embedding: EmbeddingConfig {
            vocab: fields.vocab_size,
            d_model: fields.hidden_size,
            max_positions,
            positions: PositionEncoding::None,
            scale: false,
            dropout: 0.0,
        },
        decoder: StackConfig {
            d_model: fields.hidden_size,
            n_kv_heads: fields.num_key_value_heads.or(n_kv_heads),
            d_head: fields.head_dim,
            d_ff: fields.intermediate_size.unwrap_or(d_ff),
            activation,
            biases: Biases {
                attention_input: fields.attention_bias,
                attention_output: fields.attention_bias,
                feed_forward: fields.mlp_bias,
            },
            positions: RelativePositions::Rotary(rotary),
            window,
            norm_epsilon: fields.rms_norm_eps,
            attention_dropout: fields.attention_dropout,
            ..StackConfig::llama(StackSize { d_model: 1, ..size })
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
        // LLaMA's first releases say -1 where there is none.
        pad: fields.pad_token_id.and_then(|id| id.try_into().ok()),
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
    let rotary = rotary(exporter, config)?;
    exporter.require("decoder_start_token_id", &special.decoder_start, &None)?;
    let is_mistral = exporter.dialect == Dialect::Mistral;
    let mut json = json!({
        "model_type": exporter.dialect.name(),
        "architectures": [if is_mistral { "MistralForCausalLM" } else { "LlamaForCausalLM" }],
        "vocab_size": embedding.vocab,
        "max_position_embeddings": embedding.max_positions,
        "hidden_size": decoder.d_model,
        "intermediate_size": decoder.d_ff,
        "num_hidden_layers": decoder.n_layers,
        "num_attention_heads": decoder.n_heads,
        "num_key_value_heads": decoder.n_kv_heads(),
        "head_dim": decoder.d_head(),
        "hidden_act": activation::name(decoder.activation),
        "rms_norm_eps": decoder.norm_epsilon,
        "attention_dropout": decoder.attention_dropout,
        "tie_word_embeddings": config.tied,
        "bos_token_id": special.bos,
        "eos_token_id": EndIds::from(special.eos.as_slice()),
        "pad_token_id": special.pad,
        "torch_dtype": "float32",
    });
    let Biases {
        attention_input,
        attention_output,
        feed_forward,
    } = decoder.biases;
    exporter.require(
        "decoder.biases.attention_output",
        &attention_output,
        &attention_input,
    )?;
    if is_mistral {
        exporter.require("decoder.biases", &decoder.biases, &Biases::NONE)?;
        json["sliding_window"] = json!(decoder.window);
    } else {
        exporter.require("decoder.window", &decoder.window, &None)?;
        json["attention_bias"] = json!(attention_input);
        json["mlp_bias"] = json!(feed_forward);
    }
    rope::write(&mut json, &rotary);
    Ok(json)
}

/// The rotary positions of a model that is LLaMA's in everything else.
fn rotary(exporter: Exporter, config: &GptConfig) -> Result<RotaryConfig, HubError> {
    let (embedding, decoder) = (&config.embedding, &config.decoder);
    let positions = &embedding.positions;
    exporter.require("embedding.positions", positions, &PositionEncoding::None)?;
    exporter.require("embedding.scale", &embedding.scale, &false)?;
    exporter.require("embedding.dropout", &embedding.dropout, &0.0)?;
    exporter.require("decoder.norm", &decoder.norm, &NormPlacement::Before)?;
    exporter.require("decoder.norm_kind", &decoder.norm_kind, &NormKind::Rms)?;
    exporter.require("decoder.final_norm", &decoder.final_norm, &true)?;
    exporter.require("decoder.gated", &decoder.gated, &true)?;
    exporter.require("decoder.cross_attention", &decoder.cross_attention, &false)?;
    exporter.require("decoder.dropout", &decoder.dropout, &0.0)?;
    let dropout = &decoder.activation_dropout;
    exporter.require("decoder.activation_dropout", dropout, &0.0)?;
    match decoder.positions {
        RelativePositions::Rotary(rotary) => Ok(rotary),
        positions => Err(exporter.refuse(
            "decoder.positions",
            format!("{positions:?}"),
            "rotary positions".into(),
        )),
    }
}
