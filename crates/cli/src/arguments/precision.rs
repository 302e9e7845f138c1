//! `--precision`, of all commands that compute with a model.

use clap::{Args, ValueEnum};
use hearth_model::Precision;

#[derive(Debug, Args)]
pub(crate) struct PrecisionOption {
    /// The type of number of the large matrices, and of the products with them: half the memory; faster on GPUs, seldom on processors
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Choice::F32)]
    precision: Choice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Single precision
    F32,
    /// Half the bytes, the range of single precision
    Bf16,
    /// Half the bytes, more digits and less range
    F16,
}

impl PrecisionOption {
    pub(crate) fn get(&self) -> Precision {
        match self.precision {
            Choice::F32 => Precision::F32,
            Choice::Bf16 => Precision::Bf16,
            Choice::F16 => Precision::F16,
        }
    }
}
