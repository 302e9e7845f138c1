//! Vulkan: the wgpu backend's tests need an adapter, be it one that draws on the CPU.
//!
//! An adapter is a loader, which the program opens, and a driver, which the loader finds by its manifest. Whether the
//! driver works is for the tests to say.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::bail;

use super::packages::Need;

pub(super) const NEED: Need = Need {
    name: "Vulkan",
    reason: "the tests of the wgpu backend need a loader and a driver",
    find: || Machine::this().find(),
    debian: &["mesa-vulkan-drivers", "libvulkan1"],
    fedora: &["mesa-vulkan-drivers", "vulkan-loader"],
    arch: &["vulkan-swrast", "vulkan-icd-loader"],
};

const LOADER: &str = "libvulkan.so.1";

/// The variables that name manifests, or folders of them, instead of the usual places; the newer name wins.
const CHOICES: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// Where a loader lies if `ldconfig` knows nothing of it.
const LIBRARIES: [&str; 6] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/local/lib",
    "/run/opengl-driver/lib",
];

const MANIFESTS: [&str; 4] = [
    "/usr/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/run/opengl-driver/share/vulkan/icd.d",
];

/// The parts of a machine that are looked at.
struct Machine {
    /// What `ldconfig -p` prints.
    known_libraries: String,
    library_folders: Vec<PathBuf>,
    manifest_folders: Vec<PathBuf>,
    /// The variable that replaces the folders of manifests, and its value.
    chosen: Option<(&'static str, OsString)>,
}

impl Machine {
    fn this() -> Self {
        let mut library_folders: Vec<PathBuf> = LIBRARIES.map(PathBuf::from).into();
        if let Some(path) = env::var_os("LD_LIBRARY_PATH") {
            library_folders.extend(env::split_paths(&path).filter(|path| path.is_absolute()));
        }
        let mut manifest_folders: Vec<PathBuf> = MANIFESTS.map(PathBuf::from).into();
        manifest_folders.extend(dirs::data_dir().map(|data| data.join("vulkan/icd.d")));
        Self {
            known_libraries: ldconfig(),
            library_folders,
            manifest_folders,
            chosen: CHOICES
                .iter()
                .find_map(|name| Some((*name, env::var_os(name)?)))
                .filter(|(_, value)| !value.is_empty()),
        }
    }

    /// Says what there is; nothing if the loader or a driver is missing.
    fn find(&self) -> anyhow::Result<Option<String>> {
        if !cfg!(target_os = "linux") {
            return Ok(Some("not needed here, the system has its own".into()));
        }
        let manifests = self.manifests();
        if let (Some((name, value)), true) = (&self.chosen, manifests.is_empty()) {
            // No package can mend this.
            bail!(
                "{name} is {value:?}, where no driver's manifest (*.json) is: unset it or correct it"
            );
        }
        let Some(first) = manifests.first().filter(|_| self.has_loader()) else {
            return Ok(None);
        };
        let folder = first.parent().unwrap_or(first).display();
        let n_drivers = manifests.len();
        let drivers = if n_drivers == 1 { "driver" } else { "drivers" };
        Ok(Some(format!("{LOADER}, {n_drivers} {drivers} ({folder})")))
    }

    fn has_loader(&self) -> bool {
        let mut known = self.known_libraries.lines();
        known.any(|line| line.split_whitespace().next() == Some(LOADER))
            || self
                .library_folders
                .iter()
                .any(|folder| folder.join(LOADER).exists())
    }

    fn manifests(&self) -> Vec<PathBuf> {
        match &self.chosen {
            Some((_, value)) => env::split_paths(value)
                .flat_map(|path| {
                    if path.is_dir() {
                        manifests_in(&path)
                    } else {
                        vec![path]
                    }
                })
                .filter(|path| path.is_file())
                .collect(),
            None => self
                .manifest_folders
                .iter()
                .flat_map(|folder| manifests_in(folder))
                .collect(),
        }
    }
}

/// The libraries that the dynamic linker knows. It often lies outside a user's `PATH`.
fn ldconfig() -> String {
    let mut outputs = ["ldconfig", "/sbin/ldconfig"]
        .into_iter()
        .filter_map(|program| Command::new(program).arg("-p").output().ok());
    outputs
        .next()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

fn manifests_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const KNOWN: &str =
        "2 libs found in cache\n\tlibvulkan.so.1 (libc6,x86-64) => /lib/libvulkan.so.1\n";

    /// A machine whose loader is what is given, with the named files among the manifests.
    fn machine(known_libraries: &str, manifests: &[&str]) -> anyhow::Result<(TempDir, Machine)> {
        let folder = tempfile::tempdir()?;
        for name in manifests {
            fs::write(folder.path().join(name), "{}")?;
        }
        let machine = Machine {
            known_libraries: known_libraries.into(),
            library_folders: vec![folder.path().join("lib")],
            manifest_folders: vec!["no/such/folder".into(), folder.path().to_owned()],
            chosen: None,
        };
        Ok((folder, machine))
    }

    #[test]
    fn a_loader_and_a_driver_are_both_needed() -> anyhow::Result<()> {
        let other = "\tlibvulkan_lvp.so (libc6,x86-64) => /lib/libvulkan_lvp.so\n";
        for (known, manifests, found) in [
            (
                KNOWN,
                &["lvp.json", "radeon.json"][..],
                Some("libvulkan.so.1, 2 drivers ("),
            ),
            (KNOWN, &["lvp.json"], Some("libvulkan.so.1, 1 driver (")),
            (KNOWN, &["README"], None),
            (KNOWN, &[], None),
            (other, &["lvp.json"], None),
            ("", &["lvp.json"], None),
        ] {
            let (_folder, machine) = machine(known, manifests)?;
            let said = machine.find()?;
            match found {
                Some(found) => assert!(said.is_some_and(|said| said.starts_with(found)), "{found}"),
                None => assert_eq!(said, None, "{known:?} {manifests:?}"),
            }
        }
        Ok(())
    }

    #[test]
    fn a_loader_outside_the_linkers_list_counts() -> anyhow::Result<()> {
        let (folder, machine) = machine("", &["lvp.json"])?;
        fs::create_dir(folder.path().join("lib"))?;
        fs::write(folder.path().join("lib").join(LOADER), "")?;
        assert!(machine.find()?.is_some());
        Ok(())
    }

    #[test]
    fn chosen_manifests_replace_the_usual_ones() -> anyhow::Result<()> {
        let (folder, mut machine) = machine(KNOWN, &["lvp.json", "radeon.json"])?;
        for (chosen, n_drivers) in [
            (folder.path().join("lvp.json"), "1 driver "),
            (folder.path().to_owned(), "2 drivers "),
        ] {
            machine.chosen = Some((CHOICES[0], chosen.into()));
            assert!(machine.find()?.is_some_and(|said| said.contains(n_drivers)));
        }

        machine.chosen = Some((CHOICES[1], folder.path().join("gone.json").into()));
        let error = machine.find().expect_err("nothing is there").to_string();
        assert!(
            error.contains("VK_ICD_FILENAMES") && error.contains("gone.json"),
            "{error}"
        );
        Ok(())
    }
}
