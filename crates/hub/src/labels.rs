//! The names of classes, as Hugging Face's `config.json` has them, whatever the dialect: `id2label`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::ModelConfig;
use crate::config_file::ConfigFile;
use crate::error::HubError;

/// The one kind of classification that there is here: exactly one class is right.
pub(crate) const SINGLE_LABEL: &str = "single_label_classification";

/// How many classes Hugging Face takes where a file does not say.
const DEFAULT_CLASSES: usize = 2;

/// What a file says of its classes.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct LabelFields {
    id2label: Option<BTreeMap<String, String>>,
    num_labels: Option<usize>,
    problem_type: Option<String>,
}

impl LabelFields {
    /// # Errors
    /// The classes are no classes, of which one is right.
    pub(crate) fn n_classes(&self, file: &ConfigFile) -> Result<usize, HubError> {
        if let Some(found) = &self.problem_type {
            file.require("problem_type", &found.as_str(), &SINGLE_LABEL)?;
        }
        let named = self.id2label.as_ref().map(BTreeMap::len);
        Ok(named.or(self.num_labels).unwrap_or(DEFAULT_CLASSES))
    }

    /// The names in the order of their numbers; none where the file has none.
    ///
    /// # Errors
    /// There are not as many as classes, or a number is missing.
    fn names(
        mut self,
        file: &ConfigFile,
        n_classes: usize,
    ) -> Result<Option<Vec<String>>, HubError> {
        let Some(by_number) = &mut self.id2label else {
            return Ok(None);
        };
        let found = by_number.len();
        file.require("the number of entries of id2label", &found, &n_classes)?;
        let name = |number: usize| {
            let number = number.to_string();
            by_number.remove(&number).ok_or_else(|| {
                let found = format!("without {number:?}");
                let expected = format!("an object with a name for each of 0 to {}", n_classes - 1);
                file.refuse("id2label", found, expected)
            })
        };
        (0..n_classes).map(name).collect::<Result<_, _>>().map(Some)
    }
}

/// The names of a model's classes; none where it has none, or the file does not say.
pub(crate) fn read(
    file: &ConfigFile,
    config: &ModelConfig,
) -> Result<Option<Vec<String>>, HubError> {
    let Some(n_classes) = config.n_classes() else {
        return Ok(None);
    };
    let fields: LabelFields = file.fields()?;
    fields.n_classes(file)?;
    fields.names(file, n_classes)
}

/// The name of a class that has none, as Hugging Face has it.
pub(crate) fn default_name(number: usize) -> String {
    format!("LABEL_{number}")
}

/// Adds the names, or names without meaning, to a `config.json`.
///
/// # Errors
/// There are not as many names as classes.
pub(crate) fn write(
    json: &mut Value,
    labels: Option<&[String]>,
    config: &ModelConfig,
    path: &std::path::Path,
) -> Result<(), HubError> {
    let (Some(n_classes), Some(object)) = (config.n_classes(), json.as_object_mut()) else {
        return Ok(());
    };
    let names: Vec<String> = match labels {
        Some(labels) => labels.to_vec(),
        None => (0..n_classes).map(default_name).collect(),
    };
    if names.len() != n_classes {
        return Err(HubError::Unsupported {
            path: path.into(),
            field: "the number of labels".into(),
            found: names.len().to_string(),
            expected: n_classes.to_string(),
        });
    }
    let numbered = || names.iter().enumerate();
    let names: Map<_, _> = numbered()
        .map(|(number, name)| (number.to_string(), Value::from(name.as_str())))
        .collect();
    let numbers: Map<_, _> = numbered()
        .map(|(number, name)| (name.clone(), Value::from(number)))
        .collect();
    object.insert("id2label".into(), names.into());
    object.insert("label2id".into(), numbers.into());
    Ok(())
}
