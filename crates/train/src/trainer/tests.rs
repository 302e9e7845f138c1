//! What the loop does where a step is no number.

use super::*;
use crate::group::Alone;
use crate::objectives::LanguageModelling;
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn_flex::Flex;
use hearth_batch::{CausalBatch, TextWindows, WindowShape};
use hearth_hub::{Model, ModelConfig, SpecialTokens, read_tensors};
use hearth_model::{Gpt, GptConfig, TokenLoss};

type TestBackend = Autodiff<Flex>;

/// An objective whose loss is spoiled at some steps.
struct Spoiled {
    inner: LanguageModelling<TestBackend, Gpt<TestBackend>>,
    at: fn(u64) -> Spoil,
}

#[derive(Clone, Copy, PartialEq)]
enum Spoil {
    No,
    /// The loss and all gradients are NaN.
    Loss,
    /// The loss is finite, and its gradient is not.
    Gradient,
    /// So large that a few bits of range do not hold it, once it is scaled.
    Large,
}

impl Objective<TestBackend> for Spoiled {
    type Model = Gpt<TestBackend>;
    type Batch = (CausalBatch<TestBackend>, Spoil);

    fn batch(&mut self, step: u64, share: Share) -> Option<Self::Batch> {
        Some((self.inner.batch(step, share)?, (self.at)(step)))
    }

    fn loss(&self, model: &Self::Model, (batch, spoil): Self::Batch) -> TokenLoss<TestBackend> {
        let TokenLoss { sum, n_tokens } = self.inner.loss(model, batch);
        let sum = match spoil {
            Spoil::No => sum,
            Spoil::Loss => sum.mul_scalar(f32::NAN),
            Spoil::Large => sum.mul_scalar(1e3),
            // √0 is 0, and its slope is infinite.
            Spoil::Gradient => sum.clone() + (sum.clone() - sum.detach()).sqrt(),
        };
        TokenLoss { sum, n_tokens }
    }

    fn validate(&self, model: &Gpt<Flex>, share: Share) -> Evaluation {
        self.inner.validate(model, share)
    }

    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }

    fn tensors(&self, (batch, _): Self::Batch) -> Vec<(String, TensorData)> {
        self.inner.tensors(batch)
    }

    fn package(&self, model: Gpt<Flex>) -> Model<Flex> {
        self.inner.package(model)
    }
}

fn recipe(set: &str) -> Recipe {
    let text = format!(
        "[model]\narchitecture = 'gpt'\nd_model = 16\nn_heads = 2\nn_layers = 1\nmax_positions = 8\n\
         [data]\nembedded = 'cicero'\n\
         [train]\nbatch_size = 2\nsteps = 12\nlog_every = 1\ncheckpoint_every = 4\n{set}"
    );
    Recipe::parse(&text, Path::new("r.toml"), &[], &[]).expect("a recipe")
}

fn objective(at: fn(u64) -> Spoil) -> (Spoiled, ModelConfig, Gpt<TestBackend>) {
    let device = Default::default();
    let config = GptConfig::tiny(10);
    let ids = (0..200).map(|i| i * i % 10).collect();
    let shape = WindowShape { batch: 2, seq: 8 };
    let windows = TextWindows::new(ids, shape).expect("windows");
    let inner = LanguageModelling {
        training: windows.clone(),
        validation: windows,
        seed: 1,
        label_smoothing: 0.0,
        bptt: None,
        device,
        package: Model::Gpt,
    };
    let model = config.init(&device);
    (Spoiled { inner, at }, ModelConfig::Gpt(config), model)
}

fn train(
    recipe: &Recipe,
    at: fn(u64) -> Spoil,
    folder: &Path,
) -> (Result<Outcome, TrainError>, Vec<Event>) {
    let (objective, config, model) = objective(at);
    let trainer = Trainer {
        objective,
        card: Card::new(config, SpecialTokens::default()),
        recipe,
        place: Place {
            folder,
            from: None,
            request: &|_| Request::Continue,
            group: &Alone,
        },
        device: &Default::default(),
    };
    let mut events = Vec::new();
    let hear = &mut |event: &Event| events.push(event.clone());
    (trainer.run(model, String::new(), hear), events)
}

/// A model without adapters.
fn whole(model: Gpt<TestBackend>) -> Trained<TestBackend, Gpt<TestBackend>> {
    let adapters = Vec::new();
    Trained { model, adapters }
}

fn numbers(model: &Gpt<TestBackend>) -> Vec<f32> {
    struct Numbers(Vec<f32>);
    impl burn::module::ModuleVisitor<TestBackend> for Numbers {
        fn visit_float<const D: usize>(
            &mut self,
            param: &burn::module::Param<Tensor<TestBackend, D>>,
        ) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }
    let mut numbers = Numbers(Vec::new());
    model.visit(&mut numbers);
    numbers.0
}

