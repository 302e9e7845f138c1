//! The commands, one a file.

pub(crate) mod bench;
pub(crate) mod classify;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod devices;
pub(crate) mod dry_run;
pub(crate) mod embed;
pub(crate) mod evaluate;
pub(crate) mod fill_mask;
pub(crate) mod forward;
pub(crate) mod generate;
mod hearer;
pub(crate) mod inspect;
pub(crate) mod parity;
pub(crate) mod plot;
pub(crate) mod quickstart;
pub(crate) mod score;
pub(crate) mod train;
pub(crate) mod transcribe;
pub(crate) mod translate;

mod attention;
mod classifiers;
mod decoding;
mod loaded;
mod reading;
mod run_folder;
mod translator;
