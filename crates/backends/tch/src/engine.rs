//! hearth on Burn's libtorch backend. `hearth-tch` finds libtorch and becomes this program.

mod kernels;

use burn::backend::Autodiff;
use burn_tch::{LibTorch, LibTorchDevice};
use hearth_cli::{DeviceEntry, Notice, Platform, Unavailable};
use hearth_kernels::install;
use kernels::Libtorch;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct OnTch;

impl Platform for OnTch {
    type Backend = Autodiff<LibTorch>;
    const NAME: &'static str = "tch";

    fn devices() -> Result<Vec<DeviceEntry<LibTorchDevice>>, Unavailable> {
        let n_cuda = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
        let cuda = (0..n_cuda).map(|i| DeviceEntry {
            name: format!("cuda:{i}"),
            description: format!("GPU {i} by libtorch with CUDA"),
            device: LibTorchDevice::Cuda(i),
        });
        let mps = tch::utils::has_mps().then(|| DeviceEntry {
            name: "mps".to_owned(),
            description: "the GPU by libtorch with Metal".to_owned(),
            device: LibTorchDevice::Mps,
        });
        let cpu = DeviceEntry {
            name: "cpu".to_owned(),
            description: format!(
                "the processor by libtorch, {} threads",
                tch::get_num_threads()
            ),
            device: LibTorchDevice::Cpu,
        };
        Ok(cuda.chain(mps).chain([cpu]).collect())
    }

    fn prepare(_notice: Notice) {
        install::<Libtorch>();
        call_each_function_once();
    }
}

/// Intel's vector functions choose among their versions when they are first called. Of two threads whose first call is the same,
/// one may get the version of four digits, that once: a run in two hundred began with another loss. One number is the work of one
/// thread.
fn call_each_function_once() {
    let one = tch::Tensor::ones([1], (tch::Kind::Float, tch::Device::Cpu));
    let functions = [
        tch::Tensor::exp,
        tch::Tensor::log,
        tch::Tensor::sqrt,
        tch::Tensor::tanh,
        tch::Tensor::erf,
        tch::Tensor::sin,
        tch::Tensor::cos,
    ];
    for function in functions {
        drop(function(&one));
    }
}

fn main() -> ExitCode {
    // As `inference_mode.cpp` left it.
    debug_assert!(tch::Tensor::from(0.0).is_inference());
    hearth_cli::main::<OnTch>()
}
