//! Which weights are saved, and how fast they change.

use super::*;

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
