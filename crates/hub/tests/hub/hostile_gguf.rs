//! Every bad GGUF file is an error that names the file, what was found and what was expected. None panics.

use std::time::{Duration, Instant};

use burn_flex::Flex;
use hearth_hub::ModelDirectory;

use crate::gguf::{Gguf, Setting};
use crate::support::whole;

/// What is wrong with a file; its name is in the message, and it is not the system's fault.
fn complaint(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("written");
    let start = Instant::now();
    let loaded = ModelDirectory::<Flex>::load(&path, &Default::default());
    assert!(start.elapsed() < Duration::from_secs(5));
    let error = loaded.map(|_| ()).expect_err("the file is bad");
    let text = whole(&error);
    assert!(!error.is_io(), "{text}");
    assert!(text.contains("model.gguf"), "{text}");
    text
}

#[test]
fn a_header_that_lies_is_refused() {
    type Change = fn(&mut Gguf);
    const LIST: u32 = 9;
    #[rustfmt::skip]
    let cases: &[(Change, &str)] = &[
        (|file| file.magic = *b"GGML", "\"GGML\", expected GGUF"),
        (|file| file.version = 1, "the version is 1, expected 2 or 3"),
        (|file| file.version = 3u32.swap_bytes(), "the version is 50331648"),
        (|file| file.n_tensors = Some(u64::MAX), "the number of tensors is 18446744073709551615, expected at most 65536"),
        (|file| file.n_settings = Some(1 << 60), "the number of settings is 1152921504606846976"),
        (|file| file.n_tensors = Some(1000), "model.gguf"),
        (|file| file.n_settings = Some(0), "model.gguf"),
        (|file| file.settings.push(file.settings[1].clone()), "llama.context_length is there twice"),
        (|file| file.tensors.push(file.tensors[0].clone()), "token_embd.weight is there twice"),
        (|file| file.set("x", Setting::Raw(13, vec![0; 8])), "x is of the type 13"),
        (|file| file.set("x", Setting::Raw(8, (1u64 << 60).to_le_bytes().into())), "bytes long, expected 1152921504606"),
        (|file| file.set("x", Setting::Raw(8, [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat())), "x is other bytes, expected UTF-8"),
        // Lists of numbers, of texts, of lists, and of what there is not.
        (|file| file.set("x", Setting::Raw(LIST, [&12u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat())), "bytes long, expected"),
        (|file| file.set("x", Setting::Raw(LIST, [&8u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat())), "x is 18446744073709551615, expected at most"),
        (|file| file.set("x", Setting::Raw(LIST, [&8u32.to_le_bytes()[..], &1_000_000u64.to_le_bytes()].concat())), "model.gguf"),
        (|file| file.set("x", Setting::Raw(LIST, 9u32.to_le_bytes().repeat(10_000))), "x is a list of the type 9"),
        (|file| file.set("x", Setting::Raw(LIST, [&77u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat())), "x is a list of the type 77"),
        // Alignment and places.
        (|file| file.set("general.alignment", Setting::U32(0)), "general.alignment is 0, expected a power of two"),
        (|file| file.set("general.alignment", Setting::U32(24)), "general.alignment is 24"),
        (|file| file.set("general.alignment", Setting::U32(1 << 31)), "general.alignment is 2147483648"),
        (|file| file.set("general.alignment", Setting::Text("32".into())), "general.alignment is \"32\""),
        (|file| file.tensor("output.weight").offset = Some(0), "the place of \"output.weight\" is 0, expected"),
        (|file| file.tensor("token_embd.weight").offset = Some(u64::MAX), "the place of \"token_embd.weight\" is 18446744073709551615, expected 0"),
        (|file| file.tensor("token_embd.weight").offset = Some(16), "is 16, expected 0"),
        // Shapes and types.
        (|file| file.tensor("output.weight").axes = vec![1 << 40, 1 << 40], "the size of \"output.weight\" in bytes is 18446744073709551615"),
        (|file| file.tensor("output.weight").axes = vec![1 << 60], "the size of \"output.weight\" in bytes is 46116860184273"),
        (|file| file.tensor("output.weight").axes = vec![0, 1 << 40, 1 << 40], "expected axes of at least 1"),
        (|file| file.tensor("output.weight").axes = vec![1; 5], "the number of axes of \"output.weight\" is 5, expected at most 4"),
        (|file| file.tensor("output.weight").axes = vec![1; 100_000], "is 100000, expected at most 4"),
        (|file| file.tensor("output.weight").axes = vec![32, 8], "the file is damaged or cut short"),
        (|file| file.tensor("output.weight").axes = vec![32, 5], "the file is damaged or cut short"),
        (|file| file.tensor("output.weight").kind = 12, "the type of \"output.weight\" is Q4_K, expected F32, F16"),
        (|file| file.tensor("output.weight").kind = 99, "the type of \"output.weight\" is number 99"),
        (|file| { let entry = file.tensor("output.weight"); (entry.kind, entry.axes) = (8, vec![31, 7]); }, "the row of \"output.weight\" is 31, expected a multiple of 32"),
        (|file| file.tensor("output.weight").name = "x".repeat(2000), "the length of a tensor's name is 2000, expected at most 1024"),
    ];
    for (change, expected) in cases {
        let mut file = Gguf::small();
        change(&mut file);
        let text = complaint(&file.bytes());
        assert!(text.contains(expected), "{expected} is not in: {text}");
    }
}

#[test]
fn settings_that_hearth_cannot_do_are_named() {
    type Change = fn(&mut Gguf);
    #[rustfmt::skip]
    let cases: &[(Change, &str)] = &[
        (|file| file.set("general.architecture", Setting::Text("gemma".into())), "general.architecture is \"gemma\", expected \"llama\""),
        (|file| file.unset("general.architecture"), "general.architecture is missing"),
        (|file| file.set("llama.expert_count", Setting::U32(8)), "llama.expert_count is 8, expected 0"),
        (|file| file.set("llama.logit_scale", Setting::F32(0.5)), "llama.logit_scale is 0.5, expected nothing"),
        (|file| file.set("llama.attention.head_count", Setting::U32(0)), "llama.attention.head_count is 0, expected at least 1"),
        (|file| file.set("llama.attention.head_count_kv", Setting::Texts(vec![])), "llama.attention.head_count_kv is \"(a list)\""),
        (|file| file.set("llama.attention.head_count", Setting::U32(u32::MAX)), "model.gguf"),
        (|file| file.set("llama.attention.head_count", Setting::U32(3)), "model.gguf"),
        (|file| file.set("llama.block_count", Setting::F32(2.5)), "llama.block_count is 2.5, expected a whole number"),
        (|file| file.unset("llama.block_count"), "llama.block_count is missing, expected a whole number"),
        (|file| file.set("llama.rope.dimension_count", Setting::U32(8)), "llama.rope.dimension_count is 8, expected 16"),
        (|file| file.set("llama.rope.scaling.type", Setting::U32(8)), "llama.rope.scaling.type is 8, expected a text"),
        (|file| file.unset("llama.attention.layer_norm_rms_epsilon"), "layer_norm_rms_epsilon is missing"),
        (|file| { file.tensors.remove(0); }, "1 missing: \"token_embd.weight\""),
    ];
    for (change, expected) in cases {
        let mut file = Gguf::small();
        change(&mut file);
        let text = complaint(&file.bytes());
        assert!(text.contains(expected), "{expected} is not in: {text}");
    }
}

#[test]
fn a_file_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let file = Gguf::small().bytes();
    for cut in (0..file.len())
        .step_by(97)
        .chain([1, 4, 8, 23, file.len() - 1])
    {
        let text = complaint(&file[..cut]);
        // Too short for what comes next, or for a tensor that is announced.
        let expected = [
            format!("is {cut} bytes long, expected"),
            format!("expected at most {cut}"),
        ];
        let found = expected.iter().any(|expected| text.contains(expected));
        assert!(found, "{cut}: {text}");
    }
    complaint(&[&file[..], &[0; 64]].concat());
}
