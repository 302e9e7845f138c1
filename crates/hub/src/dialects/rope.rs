//! How Hugging Face's configs speak of rotary positions: `rope_parameters`, or `rope_theta` and `rope_scaling` in the older
//! spelling.

use hearth_model::{RotaryConfig, RotaryScaling};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config_file::ConfigFile;
use crate::error::HubError;

/// What stands at the top level of a `config.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    rope_parameters: Option<Parameters>,
    rope_scaling: Option<Parameters>,
    rope_theta: Option<f64>,
}

/// The fields of either object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// What `rope_type` was called before.
    #[serde(rename = "type")]
    kind: Option<String>,
    partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    attention_factor: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
}

const KINDS: &str = "one of default, linear, llama3, yarn";

/// - `max_positions`: what the length of the training is taken for where it is not given
pub(super) fn read(
    file: &ConfigFile,
    fields: &Fields,
    max_positions: usize,
) -> Result<RotaryConfig, HubError> {
    let (name, parameters) = match (&fields.rope_parameters, &fields.rope_scaling) {
        (Some(parameters), _) => ("rope_parameters", parameters),
        (None, Some(parameters)) => ("rope_scaling", parameters),
        (None, None) => ("rope_parameters", &Parameters::default()),
    };
    let theta = parameters.rope_theta.or(fields.rope_theta);
    let field = |field: &str| format!("{name}.{field}");
    let need = |given: Option<f64>, what: &str| {
        let lacks = || file.refuse(&field(what), "nothing".into(), "a number".into());
        given.ok_or_else(lacks)
    };
    let partial = parameters.partial_rotary_factor.unwrap_or(1.0);
    file.require(&field("partial_rotary_factor"), &partial, &1.0)?;
    let kind = parameters.rope_type.as_ref().or(parameters.kind.as_ref());
    let original = parameters
        .original_max_position_embeddings
        .unwrap_or(max_positions);
    let scaling = match kind.map_or("default", String::as_str) {
        "default" => RotaryScaling::None,
        "linear" => RotaryScaling::Linear {
            factor: need(parameters.factor, "factor")?,
        },
        "llama3" => RotaryScaling::Llama3 {
            factor: need(parameters.factor, "factor")?,
            low_freq_factor: need(parameters.low_freq_factor, "low_freq_factor")?,
            high_freq_factor: need(parameters.high_freq_factor, "high_freq_factor")?,
            original_max_positions: original,
        },
        "yarn" => {
            file.require(&field("mscale"), &parameters.mscale, &None)?;
            file.require(&field("mscale_all_dim"), &parameters.mscale_all_dim, &None)?;
            let truncate = parameters.truncate.unwrap_or(true);
            file.require(&field("truncate"), &truncate, &true)?;
            let factor = need(parameters.factor, "factor")?;
            RotaryScaling::Yarn {
                factor,
                beta_fast: parameters.beta_fast.unwrap_or(32.0),
                beta_slow: parameters.beta_slow.unwrap_or(1.0),
                attention_factor: parameters
                    .attention_factor
                    .unwrap_or_else(|| 0.1 * factor.max(1.0).ln() + 1.0),
                original_max_positions: original,
            }
        }
        other => return Err(file.refuse(&field("rope_type"), format!("{other:?}"), KINDS.into())),
    };
    Ok(RotaryConfig {
        theta: theta.unwrap_or(10_000.0),
        scaling,
    })
}

/// Adds both spellings to a `config.json`.
pub(super) fn write(json: &mut Value, rotary: &RotaryConfig) {
    let mut parameters = match rotary.scaling {
        RotaryScaling::None => json!({ "rope_type": "default" }),
        RotaryScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        RotaryScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_positions,
        } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            "original_max_position_embeddings": original_max_positions,
        }),
        RotaryScaling::Yarn {
            factor,
            beta_fast,
            beta_slow,
            attention_factor,
            original_max_positions,
        } => json!({
            "rope_type": "yarn",
            "factor": factor,
            "beta_fast": beta_fast,
            "beta_slow": beta_slow,
            "attention_factor": attention_factor,
            "original_max_position_embeddings": original_max_positions,
        }),
    };
    json["rope_theta"] = json!(rotary.theta);
    if rotary.scaling != RotaryScaling::None {
        json["rope_scaling"] = parameters.clone();
    }
    parameters["rope_theta"] = json!(rotary.theta);
    json["rope_parameters"] = parameters;
}
