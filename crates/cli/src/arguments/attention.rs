//! The options of a picture of attention, which `generate` and `translate` share.

use super::at_least_one;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Attention {
    /// Draw where the model looked: a row for each token it wrote, a column for each token it read (of a gpt: the whole
    /// text on both sides); of the first text if there are several
    #[arg(long, value_name = "FILE.svg", conflicts_with = "shard")]
    pub(crate) attention: Option<PathBuf>,
    /// The layer to draw, from 1; by default the last
    #[arg(long, value_name = "N", requires = "attention", value_parser = at_least_one)]
    pub(crate) attention_layer: Option<usize>,
    /// The head to draw, from 1; by default the mean of all
    #[arg(long, value_name = "N", requires = "attention", value_parser = at_least_one)]
    pub(crate) attention_head: Option<usize>,
}