#[test]
fn a_step_that_is_no_number_is_caught_in_that_step_and_changes_nothing() {
    let recipe = recipe("");
    for at in [
        (|step| if step == 1 { Spoil::Loss } else { Spoil::No }) as fn(u64) -> Spoil,
        |step| {
            if step == 1 {
                Spoil::Gradient
            } else {
                Spoil::No
            }
        },
    ] {
        let (mut objective, _, model) = objective(at);
        let mut model = whole(model);
        let mut updater = Updater::new(&recipe.train);
        let device = Default::default();
        let mut before = numbers(&model.model);
        for step in 0..3 {
            let updated = updater.update(&mut objective, model, step, &Alone, &device);
            let update;
            (model, update) = updated.expect("alone");
            let after = numbers(&model.model);
            assert_eq!(update.is_skipped(), step == 1, "{update:?}");
            assert_eq!(before == after, step == 1, "step {step}");
            before = after;
        }
        assert_eq!(updater.optimizer.n_updates(), 2);
        assert!(before.iter().all(|number| number.is_finite()));
    }
}

#[test]
fn a_loss_that_overflows_is_scaled_less_until_it_fits() {
    let recipe = recipe("precision = 'f16'");
    let (mut objective, _, model) = objective(|_| Spoil::Large);
    let (mut model, device) = (whole(model), Default::default());
    let mut updater = Updater::new(&recipe.train);
    let before = numbers(&model.model);
    let mut n_skipped = 0;
    for step in 0..20 {
        let updated = updater.update(&mut objective, model, step, &Alone, &device);
        let update;
        (model, update) = updated.expect("alone");
        assert!(update.loss.is_finite());
        n_skipped += i32::from(update.is_skipped());
    }
    assert!((1..15).contains(&n_skipped), "{n_skipped}");
    let scale = updater.loss_scale.expect("a scale").factor();
    assert_eq!(scale, 65_536.0 / f64::from(n_skipped).exp2());
    let after = numbers(&model.model);
    assert!(after != before && after.iter().all(|number| number.is_finite()));
}

/// Batches of different sizes; or, of the same data, batches of two of them.
struct Parts {
    inner: LanguageModelling<TestBackend, Gpt<TestBackend>>,
    together: bool,
}

impl Objective<TestBackend> for Parts {
    type Model = Gpt<TestBackend>;
    type Batch = CausalBatch<TestBackend>;

    fn batch(&mut self, number: u64, share: Share) -> Option<Self::Batch> {
        let mut part = |number: u64| {
            let n_rows = 1 + (number % 2) as usize;
            let batch = self.inner.batch(number, share).expect("rows");
            CausalBatch {
                inputs: batch.inputs.narrow(0, 0, n_rows),
                targets: batch.targets.narrow(0, 0, n_rows),
                n_tokens: n_rows * 8,
            }
        };
        if !self.together {
            return Some(part(number));
        }
        let (one, other) = (part(2 * number), part(2 * number + 1));
        Some(CausalBatch {
            inputs: Tensor::cat(vec![one.inputs, other.inputs], 0),
            targets: Tensor::cat(vec![one.targets, other.targets], 0),
            n_tokens: one.n_tokens + other.n_tokens,
        })
    }

    fn loss(&self, model: &Self::Model, batch: Self::Batch) -> TokenLoss<TestBackend> {
        self.inner.loss(model, batch)
    }

    fn validate(&self, model: &Gpt<Flex>, share: Share) -> Evaluation {
        self.inner.validate(model, share)
    }

    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }

    fn tensors(&self, batch: Self::Batch) -> Vec<(String, TensorData)> {
        self.inner.tensors(batch)
    }

    fn package(&self, model: Gpt<Flex>) -> Model<Flex> {
        self.inner.package(model)
    }
}

#[test]
fn batches_that_are_accumulated_are_one_large_batch() {
    let (objective, _, model) = objective(|_| Spoil::No);
    let run = |accumulate, together| {
        // The gradients are clipped, as a whole.
        let recipe = recipe(&format!(
            "accumulate = {accumulate}\nclip_norm = 0.5\nlr = 0.01"
        ));
        let (mut updater, mut model) = (Updater::new(&recipe.train), whole(model.clone()));
        let mut parts = Parts {
            inner: objective.inner.clone(),
            together,
        };
        let mut updates = Vec::new();
        for step in 0..3 {
            let update;
            let updated = updater.update(&mut parts, model, step, &Alone, &Default::default());
            (model, update) = updated.expect("alone");
            updates.push([update.loss, update.gradient_norm, update.n_tokens as f64]);
        }
        (updates.concat(), numbers(&model.model))
    };
    let ((updates, weights), (expected, expected_weights)) = (run(2, false), run(1, true));
    for (found, expected) in updates.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{updates:?} {expected:?}");
    }
    for (found, expected) in weights.iter().zip(&expected_weights) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn patience_ends_a_run_that_gets_no_better() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe("patience = 2\nvalidate_every = 1\nlr = 1e-30\nweight_decay = 0.0");
    let (outcome, _) = train(&recipe, |_| Spoil::No, folder.path());
    let outcome = outcome.expect("a run");
    assert_eq!(
        (outcome.best_step, outcome.steps, outcome.stopped_at),
        (1, 3, None)
    );
    assert!(folder.path().join("last/config.json").exists());
    assert!(folder.path().join("checkpoints/step-00000003").exists());
}

