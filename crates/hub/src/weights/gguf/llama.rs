//! GGUF's `llama` in the words of Hugging Face's `llama`: settings as the fields of its `config.json`, and the names of its
//! tensors.
//!
//! llama.cpp turns neighbouring channels of a query and a key, Hugging Face channels half a head apart. When llama.cpp makes
//! a GGUF file it puts the rows of both matrices in another order for that, and here they are put back.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::header::Header;
use crate::config_file::brief;
use crate::error::HubError;
use crate::weights::source::{RowOrder, StoredTensor};

/// Tensors outside the layers.
const WHOLE: [(&str, &str); 3] = [
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];

/// The parts of a layer, `blk.N.` before the one and `model.layers.N.` before the other; `.weight` or `.bias` follows.
const LAYER: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The settings `llama.…` that are understood. Another might change the mathematics.
const UNDERSTOOD: [&str; 19] = [
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_count",
    "expert_used_count",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "rope.scaling.type",
    "vocab_size",
];

/// The settings of a file, and the file for messages.
struct Settings<'a> {
    path: &'a Path,
    all: &'a BTreeMap<String, Value>,
}

impl Settings<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.all.get(&format!("llama.{name}"))
    }

    fn refuse(&self, name: &str, found: String, expected: &str) -> HubError {
        HubError::Unsupported {
            path: self.path.into(),
            field: name.into(),
            found,
            expected: expected.into(),
        }
    }

    /// A whole number, if it is there.
    fn count(&self, name: &str) -> Result<Option<u64>, HubError> {
        let read = |value: &Value| {
            let refuse = || self.refuse(&format!("llama.{name}"), brief(value), "a whole number");
            value.as_u64().ok_or_else(refuse)
        };
        self.get(name).map(read).transpose()
    }

    fn needed(&self, name: &str) -> Result<u64, HubError> {
        let missing = || self.refuse(&format!("llama.{name}"), "missing".into(), "a whole number");
        self.count(name)?.ok_or_else(missing)
    }

    fn number(&self, name: &str) -> Result<Option<f64>, HubError> {
        let read = |value: &Value| {
            let refuse = || self.refuse(&format!("llama.{name}"), brief(value), "a number");
            value.as_f64().ok_or_else(refuse)
        };
        self.get(name).map(read).transpose()
    }

    /// The heads of queries, and those of keys and values.
    fn heads(&self) -> Result<(u64, u64), HubError> {
        let n_heads = self.needed("attention.head_count")?;
        let n_kv_heads = self.count("attention.head_count_kv")?.unwrap_or(n_heads);
        for (name, n) in [("head_count", n_heads), ("head_count_kv", n_kv_heads)] {
            if n == 0 {
                return Err(self.refuse(
                    &format!("llama.attention.{name}"),
                    "0".into(),
                    "at least 1",
                ));
            }
        }
        Ok((n_heads, n_kv_heads))
    }
}

/// The `config.json` that the model would have.
pub(super) fn config(path: &Path, header: &Header) -> Result<Map<String, Value>, HubError> {
    let settings = Settings {
        path,
        all: &header.settings,
    };
    match settings.all.get("general.architecture") {
        Some(Value::String(name)) if name == "llama" => {}
        found => {
            let found = found.map_or("missing".into(), brief);
            return Err(settings.refuse("general.architecture", found, "\"llama\""));
        }
    }
    let unknown = settings.all.iter().find(|(name, _)| {
        name.strip_prefix("llama.")
            .is_some_and(|name| !UNDERSTOOD.contains(&name))
    });
    if let Some((name, value)) = unknown {
        return Err(settings.refuse(name, brief(value), "nothing: it is not understood"));
    }
    if let Some(n_experts @ 1..) = settings.count("expert_count")? {
        return Err(settings.refuse("llama.expert_count", n_experts.to_string(), "0"));
    }
    let (n_heads, n_kv_heads) = settings.heads()?;
    let d_model = settings.needed("embedding_length")?;
    let d_head = settings
        .count("attention.key_length")?
        .unwrap_or(d_model / n_heads);
    for name in ["attention.value_length", "rope.dimension_count"] {
        if let Some(found) = settings.count(name)?
            && found != d_head
        {
            let expected = d_head.to_string();
            return Err(settings.refuse(&format!("llama.{name}"), found.to_string(), &expected));
        }
    }
    let Some(embedding) = header.tensors.get("token_embd.weight") else {
        return Err(HubError::Names {
            path: path.into(),
            missing: vec!["token_embd.weight".into()],
            unexpected: Vec::new(),
        });
    };
    let has = |name: &str| header.tensors.contains_key(name);
    let epsilon = settings.number("attention.layer_norm_rms_epsilon")?;
    let mut config = json!({
        "model_type": "llama",
        "vocab_size": embedding.shape.first(),
        "hidden_size": d_model,
        "intermediate_size": settings.needed("feed_forward_length")?,
        "num_hidden_layers": settings.needed("block_count")?,
        "num_attention_heads": n_heads,
        "num_key_value_heads": n_kv_heads,
        "head_dim": d_head,
        "max_position_embeddings": settings.needed("context_length")?,
        // Where a file does not say, llama.cpp refuses it.
        "rms_norm_eps": epsilon.ok_or_else(|| {
            settings.refuse("llama.attention.layer_norm_rms_epsilon", "missing".into(), "a number")
        })?,
        "rope_theta": settings.number("rope.freq_base")?.unwrap_or(10_000.0),
        "rope_scaling": scaling(&settings)?,
        "hidden_act": "silu",
        "attention_bias": has("blk.0.attn_q.bias"),
        "mlp_bias": has("blk.0.ffn_up.bias"),
        "tie_word_embeddings": !has("output.weight"),
    });
    for (name, field) in [
        ("bos", "bos_token_id"),
        ("eos", "eos_token_id"),
        ("padding", "pad_token_id"),
    ] {
        let id = settings.all.get(&format!("tokenizer.ggml.{name}_token_id"));
        config[field] = id.cloned().unwrap_or(Value::Null);
    }
    match config {
        Value::Object(config) => Ok(config),
        _ => Ok(Map::new()),
    }
}

