//! hearth on Burn's flex backend: pure Rust, on the CPU.

use burn::backend::Autodiff;
use burn_flex::{Flex, FlexDevice};
use hearth_cli::{DeviceEntry, Notice, Platform, Unavailable, n_processors};
use hearth_kernels::{InMemory, among_workers, install};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct OnFlex;

impl Platform for OnFlex {
    type Backend = Autodiff<Flex>;
    const NAME: &'static str = "flex";

    fn devices() -> Result<Vec<DeviceEntry<FlexDevice>>, Unavailable> {
        Ok(vec![DeviceEntry {
            name: "cpu".to_owned(),
            description: "the processor, by burn-flex".to_owned(),
            device: FlexDevice,
        }])
    }

    fn n_replicas() -> usize {
        n_processors()
    }

    fn prepare(_notice: Notice) {
        install::<InMemory<OnFlex>>();
    }
}

hearth_kernels::read_flex!(OnFlex);

fn main() -> ExitCode {
    among_workers(hearth_cli::main::<OnFlex>)
}
