//! Hugging Face's `speech_to_text`: frames of sound to text, as fairseq's Speech2Text trains it.

use hearth_data::TokenId;
use hearth_model::{
    EmbeddingConfig, FrameEmbeddingConfig, Initialisation, NormPlacement, PositionEncoding,
    SpeechToTextConfig, StackConfig, StackSize,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Exporter, Read, activation};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::names::Layout::{Same, Transposed};
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
    conv_channels: usize,
    conv_kernel_sizes: Vec<usize>,
    d_model: usize,
    decoder_attention_heads: usize,
    decoder_ffn_dim: usize,
    decoder_layers: usize,
    decoder_start_token_id: Option<TokenId>,
    dropout: f64,
    encoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    encoder_layers: usize,
    eos_token_id: EndIds,
    input_channels: usize,
    input_feat_per_channel: usize,
    max_source_positions: usize,
    max_target_positions: usize,
    num_conv_layers: usize,
    pad_token_id: Option<TokenId>,
    scale_embedding: bool,
    tie_word_embeddings: bool,
    vocab_size: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            activation_dropout: 0.0,
            activation_function: "relu".into(),
            attention_dropout: 0.0,
            bos_token_id: Some(0),
            conv_channels: 1024,
            conv_kernel_sizes: vec![5, 5],
            d_model: 256,
            decoder_attention_heads: 4,
            decoder_ffn_dim: 2048,
            decoder_layers: 6,
            decoder_start_token_id: Some(2),
            dropout: 0.1,
            encoder_attention_heads: 4,
            encoder_ffn_dim: 2048,
            encoder_layers: 12,
            eos_token_id: EndIds::One(2),
            input_channels: 1,
            input_feat_per_channel: 80,
            max_source_positions: 6000,
            max_target_positions: 1024,
            num_conv_layers: 2,
            pad_token_id: Some(1),
            scale_embedding: true,
            tie_word_embeddings: true,
            vocab_size: 10000,
        }
    }
}

#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "",
    rows: &[
        row("model.decoder.embed_tokens.weight",                        Same,       &["embedding.tokens.weight"]),
        row("lm_head.weight",                                           Same,       &["head.weight"]),
        row("model.encoder.conv.conv_layers.{}.weight",                 Same,       &["frames.convolutions.{}.weight"]),
        row("model.encoder.conv.conv_layers.{}.bias",                   Same,       &["frames.convolutions.{}.bias"]),
        row("model.encoder.layer_norm.weight",                          Same,       &["stacks.encoder.final_norm.gamma"]),
        row("model.encoder.layer_norm.bias",                            Same,       &["stacks.encoder.final_norm.beta"]),
        row("model.decoder.layer_norm.weight",                          Same,       &["stacks.decoder.final_norm.gamma"]),
        row("model.decoder.layer_norm.bias",                            Same,       &["stacks.decoder.final_norm.beta"]),

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
        "lm_head.weight",                           // a copy of embed_tokens where the head is tied
        "model.encoder.embed_positions.weights",    // the sinusoids
        "model.decoder.embed_positions.weights",
        "model.encoder.embed_positions._float_tensor",
        "model.decoder.embed_positions._float_tensor",
    ],
};