/// How the angles of rotary positions are stretched.
fn scaling(settings: &Settings<'_>) -> Result<Value, HubError> {
    let kind = match settings.get("rope.scaling.type") {
        None => None,
        Some(Value::String(kind)) if kind == "none" => None,
        Some(Value::String(kind)) => Some(kind.clone()),
        Some(other) => {
            return Err(settings.refuse("llama.rope.scaling.type", brief(other), "a text"));
        }
    };
    let factor = settings.number("rope.scaling.factor")?;
    // Before there were kinds there was one.
    let (kind, factor) = match (kind, settings.number("rope.scale_linear")?) {
        (None, Some(factor)) => (Some("linear".into()), Some(factor)),
        (kind, _) => (kind, factor),
    };
    Ok(match kind {
        None => Value::Null,
        Some(kind) => {
            let mut scaling = json!({ "rope_type": kind, "factor": factor });
            if let Some(length) = settings.count("rope.scaling.original_context_length")? {
                scaling["original_max_position_embeddings"] = json!(length);
            }
            scaling
        }
    })
}

/// The tensors under Hugging Face's names; one that has none keeps its own, and nobody will ask for it.
pub(super) fn tensors(
    path: &Path,
    header: Header,
) -> Result<BTreeMap<String, StoredTensor>, HubError> {
    let settings = Settings {
        path,
        all: &header.settings,
    };
    let (n_heads, n_kv_heads) = settings.heads()?;
    let mut found = BTreeMap::new();
    for (name, mut tensor) in header.tensors {
        let Some((outside, part)) = translate(&name) else {
            found.insert(name, tensor);
            continue;
        };
        let n_heads = match part {
            "attn_q" => n_heads,
            "attn_k" => n_kv_heads,
            _ => {
                found.insert(outside, tensor);
                continue;
            }
        };
        let n_rows = tensor.shape.first().copied().unwrap_or(0);
        let n_halves = n_heads.saturating_mul(2);
        if n_rows == 0 || !(n_rows as u64).is_multiple_of(n_halves) {
            let expected = format!("a multiple of {n_halves}, two halves a head");
            let field = format!("the number of rows of {name:?}");
            return Err(settings.refuse(&field, n_rows.to_string(), &expected));
        }
        tensor.rows = RowOrder::Interleaved {
            n_heads: n_heads as usize,
        };
        found.insert(outside, tensor);
    }
    Ok(found)
}

/// Hugging Face's name of a tensor, and which part of a layer it is.
fn translate(name: &str) -> Option<(String, &'static str)> {
    if let Some(&(part, outside)) = WHOLE.iter().find(|(part, _)| *part == name) {
        return Some((outside.into(), part));
    }
    let (number, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    // As it would be written, so that no two names become one.
    let number = number
        .parse::<u16>()
        .ok()
        .filter(|n| n.to_string() == number)?;
    let (part, kind) = rest.split_once('.')?;
    let &(part, outside) = LAYER.iter().find(|(known, _)| *known == part)?;
    matches!(kind, "weight" | "bias")
        .then(|| (format!("model.layers.{number}.{outside}.{kind}"), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_or_kept() {
        let name = |name| translate(name).map(|(outside, _)| outside);
        let expected = "model.layers.12.self_attn.q_proj.weight";
        assert_eq!(name("blk.12.attn_q.weight").as_deref(), Some(expected));
        assert_eq!(name("output.weight").as_deref(), Some("lm_head.weight"));
        for other in [
            "rope_freqs.weight",
            "blk.1.attn_q",
            "blk.01.attn_q.weight",
            "blk.x.attn_q.weight",
            "blk.0.attn_q.scale",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