#[test]
fn steps_that_are_skipped_are_told_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |step| match step {
        2 | 3 | 7 => Spoil::Loss,
        _ => Spoil::No,
    };
    let (outcome, events) = train(&recipe("max_skipped = 2"), at, folder.path());
    assert_eq!(outcome.expect("a run").n_skipped, 3);
    let skipped: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Skipped { step, in_a_row, .. } => Some((*step, *in_a_row)),
            _ => None,
        })
        .collect();
    assert_eq!(skipped, [(3, 1), (4, 2), (8, 1)]);
    let metrics = crate::read_metrics(&folder.path().join("metrics.jsonl")).expect("metrics");
    let skipped: Vec<_> = metrics
        .iter()
        .filter_map(|metric| Some((metric.step, metric.skipped?)))
        .collect();
    assert_eq!(skipped, [(5, 2), (9, 1)]);
    assert!(!folder.path().join("failed-batch.safetensors").exists());
}

/// Steps to spoil, as `3,17`; `cargo xtask campaign` asks for random ones.
const SPOILED_STEPS: &str = "HEARTH_SPOILED_STEPS";

thread_local! {
    static SPOILED: std::cell::Cell<(u64, Spoil)> = const { std::cell::Cell::new((0, Spoil::No)) };
}

#[test]
#[allow(clippy::print_stdout, reason = "the campaign counts the lines")]
fn a_spoiled_step_is_caught_in_that_step() {
    let asked = std::env::var(SPOILED_STEPS).unwrap_or_else(|_| "0,5,29".to_owned());
    let mut recipe = recipe("");
    recipe.train.steps = 30;
    for (number, text) in asked.split(',').enumerate() {
        let spoiled: u64 = text.parse().expect("HEARTH_SPOILED_STEPS: whole numbers");
        assert!(spoiled < 30, "HEARTH_SPOILED_STEPS: {spoiled} of 30 steps");
        let spoil = [Spoil::Loss, Spoil::Gradient][number % 2];
        SPOILED.set((spoiled, spoil));
        let at = |step| match SPOILED.get() {
            (spoiled, spoil) if spoiled == step => spoil,
            _ => Spoil::No,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let (outcome, events) = train(&recipe, at, folder.path());
        assert_eq!(outcome.expect("a run").n_skipped, 1);
        let skipped = events.iter().filter_map(|event| match event {
            Event::Skipped { step, .. } => Some(*step),
            _ => None,
        });
        assert_eq!(skipped.collect::<Vec<_>>(), [spoiled + 1]);
        // No weight of any model that was kept is spoiled: loading refuses one that is.
        for model in ["last", "best", "checkpoints/step-00000028"] {
            let loaded =
                ModelDirectory::<Flex>::load(&folder.path().join(model), &Default::default());
            assert!(loaded.is_ok(), "{model}: {:?}", loaded.err());
        }
        println!("caught: step {spoiled}");
    }
}

#[test]
fn one_skip_too_many_ends_the_run_and_leaves_its_batch_and_the_checkpoints() {
    for (max_skipped, end) in [(0, 6), (2, 8)] {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |step| if step >= 5 { Spoil::Loss } else { Spoil::No };
        let recipe = recipe(&format!("max_skipped = {max_skipped}"));
        let (outcome, _) = train(&recipe, at, folder.path());
        match outcome.expect_err("no number") {
            TrainError::NotFinite { step, loss, .. } => {
                assert!(step == end && loss.is_nan(), "{step}: {loss}");
            }
            error => panic!("{error}"),
        }
        let written = read_tensors(&folder.path().join("failed-batch.safetensors"));
        let written = written.expect("a batch");
        assert_eq!(written["step"].iter::<i64>().collect::<Vec<_>>(), [5]);
        let (mut objective, _, _) = objective(at);
        let (batch, _) = objective.batch(5, Share::WHOLE).expect("rows");
        assert!(
            written["inputs"]
                .iter::<i64>()
                .eq(batch.inputs.into_data().iter::<i64>())
        );
        let newest = Checkpoints::of(folder.path()).newest(&mut |_, why| panic!("{why}"));
        assert_eq!(newest.expect("a folder").expect("whole").state.step, 4);
    }
}
