//! A model of speech learns its training tones by heart.

use burn::backend::Autodiff;
use burn_flex::Flex;
use hearth_batch::pad_frames;
use hearth_hub::{Model, ModelDirectory};
use hearth_infer::{DecodeOptions, Strategy, transcribe};
use hearth_model::{CtcTokens, SpeechWriter};
use hearth_train::{Recipe, Split, held_out_utterances, read_metrics, run};
use std::ops::ControlFlow;
use std::path::Path;

const RECIPE: &str = "
    [model]
    architecture = 'speech-to-text'
    d_model = 32
    n_heads = 2
    n_layers = 1
    max_positions = 16
    n_mels = 24
    max_source_positions = 32

    [data]
    embedded = 'tones'
    n_utterances = 20
    validation_fraction = 0.2

    [tokenizer]
    vocab = 300

    [train]
    steps = 200
    batch_size = 16
    lr = 4e-3
    warmup_steps = 20
    weight_decay = 0.0
    ctc_weight = 0.3
    validate_every = 200
    log_every = 5
";

#[test]
fn training_tones_are_learnt_by_heart() {
    let recipe = Recipe::parse(RECIPE, Path::new("tones"), &[], &[]).expect("a recipe");
    let folder = tempfile::tempdir().expect("a folder");
    let device = Default::default();
    run::<Autodiff<Flex>>(&recipe, folder.path(), &device, &mut |_| ()).expect("trained");

    let metrics = read_metrics(&folder.path().join("metrics.jsonl")).expect("metrics");
    let training = metrics.iter().filter(|metric| metric.split == Split::Train);
    let losses: Vec<f64> = training.map(|metric| metric.loss).collect();
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < first / 10.0, "from {first} to {last}");

    let directory = ModelDirectory::<Flex>::load(&folder.path().join("last"), &device);
    let directory = directory.expect("a model");
    let features = directory.features.as_ref().expect("features");
    assert_eq!((features.n_mels, features.sample_rate), (24, 16_000));
    let Model::SpeechToText(model) = &directory.model else {
        panic!("it reads frames")
    };
    let tokenizer = directory.tokenizer.as_ref().expect("a tokenizer");
    let special = &directory.special;
    let (start, blank) = (
        special.decoder_start.expect("a start"),
        special.pad.expect("a blank"),
    );
    let options = DecodeOptions {
        eos: special.eos.clone(),
        ..DecodeOptions::new(Strategy::Greedy, 15)
    };
    let (utterances, _) = held_out_utterances(&recipe).expect("tones");
    assert!(utterances.len() > 10);
    for utterance in utterances {
        let frames = pad_frames(&[&utterance.frames], &device).frames;
        // By the decoder, by the encoder's own head, and by both.
        for weight in [0.0, 1.0, 0.3] {
            let end = special.eos[0];
            let model = SpeechWriter::new(model, weight, CtcTokens { blank, end });
            let (frames, go_on) = (frames.clone(), &mut |_| ControlFlow::Continue(()));
            let written = transcribe(&model, frames, None, start, &options, go_on);
            let written = written.expect("a text");
            let written = tokenizer.decode(&written[0][0].ids).expect("a text");
            assert_eq!(written.trim(), utterance.text, "a weight of {weight}");
        }
    }
}
