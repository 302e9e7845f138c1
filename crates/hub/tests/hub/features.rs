//! `preprocessor_config.json`, read, written and refused.

use std::fs;

use burn_flex::Flex;
use hearth_data::FilterbankConfig;
use hearth_hub::{HubError, ModelDirectory};
use serde_json::{Value, json};

use crate::support::{Copy, check};

/// What transformers writes.
fn theirs() -> Value {
    json!({
        "dither": 0.0,
        "do_ceptral_normalize": true,
        "feature_extractor_type": "Speech2TextFeatureExtractor",
        "feature_size": 80,
        "normalize_means": true,
        "normalize_vars": false,
        "num_mel_bins": 40,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": true,
        "sampling_rate": 8000
    })
}

fn load(copy: &Copy) -> Result<ModelDirectory<Flex>, HubError> {
    ModelDirectory::load(&copy.dir, &Default::default())
}

fn with(change: impl FnOnce(&mut Value)) -> Copy {
    let copy = Copy::of("speech-to-text");
    let mut config = theirs();
    change(&mut config);
    copy.write("preprocessor_config.json", config.to_string());
    copy
}

#[test]
fn features_are_read_and_come_back() {
    let expected = FilterbankConfig {
        sample_rate: 8000,
        n_mels: 40,
        normalize_mean: true,
        normalize_variance: false,
    };
    let copy = with(|_| ());
    let directory = load(&copy).expect("in order");
    assert_eq!(directory.features, Some(expected.clone()));
    let saved = copy.dir.with_file_name("saved");
    directory.save(&saved).expect("saved");
    let again = ModelDirectory::<Flex>::load(&saved, &Default::default()).expect("in order");
    assert_eq!(again.features, Some(expected));
    let text = fs::read_to_string(saved.join("preprocessor_config.json")).expect("a file");
    let ours: Value = serde_json::from_str(&text).expect("JSON");
    for (field, value) in theirs().as_object().expect("an object") {
        if field != "feature_size" {
            assert_eq!(&ours[field], value, "{field}");
        }
    }

    let none = with(|config| config["do_ceptral_normalize"] = json!(false));
    let features = load(&none).expect("in order").features.expect("features");
    assert!(!features.normalize_mean && !features.normalize_variance);
    assert_eq!(
        load(&Copy::of("speech-to-text"))
            .expect("in order")
            .features,
        None
    );
}

#[test]
fn what_no_sound_can_be_made_of_is_refused() {
    #[rustfmt::skip]
    let cases = [
        ("num_mel_bins", json!(80), "80, expected 40"),
        ("num_mel_bins", json!(-1), "invalid value"),
        ("sampling_rate", json!(0), "0, expected 1000 to 192000"),
        ("sampling_rate", json!(4_000_000_000u32), "expected 1000 to 192000"),
        ("sampling_rate", json!("16k"), "invalid type: string"),
        ("dither", json!(4.0), "4.0, expected 0.0"),
        ("padding_value", json!(1.0), "1.0, expected 0.0"),
        ("feature_extractor_type", json!("WhisperFeatureExtractor"), "Speech2TextFeatureExtractor"),
        ("normalize_means", json!("yes"), "invalid type: string"),
    ];
    for (field, value, expected) in cases {
        let copy = with(|config| config[field] = value);
        check(&copy, "preprocessor_config.json", &[field, expected]);
    }
    for content in ["", "[]", "nonsense"] {
        let copy = with(|_| ());
        copy.write("preprocessor_config.json", content);
        check(&copy, "preprocessor_config.json", &[]);
    }
}

#[test]
fn another_models_preprocessor_is_its_own_affair() {
    let copy = Copy::of("gpt2");
    copy.write(
        "preprocessor_config.json",
        "{\"image_processor_type\": \"ViTImageProcessor\"}",
    );
    assert_eq!(load(&copy).expect("in order").features, None);
}

#[test]
fn features_that_do_not_fit_the_model_are_not_saved() {
    let copy = Copy::of("speech-to-text");
    let mut directory = load(&copy).expect("in order");
    directory.features = Some(FilterbankConfig::with_mels(80));
    let error = directory
        .save(&copy.dir.with_file_name("saved"))
        .expect_err("80 mels");
    assert!(error.to_string().contains("80 mels"), "{error}");
}
