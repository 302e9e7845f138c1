//! hearth's own dialect, for what no other can express: our config as it is, and tensors under the names and in the
//! layout of our modules.

use hearth_data::TokenId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Dialect, Read};
use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;
use crate::special::{EndIds, SpecialTokens};

/// Grows when an old hearth could misread a new file.
const VERSION: u64 = 1;

/// All have a default, so that [`ConfigFile::fields`] can tell which is at fault.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    hearth_version: Option<u64>,
    bos_token_id: Option<TokenId>,
    eos_token_id: EndIds,
    pad_token_id: Option<TokenId>,
    decoder_start_token_id: Option<TokenId>,
    config: Option<ModelConfig>,
}

/// The version alone: the other fields of a file from the future may be of any form.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Version {
    hearth_version: Option<u64>,
}

pub(super) fn read(file: &ConfigFile) -> Read {
    let Some(version) = file.fields::<Version>()?.hearth_version else {
        return Err(file.lacks("hearth_version"));
    };
    file.require("hearth_version", &version, &VERSION)?;
    let fields: Fields = file.fields()?;
    let Some(config) = fields.config else {
        return Err(file.lacks("config"));
    };
    let stacks = config.stacks();
    for (name, stack) in &stacks {
        // Of two stacks, the second looks at the first.
        let expected = *name == "decoder" && stacks.len() == 2;
        let field = format!("config.{name}.cross_attention");
        file.require(&field, &stack.cross_attention, &expected)?;
    }
    let special = SpecialTokens {
        bos: fields.bos_token_id,
        eos: fields.eos_token_id.into(),
        pad: fields.pad_token_id,
        decoder_start: fields.decoder_start_token_id,
    };
    Ok((config, special))
}

pub(super) fn express(config: &ModelConfig, special: &SpecialTokens) -> Result<Value, HubError> {
    Ok(json!({
        "model_type": Dialect::Hearth.name(),
        "hearth_version": VERSION,
        "bos_token_id": special.bos,
        "eos_token_id": EndIds::from(special.eos.as_slice()),
        "pad_token_id": special.pad,
        "decoder_start_token_id": special.decoder_start,
        "config": config,
    }))
}
