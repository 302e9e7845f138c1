//! The one thing a binary says: which backend, and which devices it has.

use crate::error::CliError;
use burn::tensor::backend::AutodiffBackend;

/// A backend as a command line sees it.
pub trait Platform {
    /// The backend, with gradients.
    type Backend: AutodiffBackend;
    /// Its short name: `flex` for the binary `hearth-flex`.
    const NAME: &'static str;

    /// The devices that are there, the default one first.
    fn devices() -> Vec<DeviceEntry<Device<Self>>>;
}

/// A device that can be chosen.
#[derive(Debug, Clone)]
pub struct DeviceEntry<D> {
    /// What `--device` calls it.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// What the backend calls it.
    pub device: D,
}

/// The backend for inference.
pub(crate) type Inference<P> = <<P as Platform>::Backend as AutodiffBackend>::InnerBackend;

/// The backend's type of device.
pub(crate) type Device<P> = burn::tensor::Device<<P as Platform>::Backend>;

/// The device of that name, or the default one.
pub(crate) fn find_device<P: Platform>(name: Option<&str>) -> Result<Device<P>, CliError> {
    let devices = P::devices();
    let names: Vec<String> = devices.iter().map(|entry| entry.name.clone()).collect();
    devices
        .into_iter()
        .find(|entry| name.is_none_or(|name| name == entry.name))
        .map(|entry| entry.device)
        .ok_or_else(|| CliError::NoDevice {
            found: name.unwrap_or_default().to_owned(),
            backend: P::NAME,
            present: names.join(", "),
        })
}
