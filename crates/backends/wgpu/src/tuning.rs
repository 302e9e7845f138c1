//! Kernels are chosen by timing them on the device: once, because the choices are kept in the user's cache folder.

use cubecl::config::autotune::AutotuneConfig;
use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use hearth_cli::Notice;
use log::{LevelFilter, Log, Metadata, Record};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keeps the choices of kernels between runs, and says so when choosing takes time.
pub fn prepare(notice: Notice) {
    let folder = dirs::cache_dir().map(|cache| cache.join("hearth"));
    CubeClRuntimeConfig::set(config(folder.clone()));
    let listener = TuningListener {
        notice,
        folder,
        told: AtomicBool::new(false),
    };
    // The process's one logger: that another stands there already is no reason to stop.
    if log::set_logger(Box::leak(Box::new(listener))).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// What the user says in cubecl.toml and by CUBECL_… variables, but for the folder that is kept between runs.
fn config(folder: Option<PathBuf>) -> CubeClRuntimeConfig {
    let config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    match (folder, &config.autotune.cache) {
        (Some(folder), CacheConfig::Target) => CubeClRuntimeConfig {
            autotune: AutotuneConfig {
                cache: CacheConfig::File(folder),
                ..config.autotune
            },
            ..config
        },
        _ => config,
    }
}

/// Hears the tuner's log.
struct TuningListener {
    notice: Notice,
    folder: Option<PathBuf>,
    told: AtomicBool,
}

impl Log for TuningListener {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("cubecl_runtime::tune")
    }

    fn log(&self, record: &Record) {
        let tuning =
            self.enabled(record.metadata()) && record.args().to_string().starts_with("Tuning ");
        if tuning && !self.told.swap(true, Ordering::Relaxed) {
            let kept = match &self.folder {
                Some(folder) => format!("kept in {}", folder.join("autotune").display()),
                None => "kept for this run".to_owned(),
            };
            (self.notice)(&format!(
                "timing kernels to find the fastest for this device: this takes a while the first time ({kept})"
            ));
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn tuning_is_told_once_and_nothing_else_is() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = heard.clone();
        let listener = TuningListener {
            notice: Box::new(move |line| into.lock().expect("whole").push(line.to_owned())),
            folder: Some(PathBuf::from("/cache/hearth")),
            told: AtomicBool::new(false),
        };
        let say = |target: &str, message: &str| {
            let arguments = format_args!("{message}");
            let mut record = Record::builder();
            listener.log(&record.target(target).args(arguments).build());
        };
        say("wgpu_core::device", "Tuning a piano");
        say(
            "cubecl_runtime::tune::tune_cache",
            "Load autotune cache ...",
        );
        say("cubecl_runtime::tune::tuner", "Tuning matmul");
        say("cubecl_runtime::tune::tuner", "Tuning reduce");
        let heard = heard.lock().expect("whole");
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].contains("/cache/hearth/autotune"));
    }

    #[test]
    fn the_choices_are_kept_in_the_folder() {
        let config = config(Some(PathBuf::from("/cache/hearth")));
        assert_eq!(config.autotune.cache.root(), PathBuf::from("/cache/hearth"));
    }
}
