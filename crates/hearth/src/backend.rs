//! The backend that the crate's features choose: the only file that knows features for backends.
//!
//! Features add up, and any set compiles. Where several are on, [`Selected`](self) is the first of: `tch`, `wgpu` (with
//! kernels as SPIR-V if `vulkan` is on, which brings `wgpu` along), `flex`, `ndarray`. So `--features wgpu` chooses wgpu
//! although `ndarray` is on by default.

#[cfg(any(
    feature = "tch",
    feature = "wgpu",
    feature = "flex",
    feature = "ndarray"
))]
use burn::tensor::Device;

/// The selected backend, without gradients; for training, `Autodiff<Selected>`.
#[cfg(feature = "tch")]
pub type Selected = burn_tch::LibTorch;

/// The selected backend, without gradients; for training, `Autodiff<Selected>`.
#[cfg(all(feature = "wgpu", not(feature = "tch")))]
pub type Selected = burn_wgpu::Wgpu;

/// The selected backend, without gradients; for training, `Autodiff<Selected>`.
#[cfg(all(feature = "flex", not(any(feature = "tch", feature = "wgpu"))))]
pub type Selected = burn_flex::Flex;

/// The selected backend, without gradients; for training, `Autodiff<Selected>`.
#[cfg(all(
    feature = "ndarray",
    not(any(feature = "tch", feature = "wgpu", feature = "flex"))
))]
pub type Selected = burn_ndarray::NdArray;

/// There is nothing that the selected backend could compute on.
#[derive(Debug, thiserror::Error)]
#[error(
    "no graphics adapter: {0}; install the GPU's driver, or mesa's software Vulkan, or choose another backend"
)]
pub struct NoDevice(String);

/// The selected backend's best device: a GPU if it finds one, else the processor.
///
/// # Errors
/// If wgpu is selected and there is no adapter, not even a software one.
#[cfg(feature = "tch")]
pub fn device() -> Result<Device<Selected>, NoDevice> {
    use burn_tch::LibTorchDevice;
    Ok(if tch::Cuda::is_available() {
        LibTorchDevice::Cuda(0)
    } else if tch::utils::has_mps() {
        LibTorchDevice::Mps
    } else {
        LibTorchDevice::Cpu
    })
}

/// The selected backend's best device: a GPU if it finds one, else the processor.
///
/// # Errors
/// If wgpu is selected and there is no adapter, not even a software one.
#[cfg(all(feature = "wgpu", not(feature = "tch")))]
pub fn device() -> Result<Device<Selected>, NoDevice> {
    use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: AutoGraphicsApi::backend().into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = instance.request_adapter(&Default::default());
    match cubecl::future::block_on(adapter) {
        Ok(_) => Ok(Device::<Selected>::default()),
        Err(error) => Err(NoDevice(error.to_string())),
    }
}

/// The selected backend's best device: the processor. Its [kernels](crate::kernels) are installed. It computes sooner on a thread of its
/// pool: [`among_workers`](crate::kernels::among_workers).
///
/// # Errors
/// None with this backend.
#[cfg(all(
    any(feature = "flex", feature = "ndarray"),
    not(any(feature = "tch", feature = "wgpu"))
))]
pub fn device() -> Result<Device<Selected>, NoDevice> {
    #[cfg(feature = "flex")]
    hearth_kernels::install::<hearth_kernels::InMemory<InPlace>>();
    #[cfg(not(feature = "flex"))]
    hearth_kernels::install::<hearth_kernels::InMemoryWithLinear<InPlace>>();
    Ok(Device::<Selected>::default())
}

/// Reads the selected backend's tensors where they lie.
#[cfg(all(
    any(feature = "flex", feature = "ndarray"),
    not(any(feature = "tch", feature = "wgpu"))
))]
struct InPlace;

#[cfg(all(feature = "flex", not(any(feature = "tch", feature = "wgpu"))))]
hearth_kernels::read_flex!(InPlace);

#[cfg(all(
    feature = "ndarray",
    not(any(feature = "tch", feature = "wgpu", feature = "flex"))
))]
hearth_kernels::read_ndarray!(InPlace);
