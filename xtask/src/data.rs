//! `cargo xtask data`: cuts up real data sets that do not come as recipes want them, below `runs/data`.
//!
//! Everything random is drawn from one seed: the same files each time.

mod english;
mod spoken_digits;
mod tatoeba;
mod wav;
mod yes_no;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::read::MultiGzDecoder;

use crate::workspace::Workspace;

/// Makes what recipes read; says what is absent.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<bool> {
    let shared = std::env::var_os("HEARTH_SHARED")
        .map_or_else(|| workspace.root().join("../shared"), PathBuf::from);
    let from = shared.join("data");
    let to = workspace.root().join("runs/data");
    type Cut = fn(&Path, &Path) -> anyhow::Result<String>;
    let sets: [(&str, Cut); 4] = [
        ("fsdd", spoken_digits::cut),
        ("yesno", yes_no::cut),
        ("english", english::cut),
        ("tatoeba", tatoeba::cut),
    ];
    let mut passed = true;
    for (name, cut) in sets {
        let folder = to.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        match cut(&from, &folder) {
            Ok(said) => println!("data {name}: {said}"),
            Err(error) => {
                println!("data {name}: {error:#}");
                passed = false;
            }
        }
    }
    Ok(passed)
}

/// Writes a file of what belongs to one split.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The text of a file packed by gzip.
fn unpacked(path: &Path) -> anyhow::Result<String> {
    let packed = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text)?;
    Ok(text)
}
