//! The one thing a binary says: which backend, and which devices it has.

use crate::error::CliError;
use crate::replicas;
use burn::tensor::backend::AutodiffBackend;

/// A backend as a command line sees it.
pub trait Platform {
    /// The backend, with gradients.
    type Backend: AutodiffBackend;
    /// Its short name: `flex` for the binary `hearth-flex`.
    const NAME: &'static str;

    /// The devices that are there, the default one first.
    ///
    /// # Errors
    /// If there is none, or what would find them is not installed.
    fn devices() -> Result<Vec<DeviceEntry<Device<Self>>>, Unavailable>;

    /// How many replicas train a model fastest where nothing is said: as many as there are processors, where one replica
    /// leaves most of them idle.
    fn n_replicas() -> usize {
        1
    }

    /// Called once, before anything is computed. `notice` shows a line to the person at the terminal.
    fn prepare(_notice: Notice) {}
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

/// Why there is nothing to compute on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// Shows a line to the person at the terminal, from any thread and above a progress bar.
pub type Notice = Box<dyn Fn(&str) + Send + Sync>;

/// The backend for inference.
pub(crate) type Inference<P> = <<P as Platform>::Backend as AutodiffBackend>::InnerBackend;

/// The backend's type of device.
pub(crate) type Device<P> = burn::tensor::Device<<P as Platform>::Backend>;

/// The devices that are there.
pub(crate) fn devices<P: Platform>() -> Result<Vec<DeviceEntry<Device<P>>>, CliError> {
    P::devices().map_err(|Unavailable { problem, remedy }| CliError::Unavailable {
        backend: P::NAME,
        problem,
        remedy,
    })
}

/// The device of that name, or the default one: of several of its kind, each replica has its own.
pub(crate) fn find_device<P: Platform>(
    name: Option<&str>,
) -> Result<DeviceEntry<Device<P>>, CliError> {
    let devices = devices::<P>()?;
    let names: Vec<String> = devices.iter().map(|entry| entry.name.clone()).collect();
    let own = replicas::place_here()?.and_then(|place| {
        let kind = |name: &str| name.split(':').next().map(str::to_owned);
        let alike = names.iter().filter(|name| kind(name) == kind(&names[0]));
        alike.cycle().nth(place).cloned()
    });
    let name = name.or(own.as_deref());
    devices
        .into_iter()
        .find(|entry| name.is_none_or(|name| name == entry.name))
        .ok_or_else(|| CliError::NoDevice {
            found: name.unwrap_or_default().to_owned(),
            backend: P::NAME,
            present: names.join(", "),
        })
}
