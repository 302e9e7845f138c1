//! hearth on Burn's wgpu backend: any GPU, by Vulkan, Metal or DirectX 12, and software adapters.
#![recursion_limit = "256"]

use burn::backend::Autodiff;
use burn_wgpu::{Wgpu, WgpuDevice};
use hearth_cli::{DeviceEntry, Notice, Platform, Unavailable};
use hearth_wgpu::{adapters, headless, tuning};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct OnWgpu;

impl Platform for OnWgpu {
    type Backend = Autodiff<Wgpu>;
    const NAME: &'static str = "wgpu";

    fn devices() -> Result<Vec<DeviceEntry<WgpuDevice>>, Unavailable> {
        adapters::devices()
    }

    fn prepare(notice: Notice) {
        tuning::prepare(notice);
    }
}

fn main() -> ExitCode {
    headless::without_desktop_layer();
    hearth_cli::main::<OnWgpu>()
}
