//! hearth behind one dependency: autoregressive and Transformer models on any Burn backend.
//!
//! | module | what it is |
//! |---|---|
//! | [`kernels`] | operations that the backends in Rust compute at once |
//! | [`model`] | the architectures, generic over `B: Backend` |
//! | [`data`] | corpora and tokenizers |
//! | [`batch`] | from token ids to tensors |
//! | [`hub`] | model directories: `config.json`, `model.safetensors`, `tokenizer.json` |
//! | [`train`] | recipes, the trainer, schedules |
//! | [`infer`] | decoding, beam search, scoring |
//! | [`backend`] | the backend that the crate's features choose |
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hearth::backend::{Selected, device};
//! use hearth::burn::tensor::{Int, Tensor};
//! use hearth::model::{GptConfig, LanguageModel};
//!
//! let device = device()?;
//! let gpt = GptConfig::tiny(65).init::<Selected>(&device);
//! let tokens = Tensor::<Selected, 2, Int>::from_ints([[1, 2, 3]], &device);
//! assert_eq!(gpt.forward(tokens).dims(), [1, 3, 65]);
//! # Ok(())
//! # }
//! ```

pub mod backend;

pub use burn;
pub use hearth_batch as batch;
pub use hearth_data as data;
pub use hearth_hub as hub;
pub use hearth_infer as infer;
pub use hearth_kernels as kernels;
pub use hearth_model as model;
pub use hearth_train as train;
