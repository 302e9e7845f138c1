//! The options of the commands that read and do not write: `classify`, `fill-mask`, `embed`.

use super::{Models, PrecisionOption, at_least_one};
use crate::shard::Sharding;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What the three have in common.
#[derive(Debug, Args)]
pub(crate) struct Lines {
    /// The texts, one a line; standard input if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) batches: Batches,
    #[command(flatten)]
    pub(crate) sharding: Sharding,
}

/// What is read at once.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Batches {
    /// Texts at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) batch_size: usize,
    /// Cut texts that are longer than what the model has positions for, instead of refusing them
    #[arg(long)]
    pub(crate) truncate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    #[command(flatten)]
    pub(crate) models: Models,
    #[command(flatten)]
    pub(crate) lines: Lines,
    /// For a model of images: PNG, JPEG or PNM files
    #[arg(value_name = "IMAGE", conflicts_with = "input")]
    pub(crate) images: Vec<PathBuf>,
    /// The K likeliest classes of each
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) top: usize,
}

#[derive(Debug, Args)]
pub(crate) struct FillMask {
    /// The model directory
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) precision: PrecisionOption,
    #[command(flatten)]
    pub(crate) lines: Lines,
    /// The K likeliest tokens for each mask
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = at_least_one)]
    pub(crate) top: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The model directory
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) precision: PrecisionOption,
    #[command(flatten)]
    pub(crate) lines: Lines,
    /// What a text's vector is made of
    #[arg(long, value_enum, default_value_t = PoolingKind::Mean)]
    pub(crate) pooling: PoolingKind,
    /// Vectors of length one, whose products are their cosines
    #[arg(long)]
    pub(crate) normalize: bool,
}

/// What a text's vector is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PoolingKind {
    /// The mean of its tokens' vectors
    Mean,
    /// The first token's vector, through the model's pooler if it has one
    First,
    /// The largest number in each place of its tokens' vectors
    Max,
}
