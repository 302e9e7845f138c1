//! Every architecture learns: from a recipe to a saved model that writes its training data without a fault.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use burn::backend::Autodiff;
use burn_ndarray::NdArray;
use hearth_data::{TokenId, digits};
use hearth_hub::{Model, ModelDirectory};
use hearth_infer::{
    DecodeOptions, PairTokens, Strategy, classify, classify_images, fill_mask, generate, likeliest,
    translate,
};
use hearth_train::{Event, Recipe, run};

/// Trains on the file at `data` until the loss is below a tenth of the first, and returns the last model.
///
/// - `model`: lines of the recipe's `[model]`
/// - `others`: lines of its `[tokenizer]` and of its `[train]`
fn learn(model: &str, others: [&str; 2], data: &Path, folder: &Path) -> ModelDirectory<NdArray> {
    let [tokenizer, train] = others;
    let recipe = format!(
        "[model]\nd_model = 32\nn_layers = 2\nmax_positions = 48\n{model}\n\
         [data]\npaths = [{data:?}]\nvalidation_paths = [{data:?}]\n\
         [tokenizer]\n{tokenizer}\n\
         [train]\n{train}\nbatch_size = 8\nwarmup_steps = 10\nvalidate_every = 1000\n"
    );
    learn_by(&recipe, folder)
}

/// As [`learn`], by a whole recipe.
fn learn_by(recipe: &str, folder: &Path) -> ModelDirectory<NdArray> {
    let recipe = Recipe::parse(recipe, Path::new("recipe.toml"), &[], &[]).expect("a recipe");
    let (mut first, device) = (None, Default::default());
    let outcome = run::<Autodiff<NdArray>>(&recipe, folder, &device, &mut |event| {
        if let Event::Step(step) = event {
            first.get_or_insert(step.loss);
        }
    });
    let (first, last) = (first.expect("a step"), outcome.expect("a run").last.loss());
    assert!(last < first / 10.0, "{recipe:?}: {first} -> {last}");
    ModelDirectory::load(&folder.join("last"), &device).expect("the model that was saved")
}

fn greedy(max_new_tokens: usize, eos: Vec<TokenId>) -> DecodeOptions {
    DecodeOptions {
        eos,
        ..DecodeOptions::new(Strategy::Greedy, max_new_tokens)
    }
}

/// The text is learnt by heart: behind its first words come the others.
fn learns_a_text(model: &str, train: &str) {
    // One window of the model's 48 positions, and the token behind it.
    let text = "The quick brown fox jumps over a lazy dog; judge!";
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("text.txt");
    fs::write(&data, text).expect("a file");
    let run = folder.path().join("run");
    let directory = learn(model, ["kind = \"characters\"", train], &data, &run);
    let tokenizer = directory.tokenizer.as_ref().expect("a tokenizer");
    let ids = tokenizer.encode_plain(text).expect("known characters");
    let (prompt, rest) = ids[..48].split_at(12);
    let prompts = [prompt.to_vec()];
    let options = greedy(rest.len(), Vec::new());
    let mut go_on = |_| ControlFlow::Continue(());
    let device = Default::default();
    let texts = match &directory.model {
        Model::Gpt(gpt) => generate(gpt, &prompts, &options, &device, &mut go_on),
        Model::RnnLm(rnn) => generate(rnn, &prompts, &options, &device, &mut go_on),
        _ => panic!("{model} reads text"),
    };
    assert_eq!(texts.expect("a text")[0][0].ids, rest, "{model}");
}

