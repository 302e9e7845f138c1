//! Model directories and models: `config.json`, `model.safetensors` and `tokenizer.json` in, a
//! [`hearth_model`] module out, and back.
//!
//! A [`Dialect`] is a way of writing the first two files: Hugging Face's `gpt2`, `llama`, `mistral`, `marian` and
//! `speech_to_text`, PyTorch's `nn.Transformer`, or hearth's own for what none of them can say. Each is one file under
//! `dialects`: the fields of its config, and beside them a table that maps its tensor names onto the parameters of our
//! modules.
//!
//! Files come from strangers. Nothing that a file claims is believed before it is checked against the file itself: a
//! bad one is a [`HubError`] that names the file, the field or tensor, what was found and what was expected. A save
//! writes all of a directory or nothing.
//!
//! ```
//! use burn_flex::Flex;
//! use hearth_hub::{Dialect, Model, ModelConfig, ModelDirectory, SpecialTokens};
//! use hearth_model::GptConfig;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path().join("tiny");
//! let device = Default::default();
//! let config = ModelConfig::Gpt(GptConfig::tiny(65));
//! let directory = ModelDirectory::<Flex> {
//!     model: config.init(&device),
//!     dialect: Dialect::of(&config),
//!     special: SpecialTokens::default(),
//!     tokenizer: None,
//!     target_tokenizer: None,
//!     features: None,
//!     pixels: None,
//!     labels: None,
//!     config,
//! };
//! directory.save(&dir)?;
//!
//! let loaded = ModelDirectory::<Flex>::load(&dir, &device)?;
//! assert_eq!(loaded.dialect.name(), "gpt2");
//! assert!(matches!(loaded.model, Model::Gpt(_)));
//! # Ok(())
//! # }
//! ```

mod atomic;
mod config;
mod config_file;
mod cost;
mod dialects;
mod differences;
mod directory;
mod error;
mod features;
mod labels;
mod limits;
mod names;
mod parameters;
mod pixels;
mod special;
mod vocabularies;
mod weights;

pub use atomic::{replace_directory, replace_file};
pub use config::{Model, ModelConfig};
pub use cost::{BatchShape, Cost, StepCost, TokenCost};
pub use dialects::Dialect;
pub use directory::{ModelDirectory, read_config};
pub use error::HubError;
pub use parameters::{ModulePath, Parameter, parameters};
pub use special::SpecialTokens;
pub use weights::{ParameterFile, ParameterValues, read_tensors, write_parameters, write_tensors};
