//! The yesno corpus: sixty recordings of eight words each, whose names say what is said.

use std::path::Path;

use super::{wav, wav::Recordings};

/// Sorted by name, the first 36 to train on, 4 to validate on, the last 20 to test.
pub(super) fn cut(from: &Path, to: &Path) -> anyhow::Result<String> {
    let recordings = Recordings::read(&from.join("yesno/waves_yesno.tar.gz"))?;
    let mut lists = [
        ("train", 36, String::new()),
        ("validation", 40, String::new()),
        ("test", 60, String::new()),
    ];
    for (number, (name, samples)) in recordings.all.iter().enumerate() {
        let words = name
            .split('_')
            .map(|word| if word == "1" { "yes" } else { "no" });
        let words: Vec<&str> = words.collect();
        wav::write(&to.join(format!("{name}.wav")), recordings.rate, samples)?;
        if let Some((_, _, list)) = lists.iter_mut().find(|(_, end, _)| number < *end) {
            *list += &format!("{name}.wav\t{}\n", words.join(" "));
        }
    }
    for (name, _, list) in &lists {
        super::write(&to.join(format!("{name}.tsv")), list)?;
    }
    Ok(format!("{} recordings", recordings.all.len()))
}
