//! Mesa's Vulkan layer that chooses among GPUs asks the desktop first, and prints an error for each time there is none.

/// Where there is no desktop, becomes the same program without that layer. A layer is loaded into the process by the
/// environment it started with, so that only a new start changes it.
#[cfg(target_os = "linux")]
pub fn without_desktop_layer() {
    use std::env::{args_os, current_exe, var_os};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const OFF: &str = "NODEVICE_SELECT";
    if var_os("XDG_RUNTIME_DIR").is_some() || var_os(OFF).is_some() {
        return;
    }
    let mut arguments = args_os();
    if let (Ok(program), Some(name)) = (current_exe(), arguments.next()) {
        // Comes back only if it failed: then with the layer, and its words.
        let _ = Command::new(program)
            .arg0(name)
            .args(arguments)
            .env(OFF, "1")
            .exec();
    }
}

/// Mesa's layers are for Linux.
#[cfg(not(target_os = "linux"))]
pub fn without_desktop_layer() {}
