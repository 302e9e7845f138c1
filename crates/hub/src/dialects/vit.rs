//! Hugging Face's `vit`: `ViTForImageClassification`.

use hearth_model::{
    ClassHeadConfig, ImageSize, Initialisation, NormPlacement, PatchEmbeddingConfig, StackConfig,
    StackSize, VitConfig,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Exporter, Read, activation};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::labels::{LabelFields, SINGLE_LABEL};
use crate::names::Layout::{Row, Same, Transposed};
use crate::names::{NameTable, row};
use crate::special::SpecialTokens;

const CLASSIFIER: &str = "ViTForImageClassification";

/// The fields of `config.json` that matter, with Hugging Face's defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    architectures: Option<Vec<String>>,
    attention_probs_dropout_prob: f64,
    hidden_act: String,
    hidden_dropout_prob: f64,
    hidden_size: usize,
    image_size: Side,
    intermediate_size: usize,
    layer_norm_eps: f64,
    num_attention_heads: usize,
    num_channels: usize,
    num_hidden_layers: usize,
    patch_size: usize,
    qkv_bias: bool,
    #[serde(flatten)]
    labels: LabelFields,
}

/// A side of a square, or height and width.
#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a side in pixels, or [height, width]")]
enum Side {
    Square(usize),
    Sides([usize; 2]),
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            architectures: None,
            attention_probs_dropout_prob: 0.0,
            hidden_act: "gelu".into(),
            hidden_dropout_prob: 0.0,
            hidden_size: 768,
            image_size: Side::Square(224),
            intermediate_size: 3072,
            layer_norm_eps: 1e-12,
            num_attention_heads: 12,
            num_channels: 3,
            num_hidden_layers: 12,
            patch_size: 16,
            qkv_bias: true,
            labels: LabelFields::default(),
        }
    }
}

#[rustfmt::skip]
pub(super) static NAMES: NameTable = NameTable {
    prefix: "vit.",
    rows: &[
        row("vit.embeddings.cls_token",                             Row,        &["patches.class"]),
        row("vit.embeddings.position_embeddings",                   Row,        &["patches.positions"]),
        row("vit.embeddings.patch_embeddings.projection.weight",    Same,       &["patches.weight"]),
        row("vit.embeddings.patch_embeddings.projection.bias",      Same,       &["patches.bias"]),
        row("vit.encoder.layer.{}.layernorm_before.weight",         Same,       &["encoder.layers.{}.self_attention_norm.gamma"]),
        row("vit.encoder.layer.{}.layernorm_before.bias",           Same,       &["encoder.layers.{}.self_attention_norm.beta"]),
        row("vit.encoder.layer.{}.attention.attention.query.weight", Transposed, &["encoder.layers.{}.self_attention.query.weight"]),
        row("vit.encoder.layer.{}.attention.attention.query.bias",  Same,       &["encoder.layers.{}.self_attention.query.bias"]),
        row("vit.encoder.layer.{}.attention.attention.key.weight",  Transposed, &["encoder.layers.{}.self_attention.key.weight"]),
        row("vit.encoder.layer.{}.attention.attention.key.bias",    Same,       &["encoder.layers.{}.self_attention.key.bias"]),
        row("vit.encoder.layer.{}.attention.attention.value.weight", Transposed, &["encoder.layers.{}.self_attention.value.weight"]),
        row("vit.encoder.layer.{}.attention.attention.value.bias",  Same,       &["encoder.layers.{}.self_attention.value.bias"]),
        row("vit.encoder.layer.{}.attention.output.dense.weight",   Transposed, &["encoder.layers.{}.self_attention.output.weight"]),
        row("vit.encoder.layer.{}.attention.output.dense.bias",     Same,       &["encoder.layers.{}.self_attention.output.bias"]),
        row("vit.encoder.layer.{}.layernorm_after.weight",          Same,       &["encoder.layers.{}.feed_forward_norm.gamma"]),
        row("vit.encoder.layer.{}.layernorm_after.bias",            Same,       &["encoder.layers.{}.feed_forward_norm.beta"]),
        row("vit.encoder.layer.{}.intermediate.dense.weight",       Transposed, &["encoder.layers.{}.feed_forward.up.weight"]),
        row("vit.encoder.layer.{}.intermediate.dense.bias",         Same,       &["encoder.layers.{}.feed_forward.up.bias"]),
        row("vit.encoder.layer.{}.output.dense.weight",             Transposed, &["encoder.layers.{}.feed_forward.down.weight"]),
        row("vit.encoder.layer.{}.output.dense.bias",               Same,       &["encoder.layers.{}.feed_forward.down.bias"]),
        row("vit.layernorm.weight",                                 Same,       &["encoder.final_norm.gamma"]),
        row("vit.layernorm.bias",                                   Same,       &["encoder.final_norm.beta"]),
        row("classifier.weight",                                    Transposed, &["classes.linear.weight"]),
        row("classifier.bias",                                      Same,       &["classes.linear.bias"]),
    ],
    ignored: &[],
};

