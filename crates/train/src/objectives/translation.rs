//! Next-token prediction of a target given a source, `-Σ log p(y_t | y_<t, x)`.

use crate::objective::{Evaluation, Objective};
use burn::tensor::ElementConversion;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{PairBatch, PairBatches};
use hearth_hub::Model;
use hearth_model::{Conditional, TokenLoss, Transformer};

/// Next-token prediction on sentence pairs.
#[derive(Debug)]
pub struct Translation<B: AutodiffBackend> {
    /// What is trained on.
    training: PairBatches,
    /// What is validated on.
    validation: PairBatches,
    seed: u64,
    label_smoothing: f64,
    device: B::Device,
    epoch: Epoch,
}

/// The epoch that a step falls into. Epochs differ in their number of batches, so they are counted through.
#[derive(Debug)]
struct Epoch {
    number: u64,
    first_step: u64,
    batches: Vec<Vec<usize>>,
}

impl Epoch {
    fn new(training: &PairBatches, seed: u64, number: u64, first_step: u64) -> Self {
        let batches = training.epoch(seed, number);
        Self {
            number,
            first_step,
            batches,
        }
    }

    fn end(&self) -> u64 {
        self.first_step + self.batches.len() as u64
    }
}

impl<B: AutodiffBackend> Translation<B> {
    /// - `label_smoothing`: see [`hearth_model::next_token_loss`]
    pub fn new(
        training: PairBatches,
        validation: PairBatches,
        seed: u64,
        label_smoothing: f64,
        device: B::Device,
    ) -> Self {
        let epoch = Epoch::new(&training, seed, 0, 0);
        Self {
            training,
            validation,
            seed,
            label_smoothing,
            device,
            epoch,
        }
    }
}

impl<B: AutodiffBackend> Objective<B> for Translation<B> {
    type Model = Transformer<B>;
    type Batch = PairBatch<B>;

    fn batch(&mut self, step: u64) -> PairBatch<B> {
        if step < self.epoch.first_step {
            self.epoch = Epoch::new(&self.training, self.seed, 0, 0);
        }
        while step >= self.epoch.end() {
            let (number, first_step) = (self.epoch.number + 1, self.epoch.end());
            self.epoch = Epoch::new(&self.training, self.seed, number, first_step);
        }
        let indices = &self.epoch.batches[(step - self.epoch.first_step) as usize];
        self.training.batch(indices, &self.device)
    }

    fn loss(&self, model: &Transformer<B>, batch: PairBatch<B>) -> TokenLoss<B> {
        let logits = model.forward(batch.source, batch.source_padding, batch.inputs);
        let smoothing = self.label_smoothing;
        TokenLoss::new(
            logits,
            batch.targets,
            batch.target_padding,
            batch.n_tokens,
            smoothing,
        )
    }

    fn validate(&self, model: &Transformer<B::InnerBackend>) -> Evaluation {
        let mut evaluation = Evaluation::default();
        for indices in self.validation.all() {
            let batch = self
                .validation
                .batch::<B::InnerBackend>(&indices, &self.device);
            let logits = model.forward(batch.source, batch.source_padding, batch.inputs);
            let loss = TokenLoss::new(
                logits,
                batch.targets,
                batch.target_padding,
                batch.n_tokens,
                0.0,
            );
            evaluation.add(loss.sum.into_scalar().elem(), loss.n_tokens);
        }
        evaluation
    }

    fn package(&self, model: Transformer<B::InnerBackend>) -> Model<B::InnerBackend> {
        Model::Transformer(model)
    }
}
