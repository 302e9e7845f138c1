//! Reading WAV files, which are not to be trusted.

use std::io::Cursor;
use std::path::Path;

use hound::{SampleFormat, WavReader};

use super::Recording;
use crate::DataError;
use crate::read::read_bytes_up_to;

/// The largest WAV file that is read, 512 MiB: fifty minutes in CD quality.
pub(super) const MAX_WAV_BYTES: u64 = 1 << 29;

/// The longest recording that is read, in seconds: a slow rate puts days into a small file.
const MAX_SECONDS: f64 = 3.0 * 3600.0;

/// The rates that a recording may have, in samples a second.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Reads a WAV file: whole numbers of 8, 16, 24 or 32 bits, or floats of 32; its channels become their mean.
///
/// # Errors
///
/// The file cannot be read, is no WAV file, is cut short, holds no sound or samples that are no numbers, or is larger than
/// 512 MiB or longer than three hours.
pub fn read_wav(path: &Path) -> Result<Recording, DataError> {
    wav(path, &read_bytes_up_to(path, MAX_WAV_BYTES)?)
}

/// The recording that a file's bytes are.
pub(super) fn wav(path: &Path, bytes: &[u8]) -> Result<Recording, DataError> {
    decode(bytes).map_err(|problem| DataError::Wav {
        path: path.into(),
        problem,
    })
}

/// What a WAV file holds, or what is wrong with it.
fn decode(bytes: &[u8]) -> Result<Recording, String> {
    if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
        let found = match bytes.len() {
            0 => "an empty file".to_owned(),
            n => format!("{n} bytes that begin with {:?}", beginning(bytes)),
        };
        return Err(format!("found {found}, expected a RIFF WAVE header"));
    }
    let mut reader = WavReader::new(Cursor::new(bytes)).map_err(|error| match error {
        // The bytes are in memory: nothing else can fail.
        hound::Error::IoError(_) => "the header is cut short".to_owned(),
        error => describe(&error),
    })?;
    let spec = reader.spec();
    if !RATES.contains(&spec.sample_rate) {
        let (least, most) = (RATES.start(), RATES.end());
        return Err(format!(
            "found {} samples a second, expected {least} to {most}",
            spec.sample_rate
        ));
    }
    let (n_claimed, n_channels) = (reader.len() as usize, usize::from(spec.channels));
    let mut samples = Vec::with_capacity(n_claimed.min(bytes.len()));
    let cut =
        |n: usize| format!("the header claims {n_claimed} samples, but the file ends behind {n}");
    match spec.sample_format {
        SampleFormat::Float => {
            for sample in reader.samples::<f32>() {
                samples.push(sample.map_err(|error| refuse(&error, || cut(samples.len())))?);
            }
        }
        SampleFormat::Int => {
            let scale = 1.0 / 2f64.powi(i32::from(spec.bits_per_sample) - 1);
            for sample in reader.samples::<i32>() {
                let sample = sample.map_err(|error| refuse(&error, || cut(samples.len())))?;
                samples.push((f64::from(sample) * scale) as f32);
            }
        }
    }
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        return Err(format!("sample {at} is {}, expected a number", samples[at]));
    }
    if samples.len() < n_channels || n_channels == 0 {
        return Err("found no sound, expected at least one sample".to_owned());
    }
    let samples = samples.chunks_exact(n_channels);
    let mean = |channels: &[f32]| channels.iter().sum::<f32>() / n_channels as f32;
    let recording = Recording {
        sample_rate: spec.sample_rate,
        samples: samples.map(mean).collect(),
    };
    let seconds = recording.seconds();
    if seconds > MAX_SECONDS {
        return Err(format!(
            "found {seconds:.0} seconds of sound, expected at most {MAX_SECONDS}"
        ));
    }
    Ok(recording)
}

fn refuse(error: &hound::Error, cut: impl FnOnce() -> String) -> String {
    match error {
        hound::Error::IoError(_) => cut(),
        hound::Error::FormatError("Failed to read enough bytes.") => cut(),
        error => describe(error),
    }
}

fn describe(error: &hound::Error) -> String {
    let expected = "expected PCM of 8, 16, 24 or 32 bits, or floats of 32";
    match error {
        hound::Error::Unsupported => format!("found an encoding that is not read, {expected}"),
        hound::Error::FormatError(problem) => format!("the header is damaged: {problem}"),
        error => format!("{error}, {expected}"),
    }
}

