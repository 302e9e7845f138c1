//! `torch.nn.Transformer`: its constructor's arguments as `config.json`, its state dict as tensors.

use hearth_model::{
    Activation, EncoderDecoderConfig, Initialisation, NormPlacement, StackConfig, StackSize,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Exporter, Read};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::names::Layout::{Same, Transposed};
use crate::names::{NameTable, row};
use crate::special::SpecialTokens;

/// The arguments that matter, with PyTorch's defaults. `batch_first` says how inputs lie, not what is computed.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    activation: String,
    bias: bool,
    d_model: usize,
    dim_feedforward: usize,
    dropout: f64,
    layer_norm_eps: f64,
    nhead: usize,
    norm_first: bool,
    num_decoder_layers: usize,
    num_encoder_layers: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            activation: "relu".into(),
            bias: true,
            d_model: 512,
            dim_feedforward: 2048,
            dropout: 0.1,
            layer_norm_eps: 1e-5,
            nhead: 8,
            norm_first: false,
            num_decoder_layers: 6,
            num_encoder_layers: 6,
        }
    }
}

const ACTIVATIONS: [(&str, Activation); 2] =
    [("relu", Activation::Relu), ("gelu", Activation::Gelu)];

/// The prefix is that of a model with the module as its field `transformer`.
#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "transformer.",
    rows: &[
        row("transformer.encoder.layers.{}.self_attn.in_proj_weight",       Transposed, &["encoder.layers.{}.self_attention.query.weight",
                                                                                          "encoder.layers.{}.self_attention.key.weight",
                                                                                          "encoder.layers.{}.self_attention.value.weight"]),
        row("transformer.encoder.layers.{}.self_attn.in_proj_bias",         Same,       &["encoder.layers.{}.self_attention.query.bias",
                                                                                          "encoder.layers.{}.self_attention.key.bias",
                                                                                          "encoder.layers.{}.self_attention.value.bias"]),
        row("transformer.encoder.layers.{}.self_attn.out_proj.weight",      Transposed, &["encoder.layers.{}.self_attention.output.weight"]),
        row("transformer.encoder.layers.{}.self_attn.out_proj.bias",        Same,       &["encoder.layers.{}.self_attention.output.bias"]),
        row("transformer.encoder.layers.{}.norm1.weight",                   Same,       &["encoder.layers.{}.self_attention_norm.gamma"]),
        row("transformer.encoder.layers.{}.norm1.bias",                     Same,       &["encoder.layers.{}.self_attention_norm.beta"]),
        row("transformer.encoder.layers.{}.linear1.weight",                 Transposed, &["encoder.layers.{}.feed_forward.up.weight"]),
        row("transformer.encoder.layers.{}.linear1.bias",                   Same,       &["encoder.layers.{}.feed_forward.up.bias"]),
        row("transformer.encoder.layers.{}.linear2.weight",                 Transposed, &["encoder.layers.{}.feed_forward.down.weight"]),
        row("transformer.encoder.layers.{}.linear2.bias",                   Same,       &["encoder.layers.{}.feed_forward.down.bias"]),
        row("transformer.encoder.layers.{}.norm2.weight",                   Same,       &["encoder.layers.{}.feed_forward_norm.gamma"]),
        row("transformer.encoder.layers.{}.norm2.bias",                     Same,       &["encoder.layers.{}.feed_forward_norm.beta"]),
        row("transformer.encoder.norm.weight",                              Same,       &["encoder.final_norm.gamma"]),
        row("transformer.encoder.norm.bias",                                Same,       &["encoder.final_norm.beta"]),

        row("transformer.decoder.layers.{}.self_attn.in_proj_weight",       Transposed, &["decoder.layers.{}.self_attention.query.weight",
                                                                                          "decoder.layers.{}.self_attention.key.weight",
                                                                                          "decoder.layers.{}.self_attention.value.weight"]),
        row("transformer.decoder.layers.{}.self_attn.in_proj_bias",         Same,       &["decoder.layers.{}.self_attention.query.bias",
                                                                                          "decoder.layers.{}.self_attention.key.bias",
                                                                                          "decoder.layers.{}.self_attention.value.bias"]),
        row("transformer.decoder.layers.{}.self_attn.out_proj.weight",      Transposed, &["decoder.layers.{}.self_attention.output.weight"]),
        row("transformer.decoder.layers.{}.self_attn.out_proj.bias",        Same,       &["decoder.layers.{}.self_attention.output.bias"]),
        row("transformer.decoder.layers.{}.norm1.weight",                   Same,       &["decoder.layers.{}.self_attention_norm.gamma"]),
        row("transformer.decoder.layers.{}.norm1.bias",                     Same,       &["decoder.layers.{}.self_attention_norm.beta"]),
        row("transformer.decoder.layers.{}.multihead_attn.in_proj_weight",  Transposed, &["decoder.layers.{}.cross_attention.query.weight",
                                                                                          "decoder.layers.{}.cross_attention.key.weight",
                                                                                          "decoder.layers.{}.cross_attention.value.weight"]),
        row("transformer.decoder.layers.{}.multihead_attn.in_proj_bias",    Same,       &["decoder.layers.{}.cross_attention.query.bias",
                                                                                          "decoder.layers.{}.cross_attention.key.bias",
                                                                                          "decoder.layers.{}.cross_attention.value.bias"]),
        row("transformer.decoder.layers.{}.multihead_attn.out_proj.weight", Transposed, &["decoder.layers.{}.cross_attention.output.weight"]),
        row("transformer.decoder.layers.{}.multihead_attn.out_proj.bias",   Same,       &["decoder.layers.{}.cross_attention.output.bias"]),
        row("transformer.decoder.layers.{}.norm2.weight",                   Same,       &["decoder.layers.{}.cross_attention_norm.gamma"]),
        row("transformer.decoder.layers.{}.norm2.bias",                     Same,       &["decoder.layers.{}.cross_attention_norm.beta"]),
        row("transformer.decoder.layers.{}.linear1.weight",                 Transposed, &["decoder.layers.{}.feed_forward.up.weight"]),
        row("transformer.decoder.layers.{}.linear1.bias",                   Same,       &["decoder.layers.{}.feed_forward.up.bias"]),
        row("transformer.decoder.layers.{}.linear2.weight",                 Transposed, &["decoder.layers.{}.feed_forward.down.weight"]),
        row("transformer.decoder.layers.{}.linear2.bias",                   Same,       &["decoder.layers.{}.feed_forward.down.bias"]),
        row("transformer.decoder.layers.{}.norm3.weight",                   Same,       &["decoder.layers.{}.feed_forward_norm.gamma"]),
        row("transformer.decoder.layers.{}.norm3.bias",                     Same,       &["decoder.layers.{}.feed_forward_norm.beta"]),
        row("transformer.decoder.norm.weight",                              Same,       &["decoder.final_norm.gamma"]),
        row("transformer.decoder.norm.bias",                                Same,       &["decoder.final_norm.beta"]),
    ],
    ignored: &[],
};

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    file.require("bias", &fields.bias, &true)?;
    let Some(&(_, activation)) = ACTIVATIONS
        .iter()
        .find(|(name, _)| *name == fields.activation)
    else {
        let found = format!("{:?}", fields.activation);
        return Err(file.refuse("activation", found, "one of relu, gelu".into()));
    };
    let encoder = StackConfig {
        d_model: fields.d_model,
        n_heads: fields.nhead,
        n_layers: fields.num_encoder_layers,
        d_ff: fields.dim_feedforward,
        activation,
        norm: if fields.norm_first {
            NormPlacement::Before
        } else {
            NormPlacement::After
        },
        final_norm: true,
        norm_epsilon: fields.layer_norm_eps,
        dropout: fields.dropout,
        attention_dropout: fields.dropout,
        activation_dropout: fields.dropout,
        ..StackConfig::post_norm(StackSize {
            d_model: 1,
            n_heads: 1,
            n_layers: 1,
        })
    };
    let config = EncoderDecoderConfig {
        decoder: StackConfig {
            n_layers: fields.num_decoder_layers,
            cross_attention: true,
            ..encoder.clone()
        },
        encoder,
        initialisation: Initialisation::Xavier,
    };
    Ok((
        ModelConfig::EncoderDecoder(config),
        SpecialTokens::default(),
    ))
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(
    exporter: Exporter,
    config: &ModelConfig,
    special: &SpecialTokens,
) -> Result<Value, HubError> {
    let ModelConfig::EncoderDecoder(config) = config else {
        return Err(exporter.refuse_architecture(config, "encoder-decoder"));
    };
    exporter.require("special tokens", special, &SpecialTokens::default())?;
    let (encoder, decoder) = (&config.encoder, &config.decoder);
    exporter.require("encoder.cross_attention", &encoder.cross_attention, &false)?;
    exporter.require("decoder.cross_attention", &decoder.cross_attention, &true)?;
    for (name, stack) in [("encoder", encoder), ("decoder", decoder)] {
        exporter.require_plain(name, stack)?;
        let field = |field| format!("{name}.{field}");
        exporter.require(&field("n_heads"), &stack.n_heads, &encoder.n_heads)?;
        exporter.require(&field("d_ff"), &stack.d_ff, &encoder.d_ff)?;
        exporter.require(&field("activation"), &stack.activation, &encoder.activation)?;
        exporter.require(&field("norm"), &stack.norm, &encoder.norm)?;
        exporter.require(&field("final_norm"), &stack.final_norm, &true)?;
        exporter.require(
            &field("norm_epsilon"),
            &stack.norm_epsilon,
            &encoder.norm_epsilon,
        )?;
        exporter.require(&field("dropout"), &stack.dropout, &encoder.dropout)?;
        exporter.require(
            &field("attention_dropout"),
            &stack.attention_dropout,
            &encoder.dropout,
        )?;
        exporter.require(
            &field("activation_dropout"),
            &stack.activation_dropout,
            &encoder.dropout,
        )?;
    }
    let Some((activation, _)) = ACTIVATIONS
        .iter()
        .find(|(_, known)| *known == encoder.activation)
    else {
        let found = format!("{:?}", encoder.activation);
        return Err(exporter.refuse("encoder.activation", found, "Relu or Gelu".into()));
    };
    Ok(json!({
        "model_type": exporter.dialect.name(),
        "d_model": encoder.d_model,
        "nhead": encoder.n_heads,
        "num_encoder_layers": encoder.n_layers,
        "num_decoder_layers": decoder.n_layers,
        "dim_feedforward": encoder.d_ff,
        "dropout": encoder.dropout,
        "activation": activation,
        "layer_norm_eps": encoder.norm_epsilon,
        "norm_first": encoder.norm == NormPlacement::Before,
    }))
}
