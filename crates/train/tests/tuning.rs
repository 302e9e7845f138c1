//! Training less than all of a model, one that is there already, and what else a recipe can say of its weights.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::Autodiff;
use burn_flex::Flex;
use hearth_hub::read_tensors;
use hearth_train::{Outcome, Recipe, RunOptions, Split, TrainError, read_metrics, run_with};

const GPT: &str = "
    [model]
    architecture = 'gpt'
    d_model = 16
    n_heads = 2
    n_layers = 2
    max_positions = 8
    [data]
    embedded = 'cicero'
    [tokenizer]
    kind = 'characters'
    [train]
    batch_size = 2
    steps = 4
    warmup_steps = 0
    schedule = 'constant'
";

/// The same model where it is there already.
const AGAIN: &str = "
    [model]
    architecture = 'gpt'
    [data]
    embedded = 'cicero'
    [train]
    batch_size = 2
    steps = 4
    warmup_steps = 0
    schedule = 'constant'
";

fn recipe(text: &str, set: &[&str]) -> Result<Recipe, String> {
    let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
    let recipe = Recipe::parse(text, Path::new("recipe.toml"), &set, &[]);
    recipe.map_err(|error| error.to_string())
}

/// A backend has one random generator a process: runs of one process take turns.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_train(text: &str, set: &[&str], folder: &Path) -> Result<Outcome, TrainError> {
    let recipe = recipe(text, set).expect("a recipe");
    let options = RunOptions::new(folder);
    run_with::<Autodiff<Flex>>(&recipe, &options, &Default::default(), &mut |_| {})
}

fn train(text: &str, set: &[&str], folder: &Path) -> Outcome {
    try_train(text, set, folder).expect("a run")
}

/// Begins with the model of another run.
fn from(run: &Path) -> String {
    format!("model.from='{}'", run.join("last").display())
}

type Weights = BTreeMap<String, Vec<f32>>;

/// The weights of a model directory, by their names in its file.
fn weights(model: &Path) -> Weights {
    let tensors = read_tensors(&model.join("model.safetensors")).expect("weights");
    let numbers =
        |(name, data): (String, burn::tensor::TensorData)| (name, data.iter::<f32>().collect());
    tensors.into_iter().map(numbers).collect()
}

/// The names of the tensors that differ.
fn changed(before: &Weights, after: &Weights) -> Vec<String> {
    assert!(before.keys().eq(after.keys()));
    let differs =
        |(name, numbers): (&String, &Vec<f32>)| (after[name] != *numbers).then(|| name.clone());
    before.iter().filter_map(differs).collect()
}

#[test]
fn what_is_frozen_stays_and_everything_else_is_trained() {
    let _alone = alone();
    let (first, second) = (
        tempfile::tempdir().expect("a"),
        tempfile::tempdir().expect("b"),
    );
    train(GPT, &[], first.path());
    let before = weights(&first.path().join("last"));
    for (freeze, thaw, is_trained) in [
        (
            "train.freeze=['embedding', 'layers.0']",
            "train.thaw=[]",
            (|name| !name.contains("wte") && !name.contains("wpe") && !name.contains(".h.0."))
                as fn(&str) -> bool,
        ),
        (
            "train.freeze=['*']",
            "train.thaw=['layers.*.feed_forward']",
            |name| name.contains(".mlp."),
        ),
    ] {
        train(AGAIN, &[&from(first.path()), freeze, thaw], second.path());
        let changed = changed(&before, &weights(&second.path().join("last")));
        let expected: Vec<String> = before
            .keys()
            .filter(|name| is_trained(name))
            .cloned()
            .collect();
        assert!(!expected.is_empty() && expected.len() < before.len());
        assert_eq!(changed, expected, "{freeze} {thaw}");
    }
}

#[test]
fn an_adapter_changes_its_matrices_by_its_rank_and_nothing_else() {
    let _alone = alone();
    let (first, second) = (
        tempfile::tempdir().expect("a"),
        tempfile::tempdir().expect("b"),
    );
    train(GPT, &[], first.path());
    let lora = [
        "lora.rank=2",
        "lora.targets=['output']",
        "train.lr=0.01",
        "train.steps=30",
    ];
    let set: Vec<&str> = lora.into_iter().chain(["train.weight_decay=0.0"]).collect();
    let base = from(first.path());
    let outcome = train(
        AGAIN,
        &[set.as_slice(), &[base.as_str()]].concat(),
        second.path(),
    );
    let (before, after) = (
        weights(&first.path().join("last")),
        weights(&second.path().join("last")),
    );
    // GPT-2's name for the matrix behind attention.
    let changed = changed(&before, &after);
    assert_eq!(changed.len(), 2);
    for name in &changed {
        assert!(name.ends_with("attn.c_proj.weight"), "{name}");
        let pairs = before[name].iter().zip(&after[name]);
        let difference = pairs
            .map(|(before, after)| f64::from(after - before))
            .collect();
        assert_eq!(rank(difference, 16), 2, "{name}");
    }
    // And it learns: the model that it began with has the best loss of the first run.
    let first = read_metrics(&first.path().join("metrics.jsonl")).expect("metrics");
    let first = first
        .iter()
        .rfind(|metric| metric.split == Split::Validation);
    assert!(outcome.best.loss() < first.expect("a validation").loss);
}

