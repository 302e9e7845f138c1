//! The laws of models and decoders, on both backends that run anywhere.

mod batching;
mod ensembles;
mod scoring;
mod search;
mod speculation;
mod speech;
mod stepping;
mod subjects;
mod support;
