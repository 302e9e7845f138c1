//! A model that is there already, of which a part is trained.

use super::*;

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
        (&["model.from=nowhere"], "cannot begin with nowhere"),
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
