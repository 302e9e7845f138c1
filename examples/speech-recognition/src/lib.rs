//! Speech recognition: a small encoder-decoder learns to write down words that are tones.
#![allow(clippy::print_stdout)]

mod picture;
mod transcription;

use anyhow::{Context, bail};
use hearth::burn::tensor::backend::AutodiffBackend;
use hearth::hub::{Model, ModelDirectory};
use hearth::model::Conditional;
use hearth::train::{Event, Recipe, held_out_utterances};
use std::path::{Path, PathBuf};
use transcription::{Heard, hear, word_error_rate};

/// What is trained, on what, how. The recordings are made by the crate.
const RECIPE: &str = r#"
[model]
architecture = "speech-to-text"
d_model = 32
n_heads = 4
n_layers = 2
max_positions = 32
max_source_positions = 64
n_mels = 40

[data]
embedded = "tones"
n_utterances = 2000

[tokenizer]
vocab = 300

[train]
steps = 800
batch_size = 16
lr = 4e-3
weight_decay = 0.01
ctc_weight = 0.3
validate_every = 200
"#;

/// Trains a small encoder-decoder to write down words that are tones, and shows where it listens.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Args {
    /// Recordings to learn from, in place of tones: a file of `WAV TAB text` lines, or a folder with one, transcripts.tsv
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Changes one key of the recipe, such as data.sample_rate=8000; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the run is written
    #[arg(long, value_name = "DIR", default_value = "runs/speech-recognition")]
    pub out: PathBuf,
}

/// Trains in `args.out`, then writes down recordings that training never heard.
pub fn run<B: AutodiffBackend>(args: &Args, device: &B::Device) -> anyhow::Result<()> {
    let transcripts = train_and_transcribe::<B>(args, device)?;
    println!(
        "\n{} recordings that training never heard, {:.1} % of the words wrong:",
        transcripts.len(),
        100.0 * word_error_rate(&transcripts)
    );
    for Heard { said, heard, .. } in transcripts.iter().step_by(transcripts.len().div_ceil(8)) {
        println!("  said: {said:12} heard: {heard}");
    }
    println!("picture: {}", args.out.join("attention.svg").display());
    Ok(())
}

fn train_and_transcribe<B: AutodiffBackend>(
    args: &Args,
    device: &B::Device,
) -> anyhow::Result<Vec<Heard>> {
    let recipe = Recipe::parse(
        RECIPE,
        Path::new("speech-recognition"),
        &args.set,
        &args.data,
    )?;
    hearth::train::run::<B>(&recipe, &args.out, device, &mut |event| match event {
        Event::Started {
            n_parameters, data, ..
        } => println!("{n_parameters} parameters; {data}"),
        Event::Validated {
            step, evaluation, ..
        } => println!("step {step}: perplexity {:.3}", evaluation.perplexity()),
        _ => {}
    })?;

    // What was saved is what any program would load; from here on there are no gradients.
    let directory = ModelDirectory::<B::InnerBackend>::load(&args.out.join("best"), device)?;
    let (_, mut held_out) = held_out_utterances(&recipe)?;
    let Model::SpeechToText(model) = &directory.model else {
        bail!("a recipe for speech-to-text trains one");
    };
    // Training leaves out what is too long, too.
    held_out.retain(|one| one.frames.n_frames() <= model.max_source_positions());
    let every = held_out.len().div_ceil(200).max(1);
    let held_out: Vec<_> = held_out.into_iter().step_by(every).collect();
    let heard = |one| hear(model, &directory, one, device);
    let transcripts = held_out.iter().map(heard).collect::<Result<Vec<_>, _>>()?;
    // When it listened to what, where the most was said.
    let all = transcripts.iter().zip(&held_out);
    let longest = all.max_by_key(|(one, _)| one.said.len());
    let (longest, utterance) = longest.context("no recording is as short as the model reads")?;
    let map = picture::attention(model, &directory, longest, utterance, device)?;
    std::fs::write(args.out.join("attention.svg"), map.svg()?)?;
    Ok(transcripts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hearth::burn::backend::Autodiff;

    type B = Autodiff<hearth::backend::Selected>;

    const QUICK: [&str; 3] = [
        "train.warmup_steps=10",
        "train.batch_size=8",
        "model.n_layers=1",
    ];

    fn heard(given: &[&str], out: &Path) -> Vec<Heard> {
        let out = ["", "--out", out.to_str().unwrap()];
        let quick = QUICK.iter().flat_map(|one| ["--set", one]);
        let args = Args::parse_from(out.into_iter().chain(quick).chain(given.iter().copied()));
        train_and_transcribe::<B>(&args, &hearth::backend::device().unwrap()).unwrap()
    }

    #[test]
    fn a_few_steps_train_a_model_that_hears() {
        let folder = tempfile::tempdir().unwrap();
        let given = ["--set", "data.n_utterances=60", "--set", "train.steps=60"];
        let heard = heard(&given, folder.path());
        // It knows by now that nothing but words is said.
        let words = ["do", "re", "mi", "fa", "so", "la", "ti"];
        let mut written = heard.iter().flat_map(|one| one.heard.split_whitespace());
        assert!(written.clone().count() > 0);
        assert!(written.all(|word| words.contains(&word)));
        let picture = std::fs::read_to_string(folder.path().join("attention.svg")).unwrap();
        assert!(picture.contains("said: "), "{picture}");
    }

    #[test]
    fn recordings_of_ones_own_take_the_place_of_tones() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("words");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        for (word, period) in [("low", 40), ("high", 10)] {
            std::fs::create_dir_all(data.join(word)).unwrap();
            for n in 0..40 {
                let path = data.join(word).join(format!("{n}.wav"));
                let mut wav = hound::WavWriter::create(path, spec).unwrap();
                for at in 0..1600 {
                    wav.write_sample(100 * (at % period) as i16).unwrap();
                }
                wav.finalize().unwrap();
            }
        }
        let given = [
            "--data",
            data.to_str().unwrap(),
            "--set",
            "data.sample_rate=8000",
            "--set",
            "train.steps=3",
        ];
        let heard = heard(&given, &folder.path().join("run"));
        assert!(!heard.is_empty());
        assert!(
            heard
                .iter()
                .all(|one| ["low", "high"].contains(&&*one.said))
        );
    }
}