/// The first characters of a file, for a message.
fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(12)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};

    fn spec(channels: u16, bits: u16, format: SampleFormat) -> WavSpec {
        WavSpec {
            channels,
            sample_rate: 8000,
            bits_per_sample: bits,
            sample_format: format,
        }
    }

    fn whole(channels: u16, bits: u16, samples: &[i32]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer =
            WavWriter::new(&mut bytes, spec(channels, bits, SampleFormat::Int)).unwrap();
        for &sample in samples {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn floats(samples: &[f32]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec(1, 32, SampleFormat::Float)).unwrap();
        for &sample in samples {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_width_has_the_same_full_scale() {
        for bits in [8, 16, 24, 32] {
            let half = 1 << (bits - 2);
            let recording = decode(&whole(1, bits, &[half, -half, 0])).unwrap();
            assert_eq!(recording.samples, [0.5, -0.5, 0.0], "{bits}");
            assert_eq!(recording.sample_rate, 8000);
        }
        assert_eq!(decode(&floats(&[0.5, -2.0])).unwrap().samples, [0.5, -2.0]);
    }

    #[test]
    fn channels_become_their_mean() {
        let recording = decode(&whole(2, 16, &[16384, 0, -16384, -16384])).unwrap();
        assert_eq!(recording.samples, [0.25, -0.5]);
    }

    #[test]
    fn what_is_no_recording_is_said() {
        let good = whole(1, 16, &[1, 2, 3, 4]);
        let changed = |at: usize, with: &[u8]| {
            let mut bytes = good.clone();
            bytes[at..at + with.len()].copy_from_slice(with);
            bytes
        };
        let rate =
            |rate: u32| changed(24, &[rate.to_le_bytes(), (2 * rate).to_le_bytes()].concat());
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (vec![], "found an empty file, expected a RIFF WAVE header"),
            (b"ID3\x04 some song".to_vec(), "begin with \"ID3"),
            (good[..20].to_vec(), "cut short"),
            // Of 8 bytes of samples, 3 are there.
            (good[..good.len() - 5].to_vec(), "claims 4 samples"),
            (changed(40, &[0xff; 4]), "damaged"),
            (
                changed(40, &0xffff_fff0u32.to_le_bytes()),
                "claims 2147483640 samples, but the file ends behind 4",
            ),
            (changed(22, &[0, 0]), "damaged"),
            (rate(0), "found 0 samples a second"),
            (rate(2_000_000), "found 2000000 samples a second"),
            // Not as many bytes a second as the samples take.
            (changed(24, &[1, 2, 3, 4]), "damaged"),
            // Mu-law.
            (changed(20, &[7, 0]), "an encoding that is not read"),
            (whole(1, 16, &[]), "no sound"),
            (floats(&[0.0, f32::NAN]), "sample 1 is NaN"),
        ];
        for (bytes, expected) in cases {
            let problem = decode(&bytes).unwrap_err();
            assert!(problem.contains(expected), "{expected:?}: {problem}");
        }
    }

    #[test]
    fn days_of_sound_are_refused() {
        let mut slow = whole(1, 8, &vec![0; 10_801_000]);
        slow[24..32].copy_from_slice(&[1000u32.to_le_bytes(), 1000u32.to_le_bytes()].concat());
        let problem = decode(&slow).unwrap_err();
        assert_eq!(
            problem,
            "found 10801 seconds of sound, expected at most 10800"
        );
    }

    #[test]
    fn damage_anywhere_in_the_header_never_panics() {
        let good = whole(2, 24, &[1, 2, 3, 4]);
        for at in 0..good.len().min(60) {
            for value in [0, 1, 3, 0x7f, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                let _ = decode(&bytes);
            }
            let _ = decode(&good[..at]);
        }
    }

    #[test]
    fn a_missing_file_is_io_and_a_bad_one_is_not() {
        assert!(read_wav(Path::new("/nowhere/a.wav")).unwrap_err().is_io());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "").unwrap();
        let error = read_wav(&path).unwrap_err();
        assert!(!error.is_io());
        assert!(error.to_string().contains("a.wav: found an empty file"));
    }
}
