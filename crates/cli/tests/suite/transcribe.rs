//! `transcribe`: a recording in, a line of text out.

use super::bad_input::Workshop;
use super::program::{Program, text};
use super::{fixture, trained};
use std::f64::consts::PI;
use std::fs;

/// A WAV file of 16 bits: a tone of the given length.
pub(crate) fn tone(hertz: f64, seconds: f64, rate: u32, channels: u16) -> Vec<u8> {
    let n = (seconds * f64::from(rate)) as usize;
    let sample = |i: usize| (2.0 * PI * hertz * i as f64 / f64::from(rate)).sin() * 10_000.0;
    let samples: Vec<u8> = (0..n)
        .flat_map(|i| vec![sample(i) as i16; usize::from(channels)])
        .flat_map(i16::to_le_bytes)
        .collect();
    let block = 2 * channels;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(block)).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(16u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    bytes
}

pub(crate) fn a_recording_is_written_down_in_text_and_in_json(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = [440.0, 880.0].map(|hertz| {
        let path = folder.path().join(format!("{hertz}.wav"));
        fs::write(&path, tone(hertz, 0.5, 16_000, 1)).expect("a file");
        path
    });
    let [one, two] = paths.each_ref().map(|path| text(path));
    let model = trained::speech(program).best();
    let transcribe = |options: &[&str]| {
        let arguments = ["transcribe", "-q", "--model", text(&model)];
        let finished = program.run(arguments.iter().chain(options));
        let finished = finished.success();
        assert_eq!(finished.stderr, "");
        finished
    };
    for beam in ["1", "3"] {
        let both = transcribe(&["--beam", beam, one, two]).stdout;
        let results = transcribe(&["--beam", beam, "--json", one, two]).json_lines();
        assert_eq!((both.lines().count(), results.len()), (2, 2));
        for ((line, result), path) in both.lines().zip(&results).zip([one, two]) {
            let keys: Vec<&String> = result.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["path", "text", "ids", "score"]);
            assert_eq!(result["path"], path);
            let said = result["text"].as_str().expect("a text");
            assert_eq!(line, format!("{path}\t{said}"));
            assert!(!result["ids"].as_array().expect("ids").is_empty());
            // With itself, a model hears what it hears alone.
            let twice = ["--model", text(&model), "--beam", beam, "--json", path];
            assert_eq!(transcribe(&twice).json()["ids"], result["ids"]);
            assert!(result["score"].as_f64().expect("a score") < 0.0);
            // Alone it is heard as among others, and needs no name.
            let alone = transcribe(&["--beam", beam, path]).stdout;
            assert_eq!(alone.trim_end(), said);
        }
    }
    // By the decoder alone, by the encoder's own head alone, and by both, which is usual.
    let scores = [
        &["--ctc-weight", "0"][..],
        &["--ctc-weight", "1"],
        &["--ctc-weight", "0.5"],
        &[],
    ]
    .map(|way| transcribe(&[way, &["--json", one]].concat()).json()["score"].clone());
    assert!(
        scores[0] != scores[1] && scores[1] != scores[2],
        "{scores:?}"
    );
    assert_eq!(scores[2], scores[3]);
    let short = transcribe(&["--max-new-tokens", "2", "--json", one]).json();
    assert!(short["ids"].as_array().expect("ids").len() <= 2);
}

pub(crate) fn a_rate_and_channels_of_its_own_change_little(program: Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let model = trained::speech(program).best();
    let score = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        let arguments = ["transcribe", "--json", "--beam", "1", "--model"];
        let arguments = arguments.into_iter().chain([text(&model), text(&path)]);
        let result = program.run(arguments).success().json();
        (
            result["ids"].clone(),
            result["score"].as_f64().expect("a score"),
        )
    };
    let plain = score("a.wav", tone(700.0, 0.5, 16_000, 1));
    let other = score("b.wav", tone(700.0, 0.5, 44_100, 2));
    assert_eq!(plain.0, other.0);
    assert!((plain.1 - other.1).abs() < 0.2, "{plain:?} {other:?}");
}

/// Recordings that cannot be heard, and models that cannot hear.
pub(crate) fn recordings(workshop: &mut Workshop<'_>) {
    let good = tone(440.0, 0.1, 16_000, 1);
    let changed = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    workshop.file("good.wav", &good);
    workshop.file("nothing.wav", "");
    workshop.file("song.wav", "ID3 this is no recording");
    workshop.file("cut.wav", &good[..good.len() - 100]);
    workshop.file("lying.wav", changed(40, &0xffff_fff0u32.to_le_bytes()));
    workshop.file("law.wav", changed(20, &7u16.to_le_bytes()));
    workshop.file("slow.wav", changed(24, &[1, 0, 0, 0, 2, 0, 0, 0]));
    workshop.file("blink.wav", tone(440.0, 0.02, 16_000, 1));
    workshop.file("long.wav", tone(440.0, 3.0, 16_000, 1));
    let (speech, gpt2) = (workshop.speech.clone(), workshop.gpt2.clone());
    let tokenless = text(&fixture("speech-to-text")).to_owned();
    let cases: &[(&'static str, &str, &str, i32, &[&str])] = &[
        (
            "a missing recording",
            &speech,
            "@none.wav",
            5,
            &["none.wav", "No such file"],
        ),
        (
            "an empty recording",
            &speech,
            "@nothing.wav",
            4,
            &["nothing.wav", "empty file"],
        ),
        (
            "no recording",
            &speech,
            "@song.wav",
            4,
            &["song.wav", "ID3", "RIFF"],
        ),
        (
            "a cut recording",
            &speech,
            "@cut.wav",
            4,
            &["cut.wav", "claims 1600 samples", "1550"],
        ),
        (
            "a lying header",
            &speech,
            "@lying.wav",
            4,
            &["lying.wav", "claims", "1600"],
        ),
        (
            "another encoding",
            &speech,
            "@law.wav",
            4,
            &["law.wav", "encoding", "PCM"],
        ),
        (
            "an absurd rate",
            &speech,
            "@slow.wav",
            4,
            &["slow.wav", "1 samples a second"],
        ),
        (
            "a blink of sound",
            &speech,
            "@blink.wav",
            4,
            &["blink.wav", "25 ms"],
        ),
        (
            "too long a recording",
            &speech,
            "@long.wav",
            4,
            &["long.wav", "298 frames", "256"],
        ),
        (
            "a model of text",
            &gpt2,
            "@good.wav",
            4,
            &["gpt2", "transcribe", "speech"],
        ),
        (
            "no tokenizer",
            &tokenless,
            "@good.wav",
            4,
            &["tokenizer.json"],
        ),
        ("nothing to hear", &speech, "", 2, &["FILE.wav"]),
        (
            "an encoder without a head of its own",
            &tokenless,
            "--ctc-weight 0.5 @good.wav",
            4,
            &["speech-to-text", "--ctc-weight", "train.ctc_weight"],
        ),
        (
            "more than all the weight",
            &speech,
            "--ctc-weight 1.5 @good.wav",
            2,
            &["1.5", "from 0 to 1"],
        ),
    ];
    for (name, model, recording, code, parts) in cases {
        let line = format!("transcribe -q --model {model} {recording}");
        workshop.add(name, &line, *code, parts);
    }
}
