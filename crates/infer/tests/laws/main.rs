//! The laws of models and decoders, on both backends that run anywhere.

mod batching;
mod scoring;
mod search;
mod speech;
mod stepping;
mod subjects;
mod support;