/// The positions of the two sides.
///
/// Both are counted by fairseq's rule for tokens: one behind the id of the padding token, over what is no padding, which
/// itself gets zeros. A target is fed as its ids. A source is fed as its mask, 0 where there is sound and 1 where there is
/// none; so where the padding token is 0, all sound is taken for padding, and the encoder has no positions at all.
fn positions(pad: TokenId) -> (PositionEncoding, PositionEncoding) {
    let counted = PositionEncoding::Fairseq {
        first: pad as usize + 1,
    };
    match pad {
        0 => (PositionEncoding::None, counted),
        _ => (counted, counted),
    }
}

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    let vocab = fields.vocab_size;
    file.require("input_channels", &fields.input_channels, &1)?;
    file.require(
        "num_conv_layers",
        &fields.num_conv_layers,
        &fields.conv_kernel_sizes.len(),
    )?;
    let Some(pad) = fields.pad_token_id else {
        let expected = "a token id: positions are counted from it".into();
        return Err(file.refuse("pad_token_id", "null".into(), expected));
    };
    let Some(activation) = activation::named(&fields.activation_function) else {
        let found = format!("{:?}", fields.activation_function);
        return Err(file.refuse("activation_function", found, activation::all()));
    };
    let (source_positions, target_positions) = positions(pad);
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
        ..StackConfig::pre_norm(StackSize {
            d_model: 1,
            n_heads: 1,
            n_layers: 1,
        })
    };
    let config = SpeechToTextConfig {
        frames: FrameEmbeddingConfig {
            n_mels: fields.input_feat_per_channel,
            d_hidden: fields.conv_channels,
            kernels: fields.conv_kernel_sizes,
            d_model: fields.d_model,
            max_positions: fields.max_source_positions,
            positions: source_positions,
            scale: fields.scale_embedding,
            dropout: fields.dropout,
        },
        embedding: EmbeddingConfig {
            vocab,
            d_model: fields.d_model,
            max_positions: fields.max_target_positions,
            positions: target_positions,
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
        tied: fields.tie_word_embeddings,
        ctc: false,
        initialisation: Initialisation::Xavier,
    };
    let ends = Vec::from(fields.eos_token_id);
    let special = SpecialTokens {
        bos: file.unless_default("bos_token_id", fields.bos_token_id, vocab),
        eos: ends
            .into_iter()
            .filter_map(|id| file.unless_default("eos_token_id", Some(id), vocab))
            .collect(),
        pad: Some(pad),
        decoder_start: file.unless_default(
            "decoder_start_token_id",
            fields.decoder_start_token_id,
            vocab,
        ),
    };
    Ok((ModelConfig::SpeechToText(config), special))
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(
    exporter: Exporter,
    config: &ModelConfig,
    special: &SpecialTokens,
) -> Result<Value, HubError> {
    let ModelConfig::SpeechToText(config) = config else {
        return Err(exporter.refuse_architecture(config, "speech-to-text"));
    };
    let (frames, embedding) = (&config.frames, &config.embedding);
    let (encoder, decoder) = (&config.encoder, &config.decoder);
    exporter.require("ctc", &config.ctc, &false)?;
    let pad = pad(exporter, config, special)?;
    exporter.require("frames.scale", &frames.scale, &embedding.scale)?;
    exporter.require("frames.dropout", &frames.dropout, &embedding.dropout)?;
    exporter.require("encoder.cross_attention", &encoder.cross_attention, &false)?;
    exporter.require("decoder.cross_attention", &decoder.cross_attention, &true)?;
    for (name, stack) in [("encoder", encoder), ("decoder", decoder)] {
        exporter.require_plain(name, stack)?;
        let field = |field| format!("{name}.{field}");
        exporter.require(&field("norm"), &stack.norm, &NormPlacement::Before)?;
        exporter.require(&field("final_norm"), &stack.final_norm, &true)?;
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
        "architectures": ["Speech2TextForConditionalGeneration"],
        "is_encoder_decoder": true,
        "vocab_size": embedding.vocab,
        "d_model": embedding.d_model,
        "input_channels": 1,
        "input_feat_per_channel": frames.n_mels,
        "num_conv_layers": frames.kernels.len(),
        "conv_kernel_sizes": frames.kernels,
        "conv_channels": frames.d_hidden,
        "encoder_layers": encoder.n_layers,
        "encoder_attention_heads": encoder.n_heads,
        "encoder_ffn_dim": encoder.d_ff,
        "encoder_layerdrop": 0.0,
        "decoder_layers": decoder.n_layers,
        "decoder_attention_heads": decoder.n_heads,
        "decoder_ffn_dim": decoder.d_ff,
        "decoder_layerdrop": 0.0,
        "max_source_positions": frames.max_positions,
        "max_target_positions": embedding.max_positions,
        "scale_embedding": embedding.scale,
        "tie_word_embeddings": config.tied,
        "activation_function": activation::name(encoder.activation),
        "dropout": embedding.dropout,
        "attention_dropout": encoder.attention_dropout,
        "activation_dropout": encoder.activation_dropout,
        "bos_token_id": special.bos,
        "eos_token_id": EndIds::from(special.eos.as_slice()),
        "pad_token_id": pad,
        "decoder_start_token_id": special.decoder_start,
        "torch_dtype": "float32",
    }))
}

/// The padding token, which both sides' positions must be counted from.
fn pad(
    exporter: Exporter,
    config: &SpeechToTextConfig,
    special: &SpecialTokens,
) -> Result<TokenId, HubError> {
    let found = config.embedding.positions;
    let first = match found {
        PositionEncoding::Fairseq { first } => TokenId::try_from(first).unwrap_or(0),
        _ => 0,
    };
    let Some(pad) = first.checked_sub(1) else {
        let expected = "fairseq's, from 1 on".into();
        return Err(exporter.refuse("embedding.positions", format!("{found:?}"), expected));
    };
    // Where no token is named padding, the one that the positions tell is.
    exporter.require("pad_token_id", &special.pad.unwrap_or(pad), &pad)?;
    let (source, _) = positions(pad);
    exporter.require("frames.positions", &config.frames.positions, &source)?;
    Ok(pad)
}
