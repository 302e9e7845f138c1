//! A save that fails leaves the former directory whole.

use std::fs;
use std::path::Path;

use burn_flex::Flex;
use hearth_data::Tokenizer;
use hearth_hub::{Dialect, HubError, ModelConfig, ModelDirectory, replace_directory};
use hearth_model::GptConfig;

use crate::support::{bits, fixture, whole};

fn load(dir: &Path) -> ModelDirectory<Flex> {
    ModelDirectory::load(dir, &Default::default()).expect("the directory is in order")
}

#[test]
fn a_failing_save_leaves_the_former_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("model");
    let good = load(&fixture("gpt2"));
    good.save(&dir).expect("saved");

    let too_many: String = ('\u{100}'..'\u{200}').collect();
    let tokenizer = Tokenizer::train_characters(&too_many).expect("trained");
    let other_dialect = ModelDirectory {
        dialect: Dialect::Marian,
        ..good.clone()
    };
    let other_config = ModelDirectory {
        config: ModelConfig::Gpt(GptConfig::tiny(97)),
        ..good.clone()
    };
    let other_tokenizer = ModelDirectory {
        tokenizer: Some(tokenizer),
        ..good.clone()
    };
    let mut other_special = good.clone();
    other_special.special.eos = vec![1, 97];
    for (bad, expected) in [
        (other_dialect, "marian cannot express architecture = gpt"),
        (
            other_config,
            "decoder.layers.0.feed_forward.down.weight [64, 16]",
        ),
        (other_tokenizer, "has tokens up to id 255"),
        (other_special, "eos_token_id is 97"),
    ] {
        let error = bad.save(&dir).expect_err(expected);
        assert!(whole(&error).contains(expected), "{}", whole(&error));
        assert!(!error.is_io());
        assert_eq!(bits(&load(&dir).model), bits(&good.model));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}

#[test]
fn a_file_is_not_replaced_by_a_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("model");
    fs::write(&dir, "a file").expect("written");
    let good = load(&fixture("gpt2"));
    let error = good.save(&dir).expect_err("a file");
    assert!(matches!(error, HubError::Occupied { .. }), "{error}");
    let error = good.save(&dir.join("below")).expect_err("below a file");
    assert!(error.is_io(), "{error}");
    assert_eq!(fs::read_to_string(&dir).expect("a file"), "a file");
}

#[test]
fn a_saved_model_can_be_saved_over_again_and_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("deep/er/model");
    let good = load(&fixture("torch-transformer"));
    for _ in 0..3 {
        good.save(&dir).expect("saved");
    }
    assert_eq!(bits(&load(&dir).model), bits(&good.model));
    let beside = dir.parent().expect("a parent");
    assert_eq!(fs::read_dir(beside).expect("a folder").count(), 1);
}

#[test]
fn a_directory_with_more_in_it_is_written_whole_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("checkpoint");
    let good = load(&fixture("gpt2"));
    let save = || {
        replace_directory(&dir, |staging| {
            good.write(staging)?;
            fs::write(staging.join("trainer_state.json"), "{}").expect("written");
            Ok::<_, HubError>(())
        })
    };
    save().expect("saved");
    save().expect("saved again");
    assert!(dir.join("trainer_state.json").is_file());
    assert_eq!(bits(&load(&dir).model), bits(&good.model));
}

#[cfg(unix)]
#[test]
fn others_may_read_a_saved_model() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, plain) = (folder.path().join("model"), folder.path().join("plain"));
    fs::create_dir(&plain).expect("made");
    fs::write(plain.join("file"), "").expect("written");
    load(&fixture("gpt2")).save(&dir).expect("saved");
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&dir), mode(&plain));
    assert_eq!(
        mode(&dir.join("model.safetensors")),
        mode(&plain.join("file"))
    );
}
