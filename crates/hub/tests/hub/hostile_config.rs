//! Every bad `config.json` or `tokenizer.json` is an error that names the file, what was found and what was expected.

use burn_flex::Flex;
use hearth_data::Tokenizer;
use hearth_hub::ModelDirectory;
use serde_json::json;

use crate::support::{Copy, check};

#[test]
fn a_config_that_is_no_config_is_refused() {
    #[rustfmt::skip]
    let cases = [
        ("", "EOF while parsing"),
        ("{", "line 1 column 1"),
        ("nonsense", "is not JSON"),
        ("\u{feff}{}", "is not JSON"),
        ("[]", "a list, expected a JSON object"),
        ("null", "null, expected a JSON object"),
        ("3", "3, expected a JSON object"),
        ("{}", "missing field `model_type`"),
        (r#"{"model_type": null}"#, "null, expected one of gpt2, llama, mistral, marian, speech_to_text, bert, vit, torch-transformer, torch-rnn-lm, torch-rnn-seq2seq, hearth"),
        (r#"{"model_type": 7}"#, "7, expected one of"),
        (r#"{"model_type": {"a": 1}}"#, "an object, expected one of"),
        (r#"{"model_type": "bloom"}"#, r#""bloom", expected one of gpt2"#),
        (r#"{"model_type": "hearth"}"#, "missing field `hearth_version`"),
        (r#"{"model_type": "hearth", "hearth_version": 2}"#, "hearth_version is 2, expected 1"),
        (r#"{"model_type": "hearth", "hearth_version": 1}"#, "missing field `config`"),
        (r#"{"model_type": "hearth", "hearth_version": 1, "config": {"rnn": 3}}"#, r#""config""#),
        (r#"{"model_type": "hearth", "hearth_version": 1, "config": {"gpt": {}}}"#, "missing field `embedding`"),
    ];
    for (content, expected) in cases {
        let copy = Copy::of("gpt2");
        copy.write("config.json", content);
        check(&copy, "config.json", &[expected]);
    }
    let copy = Copy::of("gpt2");
    copy.write("config.json", [0xff, 0xfe, 0x00]);
    check(&copy, "config.json", &["is not JSON"]);
    copy.write("config.json", "[".repeat(100_000));
    check(&copy, "config.json", &["recursion limit"]);
    copy.write("config.json", vec![b' '; (16 << 20) + 1]);
    check(
        &copy,
        "config.json",
        &["16777217, expected at most 16777216"],
    );
}

#[test]
fn a_field_that_cannot_be_used_is_named() {
    #[rustfmt::skip]
    let cases = [
        // Of the wrong type.
        ("gpt2", "n_embd", json!("forty"), "invalid type: string"),
        ("gpt2", "n_embd", json!(-48), "invalid value: integer `-48`"),
        ("gpt2", "n_embd", json!(4.5), "invalid type: floating point"),
        ("gpt2", "n_layer", json!(1e300), "invalid type: floating point"),
        ("gpt2", "n_inner", json!([1]), "invalid type: sequence"),
        ("gpt2", "tie_word_embeddings", json!("yes"), "invalid type: string"),
        ("gpt2", "eos_token_id", json!("</s>"), "a token id, a list of token ids"),
        ("gpt2", "bos_token_id", json!(5_000_000_000u64), "invalid value"),
        ("marian", "dropout", json!({}), "invalid type: map"),
        ("torch-transformer", "norm_first", json!(0), "invalid type: integer"),
        // Of another mathematics.
        ("gpt2", "activation_function", json!("mish"), r#""mish", expected one of relu"#),
        ("gpt2", "add_cross_attention", json!(true), "true, expected false"),
        ("gpt2", "scale_attn_by_inverse_layer_idx", json!(true), "true, expected false"),
        ("gpt2", "scale_attn_weights", json!(false), "false, expected true"),
        ("marian", "share_encoder_decoder_embeddings", json!(false), "false, expected true"),
        ("marian", "tie_word_embeddings", json!(false), "false, expected true"),
        ("marian", "decoder_vocab_size", json!(98), "98, expected 97"),
        ("marian", "normalize_before", json!(true), "true, expected false"),
        ("marian", "activation_function", json!("tanh"), r#""tanh", expected one of"#),
        ("speech-to-text", "input_channels", json!(2), "2, expected 1"),
        ("speech-to-text", "num_conv_layers", json!(3), "3, expected 2"),
        ("speech-to-text", "conv_kernel_sizes", json!("5,5"), "invalid type: string"),
        ("speech-to-text", "activation_function", json!("tanh"), r#""tanh", expected one of"#),
        ("bert-mlm", "position_embedding_type", json!("relative_key"), r#""relative_key", expected "absolute""#),
        ("bert-mlm", "is_decoder", json!(true), "true, expected false"),
        ("bert-mlm", "architectures", json!(["BertForPreTraining"]), "expected one of BertModel, BertForMaskedLM"),
        ("bert-mlm", "hidden_act", json!("tanh"), r#""tanh", expected one of"#),
        ("bert-classify", "problem_type", json!("multi_label_classification"), r#"expected "single_label_classification""#),
        ("bert-classify", "id2label", json!({"0": "a", "1": "b", "2": "c", "4": "d"}), "expected an object with a name for each of 0 to 3"),
        ("bert-classify", "id2label", json!(["a", "b", "c", "d"]), "invalid type: sequence"),
        ("vit", "architectures", json!(["ViTModel"]), r#""ViTModel", expected "ViTForImageClassification""#),
        ("vit", "qkv_bias", json!(false), "false, expected true"),
        ("vit", "image_size", json!("28"), "expected a side in pixels, or [height, width]"),
        ("torch-transformer", "activation", json!("silu"), "expected one of relu, gelu"),
        ("torch-transformer", "bias", json!(false), "false, expected true"),
        // Beyond the vocabulary.
        ("gpt2", "eos_token_id", json!([2, 97]), "97, expected an id below the vocabulary's size of 97"),
        ("gpt2", "pad_token_id", json!(97), "97, expected an id below"),
        ("marian", "decoder_start_token_id", json!(58100), "58100, expected an id below"),
    ];
    for (fixture, field, value, expected) in cases {
        let copy = Copy::of(fixture);
        copy.set(field, value);
        check(&copy, "config.json", &[field, expected]);
    }
}

#[test]
fn numbers_that_fit_no_model_are_refused() {
    #[rustfmt::skip]
    let cases = [
        ("gpt2", "n_head", json!(5), "d_model 48 is not divisible by n_heads 5"),
        ("gpt2", "n_head", json!(0), "n_heads is 0"),
        ("gpt2", "n_layer", json!(0), "n_layers is 0"),
        ("gpt2", "n_embd", json!(0), "d_model is 0"),
        ("gpt2", "n_positions", json!(0), "max_positions is 0"),
        ("gpt2", "resid_pdrop", json!(1.0), "dropout is 1"),
        ("marian", "encoder_attention_heads", json!(7), "d_model 48 is not divisible by n_heads 7"),
        ("marian", "d_model", json!(49), "d_model 49"),
        ("marian", "vocab_size", json!(0), "expected 0"),
        ("torch-transformer", "dim_feedforward", json!(0), "d_ff is 0"),
        ("bert-mlm", "type_vocab_size", json!(0), "n_segments is 0"),
        ("vit", "patch_size", json!(0), "patch is 0"),
        ("vit", "patch_size", json!(8), "height 28 is not divisible by the patch's side of 8"),
        ("vit", "image_size", json!([28, 30]), "width 30 is not divisible"),
        ("vit", "num_channels", json!(0), "n_channels is 0"),
        ("vit", "id2label", json!({}), "n_classes is 0"),
        ("speech-to-text", "conv_kernel_sizes", json!([5, 4]), "kernels: a kernel of 4 has no middle"),
        ("speech-to-text", "conv_channels", json!(33), "d_hidden 33 is odd"),
        ("speech-to-text", "conv_channels", json!(0), "d_hidden / 2 is 0"),
        ("speech-to-text", "max_source_positions", json!(0), "max_positions is 0"),
        ("speech-to-text", "input_feat_per_channel", json!(0), "n_mels is 0"),
    ];
    for (fixture, field, value, expected) in cases {
        let copy = Copy::of(fixture);
        copy.set(field, value);
        check(&copy, "config.json", &[expected]);
    }
}

#[test]
fn a_claim_of_a_huge_model_is_refused_before_it_is_believed() {
    let huge = json!(u64::MAX);
    let large = json!(2_000_000_000);
    #[rustfmt::skip]
    let cases = [
        ("gpt2", "n_layer", json!(4096), "config.json", "4096, expected at most 28"),
        ("gpt2", "n_layer", json!(4097), "config.json", "4097, expected at most 4096"),
        ("gpt2", "n_layer", huge.clone(), "config.json", "expected at most 4096"),
        ("gpt2", "n_embd", huge.clone(), "config.json", "expected at most 2147483647"),
        ("gpt2", "n_inner", huge.clone(), "config.json", "expected at most 2147483647"),
        ("gpt2", "n_positions", huge.clone(), "config.json", "expected at most 2147483647"),
        ("gpt2", "vocab_size", huge.clone(), "config.json", "expected at most 2147483647"),
        ("gpt2", "n_embd", json!(500_000_000), "model.safetensors", "expected [97, 500000000]"),
        ("gpt2", "n_inner", large.clone(), "model.safetensors", "expected [48, 2000000000]"),
        ("gpt2", "vocab_size", large.clone(), "model.safetensors", "expected [2000000000, 48]"),
        ("gpt2", "n_positions", large.clone(), "model.safetensors", "expected [2000000000, 48]"),
        ("marian", "d_model", large.clone(), "config.json", "128000000000, expected at most 16777216"),
        ("marian", "encoder_layers", huge.clone(), "config.json", "the encoder's number of layers"),
        ("marian", "max_position_embeddings", large.clone(), "config.json", "96000000000, expected at most 16777216"),
        ("speech-to-text", "max_target_positions", large.clone(), "config.json", "96000000000, expected at most 16777216"),
        ("speech-to-text", "max_source_positions", huge.clone(), "config.json", "expected at most 2147483647"),
        ("speech-to-text", "conv_channels", large.clone(), "model.safetensors", "expected [2000000000, 40, 5]"),
        ("speech-to-text", "conv_kernel_sizes", json!([5, 99_999_999_999u64]), "config.json", "expected at most 65536"),
        ("torch-transformer", "num_decoder_layers", huge, "config.json", "the decoder's number of layers"),
        ("torch-transformer", "dim_feedforward", large, "model.safetensors", "2000000000"),
    ];
    for (fixture, field, value, file, expected) in cases {
        let copy = Copy::of(fixture);
        copy.set(field, value);
        check(&copy, file, &[expected]);
    }
}

#[test]
fn a_tokenizer_must_fit_its_model() {
    let copy = Copy::of("gpt2");
    let tokenizer = |last: char| {
        let characters: String = ('\u{100}'..=last).collect();
        let tokenizer = Tokenizer::train_characters(&characters).expect("trained");
        tokenizer.to_json().expect("JSON")
    };
    copy.write("tokenizer.json", tokenizer('\u{161}'));
    check(
        &copy,
        "tokenizer.json",
        &["tokens up to id 97", "a model of 97 tokens"],
    );
    check(&copy, "config.json", &["tokens up to id 97"]);
    copy.write("tokenizer.json", "{}");
    check(&copy, "tokenizer.json", &[]);
    copy.write("tokenizer.json", tokenizer('\u{160}'));
    ModelDirectory::<Flex>::load(&copy.dir, &Default::default()).expect("97 tokens fit");
}

#[test]
fn an_encoder_that_looks_at_an_encoder_is_refused() {
    let copy = Copy::of("torch-transformer");
    let directory = ModelDirectory::<Flex>::load(&copy.dir, &Default::default()).expect("in order");
    #[rustfmt::skip]
    let cases = [
        ("encoder", "true, expected false"),
        ("decoder", "false, expected true"),
    ];
    for (stack, expected) in cases {
        let mut config = hearth_hub::Dialect::Hearth
            .express(&directory.config, &directory.special)
            .expect("expressible");
        let field = &mut config["config"]["encoder-decoder"][stack]["cross_attention"];
        *field = json!(stack == "encoder");
        copy.write("config.json", config.to_string());
        check(&copy, "config.json", &[stack, "cross_attention", expected]);
    }
}