/// The rank of a square matrix, by elimination with the largest number first.
fn rank(mut numbers: Vec<f64>, width: usize) -> usize {
    let size = numbers
        .iter()
        .fold(0.0, |size: f64, number| size.max(number.abs()));
    for rank in 0..width {
        let largest = (0..width * width)
            .filter(|i| i / width >= rank && i % width >= rank)
            .max_by(|&i, &j| numbers[i].abs().total_cmp(&numbers[j].abs()));
        let pivot = largest.expect("a number is left");
        if numbers[pivot].abs() < 1e-4 * size {
            return rank;
        }
        for i in 0..width {
            numbers.swap(pivot / width * width + i, rank * width + i);
        }
        for row in 0..width {
            numbers.swap(row * width + pivot % width, row * width + rank);
        }
        for row in rank + 1..width {
            let factor = numbers[row * width + rank] / numbers[rank * width + rank];
            for column in rank..width {
                numbers[row * width + column] -= factor * numbers[rank * width + column];
            }
        }
    }
    width
}

#[test]
fn the_running_mean_of_the_weights_is_what_is_saved() {
    const DECAY: f64 = 0.6;
    let _alone = alone();
    let run = tempfile::tempdir().expect("a folder");
    let set = [
        "train.ema=0.6",
        "train.checkpoint_every=1",
        "train.keep_checkpoints=9",
        "train.lr=0.01",
    ];
    train(GPT, &set, run.path());
    let steps: Vec<Weights> = (1..=4)
        .map(|step| weights(&run.path().join(format!("checkpoints/step-{step:08}"))))
        .collect();
    for (name, found) in weights(&run.path().join("last")) {
        for (i, found) in found.into_iter().enumerate() {
            // Later weights count more: by DECAY to the number of steps behind them.
            let (mut sum, mut total) = (0.0, 0.0);
            for (step, weights) in steps.iter().enumerate() {
                let share = DECAY.powi(3 - step as i32);
                sum += share * f64::from(weights[&name][i]);
                total += share;
            }
            let expected = sum / total;
            assert!(
                (f64::from(found) - expected).abs() < 1e-6,
                "{name}: {found} {expected}"
            );
        }
    }
}

#[test]
fn what_is_computed_again_is_what_it_was() {
    let _alone = alone();
    let run = |set: &str| {
        let run = tempfile::tempdir().expect("a folder");
        train(
            GPT,
            &["model.dropout=0.2", "train.clip_norm=0.0", set],
            run.path(),
        );
        weights(&run.path().join("last"))
    };
    let held = run("train.gradient_checkpointing=false");
    let again = run("train.gradient_checkpointing=true");
    assert_eq!(changed(&held, &again), [""; 0]);
}

#[test]
fn layers_near_the_input_learn_more_slowly() {
    let _alone = alone();
    let first = tempfile::tempdir().expect("a folder");
    train(GPT, &[], first.path());
    let before = weights(&first.path().join("last"));
    let base = from(first.path());
    let set = [
        base.as_str(),
        "train.optimizer=sgd",
        "train.momentum=0.0",
        "train.weight_decay=0.0",
        "train.clip_norm=0.0",
        "train.steps=1",
        "train.lr=0.1",
    ];
    let step = |decay: &str| {
        let run = tempfile::tempdir().expect("a folder");
        train(AGAIN, &[&set[..], &[decay]].concat(), run.path());
        weights(&run.path().join("last"))
    };
    let (even, uneven) = (step("train.layer_decay=1.0"), step("train.layer_decay=0.5"));
    for (name, share) in [
        ("transformer.ln_f.weight", 1.0),
        ("transformer.h.1.mlp.c_fc.weight", 0.5),
        ("transformer.h.0.mlp.c_fc.weight", 0.25),
        ("transformer.wte.weight", 0.125),
    ] {
        let moved = |after: &Weights| -> f64 {
            let pairs = before[name].iter().zip(&after[name]);
            pairs
                .map(|(before, after)| f64::from(after - before).abs())
                .sum()
        };
        let ratio = moved(&uneven) / moved(&even);
        assert!((ratio - share).abs() < 1e-3, "{name}: {ratio}");
    }
}

