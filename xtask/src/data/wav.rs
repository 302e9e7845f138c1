//! Recordings of a gzipped tar archive: 16 bits, one channel.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, ensure};
use flate2::read::GzDecoder;

/// The samples of each WAV file, by its name without folder and ending.
pub(super) struct Recordings {
    pub(super) rate: u32,
    pub(super) all: BTreeMap<String, Vec<i16>>,
}

impl Recordings {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut archive = tar::Archive::new(GzDecoder::new(file));
        let (mut rate, mut all) = (0, BTreeMap::new());
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.into_owned();
            if name.extension().is_none_or(|ending| ending != "wav") {
                continue;
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            let mut wav = hound::WavReader::new(Cursor::new(bytes))?;
            let spec = wav.spec();
            let fits = spec.channels == 1 && spec.bits_per_sample == 16;
            ensure!(
                fits && (rate == 0 || rate == spec.sample_rate),
                "{}: {spec:?}",
                name.display()
            );
            rate = spec.sample_rate;
            let stem = name.file_stem().unwrap_or_default().to_string_lossy();
            let samples: Result<_, _> = wav.samples::<i16>().collect();
            all.insert(stem.into_owned(), samples?);
        }
        ensure!(rate > 0, "no recordings in {}", path.display());
        Ok(Self { rate, all })
    }
}

/// Writes a recording.
pub(super) fn write(path: &Path, rate: u32, samples: &[i16]) -> anyhow::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)
        .with_context(|| format!("cannot write {}", path.display()))?;
    for &sample in samples {
        writer.write_sample(sample)?;
    }
    Ok(writer.finalize()?)
}
