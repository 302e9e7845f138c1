//! What the crate promises, on directories that Hugging Face transformers and PyTorch wrote (`tests/fixtures`), and on
//! damaged copies of them.

mod features;
mod forward;
mod hostile_config;
mod hostile_weights;
mod round_trip;
mod saving;
mod support;
mod tensors;