pub(super) fn read(file: &ConfigFile) -> Read {
    let fields: Fields = file.fields()?;
    let architectures = fields.architectures.unwrap_or_default();
    let shape = architectures.first().map_or(CLASSIFIER, String::as_str);
    file.require("architectures", &shape, &CLASSIFIER)?;
    file.require("qkv_bias", &fields.qkv_bias, &true)?;
    let Some(activation) = activation::named(&fields.hidden_act) else {
        let found = format!("{:?}", fields.hidden_act);
        return Err(file.refuse("hidden_act", found, activation::all()));
    };
    let [height, width] = match fields.image_size {
        Side::Square(side) => [side, side],
        Side::Sides(sides) => sides,
    };
    let config = VitConfig {
        patches: PatchEmbeddingConfig {
            image: ImageSize {
                n_channels: fields.num_channels,
                height,
                width,
            },
            patch: fields.patch_size,
            d_model: fields.hidden_size,
            dropout: fields.hidden_dropout_prob,
        },
        encoder: StackConfig {
            d_model: fields.hidden_size,
            n_heads: fields.num_attention_heads,
            n_layers: fields.num_hidden_layers,
            d_ff: fields.intermediate_size,
            activation,
            norm_epsilon: fields.layer_norm_eps,
            dropout: fields.hidden_dropout_prob,
            attention_dropout: fields.attention_probs_dropout_prob,
            ..StackConfig::pre_norm(StackSize {
                d_model: 1,
                n_heads: 1,
                n_layers: 1,
            })
        },
        classes: ClassHeadConfig {
            n_classes: fields.labels.n_classes(file)?,
            dropout: 0.0,
        },
        initialisation: Initialisation::Gpt2,
    };
    Ok((ModelConfig::Vit(config), SpecialTokens::default()))
}

/// How weights were drawn is not expressed: it is over once there are weights.
pub(super) fn express(exporter: Exporter, config: &ModelConfig) -> Result<Value, HubError> {
    let ModelConfig::Vit(config) = config else {
        return Err(exporter.refuse_architecture(config, "vit"));
    };
    let (patches, encoder) = (&config.patches, &config.encoder);
    exporter.require_plain("encoder", encoder)?;
    exporter.require("encoder.norm", &encoder.norm, &NormPlacement::Before)?;
    exporter.require("encoder.final_norm", &encoder.final_norm, &true)?;
    exporter.require("encoder.cross_attention", &encoder.cross_attention, &false)?;
    let activation_dropout = &encoder.activation_dropout;
    exporter.require("encoder.activation_dropout", activation_dropout, &0.0)?;
    exporter.require("patches.dropout", &patches.dropout, &encoder.dropout)?;
    exporter.require("classes.dropout", &config.classes.dropout, &0.0)?;
    let image_size = match [patches.image.height, patches.image.width] {
        [height, width] if height == width => Side::Square(height),
        sides => Side::Sides(sides),
    };
    Ok(json!({
        "model_type": exporter.dialect.name(),
        "architectures": [CLASSIFIER],
        "image_size": image_size,
        "num_channels": patches.image.n_channels,
        "patch_size": patches.patch,
        "hidden_size": encoder.d_model,
        "num_hidden_layers": encoder.n_layers,
        "num_attention_heads": encoder.n_heads,
        "intermediate_size": encoder.d_ff,
        "hidden_act": activation::name(encoder.activation),
        "hidden_dropout_prob": encoder.dropout,
        "attention_probs_dropout_prob": encoder.attention_dropout,
        "layer_norm_eps": encoder.norm_epsilon,
        "qkv_bias": true,
        "problem_type": SINGLE_LABEL,
        "torch_dtype": "float32",
    }))
}
