//! The graphics adapters as devices: `gpu:0`, `igpu:0`, `cpu`, under the numbers that Burn gives them.

use burn_wgpu::WgpuDevice;
use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
use cubecl::future::block_on;
use hearth_cli::{DeviceEntry, Unavailable};
use std::path::PathBuf;
use wgpu::{AdapterInfo, Backend, DeviceType, Instance, InstanceDescriptor, RequestAdapterError};

/// The adapters of the system's graphics API, the likely fastest kind first.
///
/// # Errors
/// If the API is missing, or no driver offers an adapter.
pub fn devices() -> Result<Vec<DeviceEntry<WgpuDevice>>, Unavailable> {
    let api = AutoGraphicsApi::backend();
    let instance = Instance::new(InstanceDescriptor {
        backends: api.into(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapters = block_on(instance.enumerate_adapters(api.into()));
    let devices = named(adapters.iter().map(wgpu::Adapter::get_info));
    if devices.is_empty() {
        let answer = block_on(instance.request_adapter(&Default::default()));
        return Err(unavailable(api, answer.err(), loader_is_there()));
    }
    Ok(devices)
}

/// Names adapters by kind, each kind counted in the order of the system, as Burn counts them.
fn named(adapters: impl Iterator<Item = AdapterInfo>) -> Vec<DeviceEntry<WgpuDevice>> {
    let (mut n_gpu, mut n_integrated, mut n_virtual, mut n_cpu) = (0, 0, 0, 0);
    let next = |count: &mut usize| std::mem::replace(count, *count + 1);
    let mut devices: Vec<(u8, DeviceEntry<WgpuDevice>)> = adapters
        .filter_map(|info| {
            let (rank, name, device) = match info.device_type {
                DeviceType::DiscreteGpu => {
                    let i = next(&mut n_gpu);
                    (0, format!("gpu:{i}"), WgpuDevice::DiscreteGpu(i))
                }
                DeviceType::IntegratedGpu => {
                    let i = next(&mut n_integrated);
                    (1, format!("igpu:{i}"), WgpuDevice::IntegratedGpu(i))
                }
                DeviceType::VirtualGpu => {
                    let i = next(&mut n_virtual);
                    (2, format!("vgpu:{i}"), WgpuDevice::VirtualGpu(i))
                }
                // Burn knows the first software adapter only, and of a kind unknown to it, the system's own choice.
                DeviceType::Cpu if next(&mut n_cpu) == 0 => (4, "cpu".to_owned(), WgpuDevice::Cpu),
                DeviceType::Other => (3, "other".to_owned(), WgpuDevice::DefaultDevice),
                DeviceType::Cpu => return None,
            };
            let description = described(&info);
            let entry = DeviceEntry {
                name,
                description,
                device,
            };
            Some((rank, entry))
        })
        .collect();
    devices.sort_by_key(|(rank, _)| *rank);
    devices.dedup_by_key(|(_, entry)| entry.name.clone());
    devices.into_iter().map(|(_, entry)| entry).collect()
}

/// `NVIDIA H100 by Vulkan, driver NVIDIA 570.86`.
fn described(info: &AdapterInfo) -> String {
    let software = if info.device_type == DeviceType::Cpu {
        "software adapter "
    } else {
        ""
    };
    let driver = format!("{} {}", info.driver, info.driver_info);
    let driver = match driver.trim() {
        "" => String::new(),
        driver => format!(", driver {driver}"),
    };
    format!(
        "{software}{} by {}{driver}",
        info.name,
        api_name(info.backend)
    )
}

fn api_name(api: Backend) -> &'static str {
    match api {
        Backend::Vulkan => "Vulkan",
        Backend::Metal => "Metal",
        Backend::Dx12 => "DirectX 12",
        Backend::Gl => "OpenGL",
        _ => "WebGPU",
    }
}

/// No adapter: because the API's library is missing, or because no driver offers one.
fn unavailable(
    api: Backend,
    answer: Option<RequestAdapterError>,
    loader_is_there: bool,
) -> Unavailable {
    // An API counts as active once an instance of it is made, which a Vulkan loader without a driver refuses.
    let loaded = match answer {
        Some(RequestAdapterError::NotFound {
            active_backends, ..
        }) => active_backends.contains(api.into()) || loader_is_there,
        _ => true,
    };
    let name = api_name(api);
    let problem = match (api, loaded) {
        (Backend::Vulkan, false) => {
            "there is no Vulkan loader (libvulkan.so.1 on Linux, vulkan-1.dll on Windows)"
                .to_owned()
        }
        (_, false) => format!("{name} is not there"),
        (_, true) => format!("{name} is there, but no driver offers an adapter"),
    };
    let remedy = match api {
        Backend::Vulkan => {
            "install the driver of your GPU with Vulkan; without a GPU, a software adapter: \
             apt-get install mesa-vulkan-drivers libvulkan1 (Debian, Ubuntu), \
             dnf install mesa-vulkan-drivers vulkan-loader (Fedora), \
             pacman -S vulkan-swrast vulkan-icd-loader (Arch); or use hearth-flex, which needs none"
        }
        _ => "update the system's graphics driver, or use hearth-flex, which needs none",
    };
    Unavailable {
        problem,
        remedy: remedy.to_owned(),
    }
}

/// Whether the library that finds Vulkan's drivers lies where Linux has libraries.
fn loader_is_there() -> bool {
    let usual = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64"];
    let usual = usual.map(PathBuf::from);
    // Debian's folders by architecture, such as /usr/lib/x86_64-linux-gnu.
    let by_architecture = std::fs::read_dir("/usr/lib").into_iter().flatten();
    let by_architecture = by_architecture.filter_map(|entry| Some(entry.ok()?.path()));
    let searched = std::env::var_os("LD_LIBRARY_PATH");
    let searched = searched.iter().flat_map(std::env::split_paths);
    let mut folders = usual.into_iter().chain(by_architecture).chain(searched);
    folders.any(|folder| folder.join("libvulkan.so.1").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(device_type: DeviceType, name: &str) -> AdapterInfo {
        AdapterInfo {
            name: name.to_owned(),
            vendor: 0,
            device: 0,
            device_type,
            device_pci_bus_id: String::new(),
            driver: String::new(),
            driver_info: String::new(),
            backend: Backend::Vulkan,
            subgroup_min_size: 0,
            subgroup_max_size: 0,
            transient_saves_memory: false,
        }
    }

    #[test]
    fn kinds_are_counted_apart_and_gpus_come_first() {
        let found = named(
            [
                adapter(DeviceType::Cpu, "llvmpipe"),
                adapter(DeviceType::IntegratedGpu, "built in"),
                adapter(DeviceType::DiscreteGpu, "first"),
                adapter(DeviceType::DiscreteGpu, "second"),
                adapter(DeviceType::Cpu, "another"),
            ]
            .into_iter(),
        );
        let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["gpu:0", "gpu:1", "igpu:0", "cpu"]);
        assert_eq!(found[1].device, WgpuDevice::DiscreteGpu(1));
        assert_eq!(found[1].description, "second by Vulkan");
        assert_eq!(found[3].description, "software adapter llvmpipe by Vulkan");
    }

    #[test]
    fn a_missing_loader_and_a_missing_driver_are_told_apart() {
        let answer = |active_backends| RequestAdapterError::NotFound {
            active_backends,
            requested_backends: wgpu::Backends::VULKAN,
            supported_backends: wgpu::Backends::VULKAN,
            no_fallback_backends: wgpu::Backends::empty(),
            no_adapter_backends: wgpu::Backends::empty(),
            incompatible_surface_backends: wgpu::Backends::empty(),
        };
        let nothing = || Some(answer(wgpu::Backends::empty()));
        let without_loader = unavailable(Backend::Vulkan, nothing(), false);
        let without_driver = unavailable(Backend::Vulkan, nothing(), true);
        assert!(without_loader.problem.contains("no Vulkan loader"));
        assert!(without_driver.problem.contains("no driver"));
        assert!(without_driver.remedy.contains("mesa-vulkan-drivers"));
    }
}
