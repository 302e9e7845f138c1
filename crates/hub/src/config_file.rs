//! A `config.json` from a stranger.

use std::fmt::Debug;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use hearth_data::TokenId;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Map, Value};

use crate::error::HubError;
use crate::limits;
use crate::weights::open;

/// The name of such a file.
pub(crate) const CONFIG: &str = "config.json";

/// Where a run's best model lies in its folder.
const BEST: &str = "best";

/// The content of a `config.json` and where it came from.
pub(crate) struct ConfigFile {
    path: PathBuf,
    bytes: Vec<u8>,
    object: Map<String, Value>,
}

impl ConfigFile {
    /// That of a model directory.
    pub(crate) fn of(dir: &Path) -> Result<Self, HubError> {
        match Self::read(&dir.join(CONFIG)) {
            Err(HubError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let best = dir.join(BEST);
                Err(HubError::NoModel {
                    path: dir.into(),
                    nearest: best.join(CONFIG).is_file().then_some(best),
                    is_there: dir.is_dir(),
                })
            }
            read => read,
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, HubError> {
        let (file, found) = open(path)?;
        let limit = limits::CONFIG_BYTES;
        if found > limit {
            return Err(HubError::TooLarge {
                path: path.into(),
                what: "the size in bytes".into(),
                found,
                limit,
            });
        }
        let mut bytes = Vec::new();
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(|source| HubError::reading(path, source))?;
        let object = serde_json::from_slice(&bytes).map_err(|source| HubError::ConfigSyntax {
            path: path.into(),
            source,
        })?;
        let object = match object {
            Value::Object(object) => object,
            other => {
                return Err(HubError::Unsupported {
                    path: path.into(),
                    field: "the whole file".into(),
                    found: brief(&other),
                    expected: "a JSON object".into(),
                });
            }
        };
        Ok(Self {
            path: path.into(),
            bytes,
            object,
        })
    }

    /// What another file says, in the words of a `config.json`.
    pub(crate) fn translated(path: &Path, object: Map<String, Value>) -> Self {
        Self {
            path: path.into(),
            bytes: Value::Object(object.clone()).to_string().into_bytes(),
            object,
        }
    }

    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.object.get(field)
    }

    /// The fields of a dialect, all of which must have a default: that is how the one at fault is found.
    pub(crate) fn fields<T: DeserializeOwned>(&self) -> Result<T, HubError> {
        serde_json::from_slice(&self.bytes).map_err(|source| {
            let alone = |(field, value): (&String, &Value)| {
                let object = Map::from_iter([(field.clone(), value.clone())]);
                T::deserialize(Value::Object(object)).is_err()
            };
            let culprit = self.object.iter().find(|&pair| alone(pair));
            HubError::ConfigField {
                path: self.path.clone(),
                field: culprit.map_or("(several)", |(field, _)| field).into(),
                source,
            }
        })
    }

    /// An error about a field that the file lacks.
    pub(crate) fn lacks(&self, field: &'static str) -> HubError {
        HubError::ConfigField {
            path: self.path.clone(),
            field: field.into(),
            source: serde_json::Error::missing_field(field),
        }
    }

    /// Refuses any other value of a field than the one that hearth can do.
    pub(crate) fn require<T: PartialEq + Debug>(
        &self,
        field: &str,
        found: &T,
        expected: &T,
    ) -> Result<(), HubError> {
        if found == expected {
            return Ok(());
        }
        Err(self.refuse(field, format!("{found:?}"), format!("{expected:?}")))
    }

    pub(crate) fn refuse(&self, field: &str, found: String, expected: String) -> HubError {
        HubError::Unsupported {
            path: self.path.clone(),
            field: field.into(),
            found,
            expected,
        }
    }

    /// Drops a special token that is only a dialect's default and means nothing in so small a vocabulary.
    pub(crate) fn unless_default(
        &self,
        field: &str,
        id: Option<TokenId>,
        vocab: usize,
    ) -> Option<TokenId> {
        id.filter(|&id| self.object.contains_key(field) || (id as usize) < vocab)
    }
}

/// A value as an error message shows it.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        value => value.to_string().chars().take(80).collect(),
    }
}
