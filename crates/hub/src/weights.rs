//! `model.safetensors` and its like: reading, writing, and filling models.
//!
//! A file is read by seeking, a tensor at a time, never mapped into memory: it may shrink or change while it is read.
//! Its header is checked against its length first, and its names and shapes against the model's before any weight is
//! read.

mod element;
mod fill;
mod read;
mod tensors;
mod write;

pub(crate) use fill::{Plan, fill, save};
pub(crate) use read::{TensorFile, open};
pub use tensors::{read_tensors, write_tensors};