#[test]
fn the_learning_rate_falls_where_validations_get_no_better() {
    let _alone = alone();
    let run = tempfile::tempdir().expect("a folder");
    // No step changes a weight: no validation is better than the first.
    let set = [
        "train.schedule=plateau",
        "train.plateau_patience=1",
        "train.plateau_factor=0.25",
        "train.lr=1e-30",
        "train.weight_decay=0.0",
        "train.steps=7",
        "train.validate_every=1",
        "train.log_every=1",
    ];
    train(GPT, &set, run.path());
    let metrics = read_metrics(&run.path().join("metrics.jsonl")).expect("metrics");
    let rates: Vec<f64> = metrics.iter().filter_map(|metric| metric.lr).collect();
    // The first validation is the best; the second may be no better; the third is one too many.
    let expected = [1.0, 1.0, 1.0, 0.25, 0.25, 0.0625, 0.0625];
    assert_eq!(rates.len(), expected.len());
    for (rate, expected) in rates.iter().zip(expected) {
        assert!((rate / 1e-30 - expected).abs() < 1e-9, "{rates:?}");
    }
}

#[test]
fn a_model_that_read_texts_becomes_a_classifier_of_texts() {
    let _alone = alone();
    let (first, second) = (
        tempfile::tempdir().expect("a"),
        tempfile::tempdir().expect("b"),
    );
    let bert = GPT
        .replace("'gpt'", "'bert'")
        .replace("'characters'", "'bpe'\n vocab = 300");
    train(&bert, &["model.max_positions=32"], first.path());
    let classifier = AGAIN
        .replace("'gpt'", "'bert-classifier'")
        .replace("'cicero'", "'languages'");
    let still = ["train.lr=1e-30", "train.weight_decay=0.0"];
    let base = from(first.path());
    train(&classifier, &[&still[..], &[&base]].concat(), second.path());
    let (before, after) = (
        weights(&first.path().join("last")),
        weights(&second.path().join("last")),
    );
    let encoder = |weights: &Weights| -> Weights {
        let of_encoder = |(name, _): &(&String, &Vec<f32>)| name.contains("encoder.layer");
        let all = weights.iter().filter(of_encoder);
        all.map(|(name, numbers)| (name.clone(), numbers.clone()))
            .collect()
    };
    assert!(encoder(&before).len() > 20);
    assert!(encoder(&before) == encoder(&after));
    assert!(
        after["classifier.weight"]
            .iter()
            .any(|&weight| weight != 0.0)
    );
}

#[test]
fn what_does_not_fit_is_named() {
    let _alone = alone();
    let run = tempfile::tempdir().expect("a folder");
    train(GPT, &["train.steps=1"], run.path());
    let base = from(run.path());
    // Its own recipe fits, with another rate of dropout.
    let same = recipe(GPT, &[base.as_str(), "model.dropout=0.3"]).expect("it fits");
    let config = same.model.config(30).expect("a model");
    assert!(format!("{config:?}").contains("attention_dropout: 0.3"));
    for (set, expected) in [
        (
            &["model.d_model=8"][..],
            "model.d_model is 8, but model.from = ",
        ),
        (
            &["model.d_ff=8"],
            "model.d_ff (decoder) is 8, but model.from = ",
        ),
        (&["model.max_positions=9"], "says at most 8"),
        (&["model.architecture=lstm"], "says gpt"),
        (&["model.from=nowhere"], "nowhere cannot be trained on"),
        (&["train.ema=1.0"], "train.ema is 1, expected"),
        (
            &["model.initialisation=kaiming"],
            "model.initialisation is given, but model.from = ",
        ),
        (&["train.layer_decay=0.0"], "train.layer_decay is 0"),
        (&["train.thaw=['head']"], "train.thaw is [\"head\"]"),
        (&["lora.rank=0"], "lora.rank is 0"),
        (
            &["lora.rank=2", "train.layer_decay=0.9"],
            "adapters have one learning rate",
        ),
        (
            &["train.schedule=plateau", "train.plateau_factor=1.0"],
            "train.plateau_factor is 1",
        ),
    ] {
        let message = recipe(AGAIN, &[&[base.as_str()], set].concat()).expect_err(expected);
        assert!(message.contains(expected), "{set:?}: {message}");
    }
    let deep = ["model.initialisation=deep-norm", "model.norm=before"];
    let message = recipe(GPT, &deep).expect_err("norms behind");
    assert!(
        message.contains("model.norm is before, expected after"),
        "{message}"
    );
    let other = tempfile::tempdir().expect("a folder");
    for (set, expected) in [
        (
            "train.freeze=['embeding']",
            "train.freeze names \"embeding\"",
        ),
        ("train.freeze=['*']", "nothing is left to train"),
        ("lora.targets=['queries']", "lora.targets names \"queries\""),
    ] {
        let error = try_train(AGAIN, &[&base, set], other.path()).expect_err(expected);
        assert!(error.to_string().contains(expected), "{set}: {error}");
    }
}
