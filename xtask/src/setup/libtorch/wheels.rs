//! The wheels that libtorch is made from: which they are, how pip fetches them, and what is kept of them.
//!
//! Wheels rather than the zip of libtorch, because a package index can be had through a mirror wherever pip is set up, and
//! because pip checks hashes. Torch's wheel for Linux is the one for CUDA; its CPU library wants two small libraries of
//! CUDA's, which are taken from their own wheels, and the rest, most of it, is left behind.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Seek},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use zip::ZipArchive;

use crate::setup::tools;

/// What the wheels weigh together.
pub(super) const DOWNLOAD: &str = "911 MB";

/// One file for each, whatever the machine's Python: see [`download`].
const REQUIREMENTS: &str = "\
torch==2.9.0 --hash=sha256:51de31219c97c51cf4bf2be94d622e3deb5dcc526c6dc00e97c17eaec0fc1d67
nvidia-cuda-runtime-cu12==12.8.90 --hash=sha256:adade8dcbd0edf427b7204d480d6066d33902cab2a4707dcfc48a2d0fd44ab90
nvidia-cuda-cupti-cu12==12.8.90 --hash=sha256:ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182
";

/// The headers; they keep their folders below `include`.
const HEADERS: &str = "torch/include";

/// The libraries; they go into `lib`.
const LIBRARIES: [&str; 5] = [
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "nvidia/cuda_cupti/lib/libcupti.so.12",
    "nvidia/cuda_runtime/lib/libcudart.so.12",
];

/// The command that downloads the wheels into a folder, and the file of requirements it reads there.
pub(super) fn download(folder: &Path) -> anyhow::Result<Command> {
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)
        .with_context(|| format!("cannot write {}", requirements.display()))?;
    let mut command = tools::pip_command();
    command
        // It would keep the whole gigabyte.
        .args(["download", "--no-input", "--no-cache-dir", "--no-deps"])
        .args(["--require-hashes", "--only-binary=:all:"])
        // The wheels of one Python and one system, not of those that happen to run pip.
        .args(["--python-version", "3.11", "--implementation", "cp"])
        .args(["--abi", "cp311", "--abi", "none"])
        .args(["--platform", "manylinux_2_28_x86_64"])
        .args(["--platform", "manylinux2014_x86_64"])
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(requirements);
    Ok(command)
}

/// Unpacks what is kept of the wheels in a folder. Returns how many bytes that is.
pub(super) fn unpack_all(wheels: &Path, libtorch: &Path) -> anyhow::Result<u64> {
    let mut n_bytes = 0;
    for entry in fs::read_dir(wheels)? {
        let wheel = entry?.path();
        if wheel
            .extension()
            .is_some_and(|extension| extension == "whl")
        {
            let unpacked = File::open(&wheel)
                .map_err(anyhow::Error::from)
                .and_then(|file| unpack(BufReader::new(file), libtorch));
            n_bytes += unpacked.with_context(|| format!("cannot unpack {}", wheel.display()))?;
        }
    }
    for library in LIBRARIES.iter().map(Path::new) {
        ensure!(
            kept(library).is_some_and(|file| libtorch.join(file).is_file()),
            "no wheel had {}",
            library.display()
        );
    }
    Ok(n_bytes)
}