/// Each source has its target.
fn learns_pairs(model: &str, train: &str) {
    let pairs = [
        "one\tun",
        "two\tdeux",
        "three\ttrois",
        "four\tquatre",
        "five\tcinq",
        "six\tsix",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("pairs.tsv");
    fs::write(&data, pairs.join("\n")).expect("a file");
    let run = folder.path().join("run");
    let directory = learn(model, ["kind = \"bpe\"\nvocab = 300", train], &data, &run);
    let tokenizer = directory.tokenizer.as_ref().expect("a tokenizer");
    let special = PairTokens {
        start: directory.special.decoder_start.expect("a start token"),
        pad: directory.special.pad.expect("a padding token"),
    };
    let (sources, targets): (Vec<&str>, Vec<&str>) = pairs
        .iter()
        .filter_map(|pair| pair.split_once('\t'))
        .unzip();
    let sources = tokenizer.encode_all(&sources).expect("known bytes");
    let options = greedy(40, directory.special.eos.clone());
    let mut go_on = |_| ControlFlow::Continue(());
    let device = Default::default();
    let texts = match &directory.model {
        Model::Transformer(model) => {
            translate(model, &sources, special, &options, &device, &mut go_on)
        }
        Model::RnnSeq2Seq(model) => {
            translate(model, &sources, special, &options, &device, &mut go_on)
        }
        _ => panic!("{model} reads pairs"),
    };
    let texts = texts.expect("texts");
    let written: Vec<String> = texts
        .iter()
        .map(|texts| tokenizer.decode(&texts[0].ids).expect("known tokens"))
        .collect();
    assert_eq!(written, targets, "{model}");
}

#[test]
fn a_gpt_learns() {
    learns_a_text(
        "architecture = \"gpt\"\nn_heads = 4",
        "steps = 60\nlr = 1e-2",
    );
}

#[test]
fn a_llama_with_grouped_queries_and_a_window_learns() {
    learns_a_text(
        "architecture = \"llama\"\nn_heads = 4\nn_kv_heads = 2\nwindow = 16",
        "steps = 60\nlr = 1e-2",
    );
}

#[test]
fn a_gpt_that_sees_distances_alone_learns() {
    learns_a_text(
        "architecture = \"gpt\"\nn_heads = 4\npositions = \"alibi\"",
        "steps = 60\nlr = 1e-2",
    );
}

#[test]
fn recurrent_networks_learn() {
    learns_a_text("architecture = \"lstm\"", "steps = 250\nlr = 1e-2");
    learns_a_text("architecture = \"gru\"", "steps = 250\nlr = 1e-2");
}

#[test]
fn a_gradient_that_goes_back_eight_tokens_is_enough() {
    learns_a_text("architecture = \"gru\"", "steps = 250\nlr = 1e-2\nbptt = 8");
}

#[test]
fn a_transformer_learns() {
    let model = "architecture = \"transformer\"\nn_heads = 4";
    learns_pairs(model, "steps = 120\nlr = 5e-3");
}

#[test]
fn a_transformer_with_everything_of_llama_learns() {
    learns_pairs(
        "architecture = \"transformer\"\nn_heads = 4\npositions = \"rotary\"\nnorm = \"before\"\nnorm_kind = \"rms\"\n\
         gated = true\nactivation = \"silu\"\nbiases = false",
        "steps = 120\nlr = 5e-3",
    );
}

#[test]
fn recurrent_encoder_decoders_learn() {
    let model = |rest: &str| format!("architecture = \"rnn-seq2seq\"\n{rest}");
    let train = "steps = 300\nlr = 1e-2";
    learns_pairs(&model("attention = \"additive\""), train);
    // Slower, and more at the mercy of rounding: half of all seeds have not learnt the last character by then.
    learns_pairs(
        &model("attention = \"multiplicative\"\ncell = \"lstm\""),
        "steps = 600\nlr = 3e-3",
    );
    // Without attention, and with its own tokens in a quarter of the places.
    let sampled = format!("{train}\nscheduled_sampling = 0.25");
    learns_pairs(&model("attention = \"none\"\ntwo_way = false"), &sampled);
}

#[test]
fn a_bert_learns_what_stands_under_masks() {
    // Without merges a token is a byte: one window of 48 positions, the two around a text among them.
    let text = "The quick brown fox jumps over a lazy dog; now";
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("text.txt");
    fs::write(&data, text).expect("a file");
    let run = folder.path().join("run");
    let directory = learn(
        "architecture = \"bert\"\nn_heads = 4\nnorm = \"before\"",
        ["kind = \"bpe\"\nvocab = 260", "steps = 200\nlr = 5e-3"],
        &data,
        &run,
    );
    let Model::Bert(bert) = &directory.model else {
        panic!("bert");
    };
    let tokenizer = directory.tokenizer.as_ref().expect("a tokenizer");
    let id = |token| tokenizer.id(token).expect("a token");
    let whole = tokenizer.encode(text).expect("known bytes");
    assert_eq!(whole.len(), 48);
    let (pad, mask) = (id("[PAD]"), id("[MASK]"));
    let places = [5, 9, 20, 30, 41];
    let mut hidden = whole.clone();
    for place in places {
        hidden[place] = mask;
    }
    let found = fill_mask(bert, &[hidden], (pad, mask), 1, &Default::default());
    let found = found.expect("guesses").expect("a head");
    assert_eq!(found[0].len(), places.len());
    for (found, place) in found[0].iter().zip(places) {
        assert_eq!((found.position, found.guesses[0].id), (place, whole[place]));
    }
}

#[test]
fn a_classifier_of_texts_learns() {
    let rows = [
        ("zebra crossing", "English"),
        ("the quick fox", "English"),
        ("le chat noir", "French"),
        ("la vie en rose", "French"),
        ("dolce far niente", "Italian"),
        ("la vita nuova", "Italian"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("rows.tsv");
    let lines: Vec<String> = rows
        .iter()
        .map(|(text, label)| format!("{text}\t{label}"))
        .collect();
    fs::write(&data, lines.join("\n")).expect("a file");
    let run = folder.path().join("run");
    let directory = learn(
        "architecture = \"bert-classifier\"\nn_heads = 4\nnorm = \"before\"",
        ["kind = \"bpe\"\nvocab = 280", "steps = 200\nlr = 3e-3"],
        &data,
        &run,
    );
    let Model::Bert(bert) = &directory.model else {
        panic!("bert");
    };
    let tokenizer = directory.tokenizer.as_ref().expect("a tokenizer");
    let texts: Vec<&str> = rows.iter().map(|(text, _)| *text).collect();
    let texts = tokenizer.encode_all(&texts).expect("known bytes");
    let pad = directory.special.pad.expect("a padding token");
    let found = classify(bert, &texts, pad, &Default::default());
    let found = found.expect("classes").expect("a head");
    for ((_, label), probabilities) in rows.iter().zip(&found) {
        assert_eq!(directory.label(likeliest(probabilities, 1)[0]), *label);
    }
}

#[test]
fn a_model_of_images_learns() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let directory = learn_by(
        "[model]\narchitecture = \"vit\"\nd_model = 32\nn_heads = 4\nn_layers = 2\npatch = 4\n\
         [data]\nembedded = \"digits\"\n\
         [train]\nsteps = 600\nlr = 1e-2\nbatch_size = 64\nwarmup_steps = 20\nvalidate_every = 1000\n",
        &run,
    );
    let Model::Vit(vit) = &directory.model else {
        panic!("vit");
    };
    // All of them, most of which it has seen.
    let pixels = directory.pixel_config().expect("a model of images");
    let corpus = digits();
    let images = corpus.images.iter().map(|one| pixels.values(&one.image));
    let images: Vec<Vec<f32>> = images.collect();
    let found = classify_images(vit, &images, &Default::default()).expect("classes");
    let right = found.iter().zip(&corpus.images);
    let right = right.filter(|(found, one)| likeliest(found, 1)[0] == one.label);
    let share = right.count() as f64 / found.len() as f64;
    assert!(share > 0.98, "{share}");
}
