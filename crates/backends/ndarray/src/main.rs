//! hearth on Burn's ndarray backend: pure Rust, on the CPU.

use burn::backend::Autodiff;
use burn_ndarray::{NdArray, NdArrayDevice};
use hearth_cli::{DeviceEntry, Notice, Platform, Unavailable, n_processors};
use hearth_kernels::{InMemoryWithLinear, among_workers, install};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct OnNdArray;

impl Platform for OnNdArray {
    type Backend = Autodiff<NdArray>;
    const NAME: &'static str = "ndarray";

    fn devices() -> Result<Vec<DeviceEntry<NdArrayDevice>>, Unavailable> {
        Ok(vec![DeviceEntry {
            name: "cpu".to_owned(),
            description: "the processor, by burn-ndarray".to_owned(),
            device: NdArrayDevice::Cpu,
        }])
    }

    fn n_replicas() -> usize {
        n_processors()
    }

    fn prepare(_notice: Notice) {
        install::<InMemoryWithLinear<OnNdArray>>();
    }
}

hearth_kernels::read_ndarray!(OnNdArray);

fn main() -> ExitCode {
    among_workers(hearth_cli::main::<OnNdArray>)
}