fn unpack(wheel: impl Read + Seek, libtorch: &Path) -> anyhow::Result<u64> {
    let mut archive = ZipArchive::new(wheel)?;
    let mut n_bytes = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        // Resolved first: a name may climb out of the folder that it seems to be in.
        let name = entry
            .enclosed_name()
            .with_context(|| format!("{:?} leads out of the archive", entry.name()))?;
        let Some(file) = kept(&name).filter(|_| entry.is_file()) else {
            continue;
        };
        let file = libtorch.join(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        n_bytes += File::create(&file)
            .and_then(|mut out| io::copy(&mut entry, &mut out))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(n_bytes)
}

/// Where a file of a wheel goes in the folder of libtorch; nowhere if it is not needed.
fn kept(name: &Path) -> Option<PathBuf> {
    if let Ok(header) = name.strip_prefix(HEADERS) {
        return Some(Path::new("include").join(header));
    }
    let library = LIBRARIES
        .iter()
        .map(Path::new)
        .find(|library| *library == name)?;
    Some(Path::new("lib").join(library.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn wheel(names: &[&str]) -> anyhow::Result<Vec<u8>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            if name.ends_with('/') {
                writer.add_directory(*name, SimpleFileOptions::default())?;
            } else {
                writer.start_file(*name, SimpleFileOptions::default())?;
                writer.write_all(name.as_bytes())?;
            }
        }
        Ok(writer.finish()?.into_inner())
    }

    /// The files below a folder, by their paths from there.
    fn files(folder: &Path) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(below) = folders.pop() {
            for entry in fs::read_dir(below)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let path = path.strip_prefix(folder)?.display().to_string();
                    found.push(path.replace('\\', "/"));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    #[test]
    fn headers_and_five_libraries_are_kept() -> anyhow::Result<()> {
        let [wheels, out] = [tempfile::tempdir()?, tempfile::tempdir()?];
        let torch = [
            "torch/include/",
            "torch/include/c10/util/a.h",
            "torch/include/torch/b.h",
            "torch/included.h",
            "torch/lib/libc10.so",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libgomp.so.1",
            "torch/version.py",
        ];
        let nvidia = [
            "nvidia/cuda_cupti/lib/libcupti.so.12",
            "nvidia/cuda_cupti/lib/libnvperf_host.so",
            "nvidia/cuda_runtime/lib/libcudart.so.12",
            "nvidia/cuda_runtime/include/cuda.h",
        ];
        fs::write(wheels.path().join("torch.whl"), wheel(&torch)?)?;
        fs::write(wheels.path().join("nvidia.whl"), wheel(&nvidia)?)?;
        fs::write(wheels.path().join("requirements.txt"), REQUIREMENTS)?;
        unpack_all(wheels.path(), out.path())?;
        assert_eq!(
            files(out.path())?,
            [
                "include/c10/util/a.h",
                "include/torch/b.h",
                "lib/libc10.so",
                "lib/libcudart.so.12",
                "lib/libcupti.so.12",
                "lib/libgomp.so.1",
                "lib/libtorch_cpu.so",
            ]
        );
        let text = fs::read_to_string(out.path().join("lib/libc10.so"))?;
        assert_eq!(text, "torch/lib/libc10.so");
        Ok(())
    }

    #[test]
    fn a_wheel_without_a_library_is_an_error_that_names_it() -> anyhow::Result<()> {
        let [wheels, out] = [tempfile::tempdir()?, tempfile::tempdir()?];
        fs::write(
            wheels.path().join("torch.whl"),
            wheel(&["torch/lib/libtorch_cpu.so"])?,
        )?;
        let error = unpack_all(wheels.path(), out.path()).expect_err("four are missing");
        assert_eq!(error.to_string(), "no wheel had torch/lib/libc10.so");
        Ok(())
    }

    #[test]
    fn a_hostile_name_never_leaves_the_folder() -> anyhow::Result<()> {
        for name in [
            "torch/include/../../x",
            "torch/include/../../../x",
            "torch/include/..\\..\\..\\x",
            "../torch/include/x",
            "/torch/../x",
        ] {
            let around = tempfile::tempdir()?;
            let libtorch = around.path().join("a/libtorch");
            fs::create_dir_all(&libtorch)?;
            // Refused, or resolved to a place that is not kept.
            let _ = unpack(Cursor::new(wheel(&[name])?), &libtorch);
            assert_eq!(files(around.path())?, [""; 0], "{name}");
        }
        Ok(())
    }

    #[test]
    fn pip_takes_one_wheel_by_one_hash_on_any_python() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let line = crate::workspace::shown(&download(folder.path())?);
        assert!(line.starts_with("python3 -m pip download "), "{line}");
        assert!(
            line.contains(" --require-hashes --only-binary=:all: --python-version 3.11 "),
            "{line}"
        );
        let text = fs::read_to_string(folder.path().join("requirements.txt"))?;
        for line in text.lines() {
            let (requirement, hash) = line.split_once(" --hash=sha256:").expect("a hash");
            assert!(requirement.contains("=="), "{line}");
            assert!(
                hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
                "{line}"
            );
        }
        assert!(text.starts_with(&format!("torch=={}", super::super::VERSION)));
        Ok(())
    }
}
