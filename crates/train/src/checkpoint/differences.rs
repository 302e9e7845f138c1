//! Whether a run that goes on is the run that was begun.

use super::{Checkpoint, RECIPE};
use crate::error::TrainError;
use crate::recipe::{Recipe, RecipeError};
use std::collections::BTreeMap;
use std::fs;
use toml::{Table, Value};

/// Fields that say where a run may stop and what it leaves behind, and change no number.
const FREE: [&str; 4] = [
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.logs",
    "train.max_skipped",
];

/// Refuses to go on by another recipe than a checkpoint was made by.
pub(crate) fn check_recipe(checkpoint: &Checkpoint, recipe: &Recipe) -> Result<(), TrainError> {
    let path = checkpoint.path.join(RECIPE);
    let text = fs::read_to_string(&path).map_err(TrainError::file("read", &path))?;
    // Through the recipe, so that a key that was not there yet has its default.
    let then = flat(&Recipe::parse(&text, &path, &[], &[])?);
    let differences = differences(&then, &flat(recipe));
    if differences.is_empty() {
        return Ok(());
    }
    Err(RecipeError::Differs { path, differences }.into())
}

/// Refuses to go on with other data.
pub(crate) fn check_data(checkpoint: &Checkpoint, now: &str) -> Result<(), TrainError> {
    if checkpoint.state.data == now {
        return Ok(());
    }
    Err(RecipeError::OtherData {
        path: checkpoint.path.clone(),
    }
    .into())
}

fn differences(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let mut keys: Vec<&String> = then.keys().chain(now.keys()).collect();
    keys.sort();
    keys.dedup();
    let value = |values: &BTreeMap<String, String>, key: &String| {
        values
            .get(key)
            .map_or("not given".to_owned(), String::clone)
    };
    keys.into_iter()
        .filter(|key| !FREE.contains(&key.as_str()) && then.get(*key) != now.get(*key))
        .map(|key| format!("{key} was {} and is {}", value(then, key), value(now, key)))
        .collect()
}

/// Values by `section.key`.
fn flat(recipe: &Recipe) -> BTreeMap<String, String> {
    let table: Table = recipe.to_toml().parse().unwrap_or_default();
    let mut all = BTreeMap::new();
    for (section, fields) in &table {
        match fields {
            Value::Table(fields) => {
                let named = |(key, value): (&String, &Value)| {
                    (format!("{section}.{key}"), value.to_string())
                };
                all.extend(fields.iter().map(named));
            }
            value => {
                all.insert(section.clone(), value.to_string());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_field_that_differs_is_named_with_both_values() {
        let read = |train: &str| {
            let text = format!(
                "[model]\narchitecture = 'lstm'\nd_model = 8\nn_layers = 1\nmax_positions = 8\n\
                 [data]\nembedded = 'cicero'\n[train]\nbatch_size = 2\n{train}"
            );
            let recipe = Recipe::parse(&text, Path::new("r.toml"), &[], &[]);
            flat(&recipe.expect("a recipe"))
        };
        let then = read("lr = 0.1\nsteps = 5\nkeep_checkpoints = 3");
        let now = read("lr = 0.2\nsteps = 5\nbptt = 4\nkeep_checkpoints = 1");
        assert_eq!(
            differences(&then, &now),
            [
                "train.bptt was not given and is 4",
                "train.lr was 0.1 and is 0.2"
            ]
        );
    }
}
