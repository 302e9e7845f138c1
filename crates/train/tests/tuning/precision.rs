//! Products in half precision.

use super::*;
use burn_ndarray::NdArray;

const LONGER: [&str; 3] = ["train.steps=20", "train.batch_size=8", "train.lr=0.005"];

#[test]
fn half_precision_learns_what_single_precision_learns() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let run = |precision: &str| {
        let path = folder.path().join(precision);
        let precision = format!("train.precision='{precision}'");
        let outcome = train(GPT, &[&LONGER[..], &[&precision]].concat(), &path);
        assert_eq!(outcome.n_skipped, 0);
        (outcome.last.loss(), weights(&path.join("last")))
    };
    let (expected, single) = run("f32");
    // Products are right to eight bits, or to eleven; that lies between what two such runs were seen to differ by, and what seeds do.
    for (precision, tolerance, n_dropped) in [("bf16", 0.01, 16), ("f16", 0.002, 13)] {
        let (found, half) = run(precision);
        let difference = (found - expected).abs();
        assert!(difference < tolerance, "{precision}: {found}, {expected}");
        assert!(!changed(&single, &half).is_empty());
        // What is updated and saved has all bits of single precision.
        let has_more_bits = |x: &f32| !x.to_bits().is_multiple_of(1 << n_dropped);
        assert!(
            half.values()
                .any(|numbers| numbers.iter().any(has_more_bits))
        );
    }
}

#[test]
fn a_precision_that_the_backend_does_not_compute_in_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe(GPT, &["train.precision='bf16'"]).expect("a recipe");
    let options = RunOptions::new(folder.path());
    let refused =
        run_with::<Autodiff<NdArray>>(&recipe, &options, &Default::default(), &mut |_| {});
    let message = refused.expect_err("no bf16 there").to_string();
    assert_eq!(
        message,
        "recipe field train.precision is bf16, expected what this device computes in, such as f32"
    );
}
