//! What the crate promises, on directories that Hugging Face transformers and PyTorch wrote (`tests/fixtures`), and on
//! damaged copies of them.

mod features;
mod forward;
#[path = "../gguf/mod.rs"]
mod gguf;
mod gguf_models;
mod hostile_config;
mod hostile_gguf;
mod hostile_weights;
mod round_trip;
mod saving;
mod shards;
mod support;
mod tensors;
mod window;
