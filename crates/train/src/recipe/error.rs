//! What can be wrong with a recipe.

use hearth_hub::HubError;
use hearth_model::ConfigError;
use std::path::PathBuf;

/// What is wrong with a recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read recipe {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML: {error}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// A key that no recipe has, or a value of another type.
    #[error("recipe {path}: {message}")]
    Field {
        /// The file.
        path: PathBuf,
        /// Which field, what was found, what is expected.
        message: String,
    },
    /// A value of `--set` that cannot be applied.
    #[error("--set {given}: {reason}")]
    Override {
        /// What was given.
        given: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// A value outside its range.
    #[error("recipe field {field} is {found}, expected {expected}")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// The model has no such parameter.
    #[error(
        "recipe field {field} names {found:?}, which is in no parameter's path: `inspect` lists the paths of a model"
    )]
    NoParameter {
        /// The field.
        field: &'static str,
        /// The name.
        found: String,
    },
    /// The model that training begins with cannot be read.
    #[error("recipe field model.from: training cannot begin with {path}")]
    Base {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: Box<HubError>,
    },
    /// The model that training begins with is another than the recipe says.
    #[error(
        "recipe field {field} is {found}, but model.from = {path} says {expected}: leave it out"
    )]
    OtherBase {
        /// The field.
        field: String,
        /// Its value.
        found: String,
        /// The directory of the model.
        path: PathBuf,
        /// What is in it.
        expected: String,
    },
    /// Sizes that make no model.
    #[error("recipe section [model]: {0}")]
    Model(ConfigError),
    /// A tokenizer that cannot tell a model of pairs where a sentence ends.
    #[error("tokenizer {path} has no token {token:?}: such a model needs it")]
    MissingToken {
        /// The tokenizer's file.
        path: PathBuf,
        /// The token.
        token: &'static str,
    },
    /// Another recipe than the one that a run was begun by.
    #[error(
        "cannot go on by another recipe than {path}: {}; give the options that the run was begun with, or begin a new run: \
         another --out, without --resume",
        differences.join("; ")
    )]
    Differs {
        /// The recipe of the checkpoint.
        path: PathBuf,
        /// Each field, with what it was and what it is.
        differences: Vec<String>,
    },
    /// Other data than a run was begun with.
    #[error(
        "cannot go on from {path} with other data: the files or the model that the recipe names, or the tokenizer, have \
         changed since"
    )]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A tokenizer that leaves a sentence open.
    #[error(
        "tokenizer {path} does not end a text with its token {token:?}: a model of pairs could not learn where to stop; \
         add a post-processor that appends it"
    )]
    OpenEnd {
        /// The tokenizer's file.
        path: PathBuf,
        /// The token.
        token: &'static str,
    },
}

impl From<ConfigError> for RecipeError {
    fn from(error: ConfigError) -> Self {
        Self::Model(error)
    }
}
